"""Send one transaction and wait until a block has it.

Nonces, fees, gas, size and funds are decided here and nowhere else. One account has one
transaction under way: a process that restarts waits for what it sent before it died, so that what
it does next is judged by the state that this left. Before anything is sent the node is asked for it
by its hash, and what replaces it has its nonce: nothing gets into the blocks twice.
"""

import re
import time
from collections.abc import Callable
from typing import Any

import structlog
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from web3 import Web3
from web3.exceptions import (
    ContractLogicError,
    TransactionIndexingInProgress,
    TransactionNotFound,
    Web3RPCError,
)
from web3.types import TxParams, TxReceipt, Wei

from services.errors import InsufficientFundsError, TransactionError

MAX_GAS = 16_777_216  # EIP-7825: no transaction may ask for more
MAX_BYTES = 131_072  # nodes drop a larger signed transaction

_FEE_ROUNDS = 3  # how often a transaction that no block takes is sent again with a higher fee
_LOOKS_AT_POOL = 4  # so many looks for a receipt, and then one at whether it can come at all
_FEE_STEP = 1.25  # nodes want at least a tenth more before they replace one
# How nodes say that they want more; each has words of its own.
_TOO_CHEAP = re.compile(
    r"underpriced|base ?fee|(fee|price)\w* ?(is )?(too ?low|below)", re.IGNORECASE
)

log = structlog.get_logger()


class _NonceTakenError(Exception):
    """Another transaction of the account got the nonce; the state it left must be read anew."""


class _NonceAheadError(Exception):
    """The chain took back earlier transactions of the account: ours waits for what nobody sends."""


def send(
    w3: Web3,
    account: LocalAccount,
    to: str | None,
    data: bytes,
    value_wei: int,
    *,
    most_fee_wei: int,
    timeout_s: float,
    poll_s: float,
    spare_gas: int = 0,
    before_send: Callable[[bytes, int], None] | None = None,
) -> TxReceipt:
    """Sign locally, send and wait for inclusion.

    Args:
        w3: the node.
        account: who signs and pays.
        to: the receiver; None creates a contract.
        data: the call, or the creation code.
        value_wei: ether to send along, in wei.
        most_fee_wei: to offer per gas.
        timeout_s: seconds until inclusion, in all.
        poll_s: seconds between two looks.
        spare_gas: gas to allow beyond the estimate, for work that another transaction of the same
            block may leave to this one.
        before_send: told each transaction's hash and nonce before the node gets it; it may raise.

    Returns:
        The receipt of a transaction that succeeded.

    Raises:
        InsufficientFundsError: the account cannot pay value and gas.
        TransactionError: too large, needs too much gas, refused, or in no block in time.
        web3.exceptions.ContractLogicError: the contract refuses it.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        _await_earlier(w3, account.address, time.monotonic() + timeout_s / _FEE_ROUNDS, poll_s)
        request: TxParams = {"from": account.address, "data": data, "value": Wei(value_wei)}
        if to is not None:
            request["to"] = to
        request["gas"] = _gas_limit(w3, account, request, spare_gas)
        try:
            receipt = _send_until_included(
                w3, account, request, most_fee_wei, deadline, poll_s, before_send
            )
        except _NonceAheadError:
            log.warning("earlier_transactions_undone", account=account.address)
            if time.monotonic() < deadline:
                continue
            raise TransactionError(
                f"the chain keeps taking back transactions of {account.address}; try again later"
            ) from None
        except _NonceTakenError:
            if time.monotonic() < deadline:
                time.sleep(poll_s)
                continue
            raise TransactionError(
                f"another process keeps sending with the key of {account.address}; give every "
                "process a key of its own"
            ) from None
        if receipt["status"] != 1:
            _raise_cause(w3, request, receipt)
        return receipt


def void(
    w3: Web3, account: LocalAccount, most_fee_wei: int, *, timeout_s: float, poll_s: float
) -> bool:
    """Take the nonce of a transaction that may be under way, so that no block ever takes that one.

    Returns:
        False if that one was faster.

    Raises:
        InsufficientFundsError, TransactionError: as `send`.
    """
    request: TxParams = {"from": account.address, "to": account.address, "value": Wei(0)}
    request |= {"data": b"", "gas": 21_000}
    deadline = time.monotonic() + timeout_s
    try:
        _send_until_included(w3, account, request, most_fee_wei, deadline, poll_s, None)
    except (_NonceAheadError, _NonceTakenError):
        return False
    return True


def send_signed(w3: Web3, raw: bytes, *, timeout_s: float, poll_s: float) -> TxReceipt:
    """Send what somebody else has signed, at the fee that it offers, and wait for inclusion.

    Raises:
        TransactionError: refused, in no block in time, or failed.
    """
    transaction_hash = bytes(Web3.keccak(raw))
    try:
        is_accepted = _broadcast(w3, raw, [transaction_hash])
    except _NonceTakenError as error:
        raise TransactionError(f"the node refused the transaction: {error.__cause__}") from error
    if not is_accepted:
        raise TransactionError("the node wants a higher fee than the transaction offers")
    receipt = _await_receipt(w3, [transaction_hash], time.monotonic() + timeout_s, poll_s)
    if receipt is None:
        raise TransactionError(
            f"transaction {Web3.to_hex(transaction_hash)} is in no block yet; it may still come"
        )
    if receipt["status"] != 1:
        raise TransactionError(
            f"transaction {Web3.to_hex(transaction_hash)} failed in block {receipt['blockNumber']}"
        )
    return receipt


def _await_earlier(w3: Web3, address: ChecksumAddress, until: float, poll_s: float) -> None:
    """Wait for the account's pending transactions; past ``until`` they are to be replaced."""
    while time.monotonic() < until:
        included = w3.eth.get_transaction_count(address, "latest")
        if w3.eth.get_transaction_count(address, "pending") <= included:
            return
        time.sleep(poll_s)


def _gas_limit(w3: Web3, account: LocalAccount, request: TxParams, spare_gas: int) -> int:
    """Gas to ask for: the estimate, a quarter, and what the caller wants to have spare."""
    _check_funds(w3, account.address, request["value"], 0, 0)
    try:
        estimate = w3.eth.estimate_gas(request)
    except (ContractLogicError, Web3RPCError) as error:
        said = _said(error)
        # Some nodes report what runs out of gas as if the contract had refused it.
        if isinstance(error, ContractLogicError) and "out of gas" not in said:
            raise
        raise TransactionError(
            f"the node cannot estimate the gas of this transaction: {said}; expected at "
            f"most {MAX_GAS}: make chunks smaller if it needs more"
        ) from error
    if estimate > MAX_GAS:
        raise TransactionError(
            f"this transaction needs {estimate} gas, expected at most {MAX_GAS} (EIP-7825): make "
            "chunks smaller"
        )
    return min(MAX_GAS, estimate * 5 // 4 + spare_gas)


def _send_until_included(
    w3: Web3,
    account: LocalAccount,
    request: TxParams,
    most_fee_wei: int,
    deadline: float,
    poll_s: float,
    before_send: Callable[[bytes, int], None] | None,
) -> TxReceipt:
    """Send under one nonce, with a higher fee each time it stays out of the blocks too long."""
    nonce = w3.eth.get_transaction_count(account.address, "latest")
    chain_id = w3.eth.chain_id
    tip, fee = _fees(w3, most_fee_wei)
    patience = (deadline - time.monotonic()) / _FEE_ROUNDS
    hashes: list[bytes] = []
    while time.monotonic() < deadline:
        _check_fee(fee, most_fee_wei)
        _check_funds(w3, account.address, request["value"], request["gas"], fee)
        fields: Any = {
            **request,
            "type": 2,
            "chainId": chain_id,
            "nonce": nonce,
            "maxFeePerGas": fee,
            "maxPriorityFeePerGas": tip,
        }
        signed = account.sign_transaction(fields)
        _check_size(signed.raw_transaction)
        if signed.hash not in hashes:
            hashes.append(bytes(signed.hash))
            if before_send is not None:
                before_send(hashes[-1], nonce)
        accepted = _broadcast(w3, signed.raw_transaction, hashes)
        until = min(deadline, time.monotonic() + patience) if accepted else time.monotonic()
        sent = signed.raw_transaction
        receipt = _await_kept(w3, account.address, nonce, sent, hashes, until, poll_s)
        if receipt is not None:
            return receipt
        new_tip, new_fee = _fees(w3, most_fee_wei)
        tip, fee = max(new_tip, int(tip * _FEE_STEP) + 1), max(new_fee, int(fee * _FEE_STEP) + 1)
        log.warning("transaction_fee_raised", tx=Web3.to_hex(hashes[-1]), nonce=nonce, fee_wei=fee)
    raise TransactionError(
        f"transaction 0x{hashes[-1].hex()} of {account.address} (nonce {nonce}) is in no block "
        "yet; it may still come: check that the node makes blocks, or raise "
        "FEDSERUM_TRANSACTION_TIMEOUT_S"
    )


def _broadcast(w3: Web3, raw: bytes, hashes: list[bytes]) -> bool:
    """Hand it to the node, unless that has it; False if it wants a higher fee.

    Args:
        w3: the node.
        raw: the signed transaction.
        hashes: of all that were sent under its nonce, its own last.
    """
    if _is_known(w3, hashes[-1]):
        return True
    try:
        w3.eth.send_raw_transaction(raw)
    except Web3RPCError as error:
        # A lost answer makes the transport send twice: the node may have it all along.
        if any(_is_known(w3, transaction_hash) for transaction_hash in hashes):
            return True
        said = _said(error)
        if "nonce" in said.lower():
            raise _NonceTakenError from error
        if _TOO_CHEAP.search(said):
            return False
        raise TransactionError(f"the node refused the transaction: {said}") from error
    return True


def _is_known(w3: Web3, transaction_hash: bytes) -> bool:
    try:
        w3.eth.get_transaction(Web3.to_hex(transaction_hash))
    except (TransactionNotFound, Web3RPCError):  # an error: it cannot tell
        return False
    return True


def _await_receipt(w3: Web3, hashes: list[bytes], until: float, poll_s: float) -> TxReceipt | None:
    """Whichever of the transactions under one nonce gets into a block first."""
    while True:
        for transaction_hash in hashes:
            try:
                return w3.eth.get_transaction_receipt(Web3.to_hex(transaction_hash))
            except (TransactionNotFound, TransactionIndexingInProgress):
                continue
        if time.monotonic() >= until:
            return None
        time.sleep(poll_s)


def _await_kept(
    w3: Web3,
    address: ChecksumAddress,
    nonce: int,
    raw: bytes,
    hashes: list[bytes],
    until: float,
    poll_s: float,
) -> TxReceipt | None:
    """The receipt, as `_await_receipt`; what the node has forgotten meanwhile is sent once more.

    A reorganisation may lose it, and what came before it under lower nonces.

    Raises:
        _NonceAheadError: that has happened.
    """
    while True:
        some_looks = time.monotonic() + _LOOKS_AT_POOL * poll_s
        receipt = _await_receipt(w3, hashes, min(until, some_looks), poll_s)
        if receipt is not None or time.monotonic() >= until:
            return receipt
        if w3.eth.get_transaction_count(address, "pending") < nonce:
            raise _NonceAheadError
        if not any(_is_known(w3, transaction_hash) for transaction_hash in hashes):
            log.warning("transaction_forgotten", tx=Web3.to_hex(hashes[-1]), nonce=nonce)
            if not _broadcast(w3, raw, hashes):
                return None


def _fees(w3: Web3, most_fee_wei: int) -> tuple[int, int]:
    """(tip, most to pay) in wei per gas; twice the base fee outlasts six full blocks."""
    base = w3.eth.get_block("latest").get("baseFeePerGas")
    if base is None:
        raise TransactionError("the chain has no base fee; expected one with EIP-1559")
    tip = w3.eth.max_priority_fee
    _check_fee(base + tip, most_fee_wei)
    return tip, min(2 * base + tip, most_fee_wei)


def _check_fee(fee: int, most_fee_wei: int) -> None:
    if fee > most_fee_wei:
        raise TransactionError(
            f"{fee} wei per gas would have to be offered, and FEDSERUM_MOST_FEE_GWEI allows "
            f"{most_fee_wei}: wait until gas is cheaper, or allow more if the node is right"
        )


def _check_funds(w3: Web3, address: ChecksumAddress, value: int, gas: int, fee: int) -> None:
    found, needed = w3.eth.get_balance(address), value + gas * fee
    if found < needed:
        raise InsufficientFundsError(
            f"{address} cannot pay for a transaction: needs {needed} wei ({value} to send and "
            f"{gas} gas at {fee} wei), found {found} wei; give it {needed - found} wei or more"
        )


def _check_size(raw: bytes) -> None:
    if len(raw) > MAX_BYTES:
        raise TransactionError(
            f"the signed transaction has {len(raw)} bytes, expected at most {MAX_BYTES}: make "
            "chunks smaller"
        )


def _raise_cause(w3: Web3, request: TxParams, receipt: TxReceipt) -> None:
    """Ask the node again, where the transaction failed, so that the contract names the reason."""
    if receipt["gasUsed"] < request["gas"]:
        for block in (receipt["blockNumber"], receipt["blockNumber"] - 1):
            w3.eth.call(request, block)
    raise TransactionError(
        f"transaction {Web3.to_hex(receipt['transactionHash'])} failed in block "
        f"{receipt['blockNumber']} after {receipt['gasUsed']} of {request['gas']} gas and would "
        "succeed now; try again"
    )


def _said(error: ContractLogicError | Web3RPCError) -> str:
    """The node's own words."""
    response: Any = getattr(error, "rpc_response", None) or {}
    return str(response.get("error", {}).get("message", error.message))
