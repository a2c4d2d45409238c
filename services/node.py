"""One node of the chain: what it says about the chain, and sending through it.

With ``transport.py`` below it and ``transactions.py`` beside it the only file that imports web3.
Synchronous.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import BlockNumber, HexStr
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3 import Web3
from web3.exceptions import (
    BadFunctionCallOutput,
    BadResponseFormat,
    BlockNotFound,
    ContractLogicError,
    TransactionNotFound,
    Web3RPCError,
)
from web3.types import LogReceipt, Nonce, TxReceipt
from web3.utils import get_create_address

from services import public_keys, transactions
from services.accounts import checked_address, known_addresses
from services.errors import (
    ChainError,
    ChainUnreachableError,
    ContractMissingError,
    FedserumError,
    SettingsError,
    WrongChainError,
)
from services.interface import Event, decode_logs, decode_revert, function_name
from services.settings import ProcessSettings
from services.transport import Transport
from services.well_formed import bytes32, checked_log, malformed, natural

LOCAL_CHAIN_IDS = (31337, 1337)  # development chains, where well-known keys are harmless
BLOCK_BITS = 48  # no chain has more blocks
NEXT_NONCES = 8  # a deployment comes after those of the kernels
EVENT_BLOCKS = 2_000  # blocks that one query for events spans at most


@dataclass(frozen=True)
class Receipt:
    """An included transaction: the contract function it called, the gas it used, its events.

    ``function`` is "constructor" for a deployment and "" for what is no call of the contract.
    """

    transaction_hash: str
    block_number: int
    gas_used: int
    function: str
    events: list[Event]
    created: str | None = None  # address of the contract that it created


@dataclass(frozen=True)
class Header:
    """What a contract sees of its block: the time, in unix seconds, and PREVRANDAO, 32 bytes."""

    timestamp: int
    prevrandao: bytes


@dataclass(frozen=True)
class Call:
    """What a transaction asked for: of which account (None: a new contract), with which data."""

    to: str | None
    data: bytes


@contextmanager
def answers(contract: str = "the contract") -> Iterator[None]:
    """Turn web3's errors, and whatever a malformed answer leads to, into ours."""
    try:
        yield
    except FedserumError:
        raise
    except ContractLogicError as error:
        raise decode_revert(_revert_data(error)) from error
    except BadFunctionCallOutput as error:
        raise ContractMissingError(
            f"what is at {contract} does not answer like a federation; check the address, and "
            "whether the chain was wiped"
        ) from error
    except (BlockNotFound, TransactionNotFound) as error:
        raise ChainError(f"the node does not have it, or has forgotten it: {error}") from error
    except Web3RPCError as error:
        raise ChainError(f"the node refused a request: {error.message}") from error
    except BadResponseFormat as error:
        raise ChainUnreachableError(f"what answers is no chain node: {error}") from error
    except Exception as error:
        raise malformed(error) from error


def _revert_data(error: ContractLogicError) -> bytes:
    # Some nodes wrap the data, some put words before them, some send none.
    data: Any = error.data.get("data") if isinstance(error.data, dict) else error.data
    last = (data.split() or [""])[-1] if isinstance(data, str) else ""
    with suppress(ValueError):
        return bytes.fromhex(last[2:]) if last.startswith("0x") else b""
    return b""


def _typed(raw: TxReceipt, data: bytes) -> Receipt:
    created = raw["contractAddress"]
    return Receipt(
        transaction_hash=bytes32(raw["transactionHash"]),
        block_number=natural(raw["blockNumber"], BLOCK_BITS),
        gas_used=natural(raw["gasUsed"], 64),
        function="constructor" if created else function_name(data),
        events=decode_logs(raw["logs"]),
        created=None if created is None else to_checksum_address(created),
    )


class Chain:
    """A node and what it says about the chain."""

    def __init__(
        self,
        rpc_url: str,  # or several, with commas between them
        timeout_s: float = 10.0,
        transaction_timeout_s: float = 120.0,
        poll_s: float = 0.5,
        most_fee_gwei: float = 1_000.0,
    ) -> None:
        self.rpc_url = rpc_url
        self.transaction_timeout_s = transaction_timeout_s
        self.poll_s = poll_s
        self.most_fee_wei = round(most_fee_gwei * 10**9)
        # Web3's own middleware would ask for the chain id before every call and refuse the blocks
        # of proof-of-authority chains.
        self._transport = Transport(rpc_url, timeout_s)
        self.w3 = Web3(self._transport, middleware=[])
        self._sending = threading.Lock()

    @classmethod
    def of(cls, settings: ProcessSettings) -> "Chain":
        """As a process's settings say."""
        return cls(
            settings.rpc_url,
            settings.rpc_timeout_s,
            settings.transaction_timeout_s,
            settings.poll_s,
            settings.most_fee_gwei,
        )

    @property
    def place(self) -> str:
        """The node that is asked now, for messages."""
        return self._transport.place

    def choose_node(self) -> None:
        """Ask another node from now on if the one in use has fallen behind or runs ahead."""
        self._transport.choose()

    def chain_id(self) -> int:
        """The chain id (EIP-155)."""
        with answers():
            return natural(self.w3.eth.chain_id)

    def genesis_hash(self) -> str:
        """Hash of block 0, which tells a wiped development chain from the old one."""
        with answers():
            return bytes32(self.w3.eth.get_block(0)["hash"])

    def block_number(self) -> int:
        """Number of the latest block."""
        with answers():
            return natural(self.w3.eth.block_number, BLOCK_BITS)

    def now(self) -> int:
        """Time of the latest block, in unix seconds: what the contract's windows go by."""
        with answers():
            return natural(self.w3.eth.get_block("latest")["timestamp"], 64)

    def balance_wei(self, address: str, at_block: int | Literal["pending"] | None = None) -> int:
        """Ether of an account outside the federation, in wei; now, or after a block."""
        block = BlockNumber(at_block) if isinstance(at_block, int) else at_block
        with answers():
            return natural(self.w3.eth.get_balance(checked_address(address), block))

    def may_create_again(self, account: LocalAccount, contract: str) -> bool:
        """Whether one of the account's next few transactions would create this very contract.

        Then the transaction that did is undone: a chain has each nonce of an account once.
        """
        with answers():
            sent = natural(self.w3.eth.get_transaction_count(account.address), 64)
        nonces = map(Nonce, range(sent, sent + NEXT_NONCES))
        return contract in {get_create_address(account.address, nonce) for nonce in nonces}

    def code_hash(self, address: str) -> str | None:
        """Keccak-256 of the runtime code at an address; None without code."""
        with answers():
            code = bytes(self.w3.eth.get_code(checked_address(address)))
        return "0x" + keccak(code).hex() if code else None

    def created_code_hash(self, creation_code: bytes) -> str:
        """Keccak-256 of the runtime code that a creation code, with its arguments, would leave."""
        with answers():
            code = bytes(self.w3.eth.call({"data": creation_code, "gas": transactions.MAX_GAS}))
        return "0x" + keccak(code).hex()

    def base_fee_wei(self) -> int:
        """What a transaction in the latest block had to pay at least, in wei per gas."""
        with answers():
            return natural(self.w3.eth.get_block("latest").get("baseFeePerGas", 0))

    def header(self, number: int) -> Header:
        """A block's header."""
        with answers():
            block = self.w3.eth.get_block(number)
            prevrandao = bytes.fromhex(bytes32(block["mixHash"])[2:])
            return Header(natural(block["timestamp"], 64), prevrandao)

    def call(self, transaction_hash: str) -> Call:
        """What an included transaction asked for."""
        with answers():
            transaction = self.w3.eth.get_transaction(HexStr(transaction_hash))
            to = transaction.get("to")
            asked_of = None if to is None else to_checksum_address(to)
            return Call(asked_of, bytes(transaction["input"]))

    def public_key(self, signer: str, transaction_hash: str) -> bytes:
        """The public key, 64 bytes, of the account that signed an included transaction.

        Raises:
            ChainError: another one did, or the transaction is of a kind that is not known here.
        """
        with answers():
            transaction = self.w3.eth.get_transaction(HexStr(transaction_hash))
            return public_keys.public_key_of(signer, transaction)

    def logs(self, address: str, topics: list[Any], first: int, last: int) -> list[LogReceipt]:
        """What a contract's events left in the blocks from first to last, in chain order."""
        found: list[LogReceipt] = []
        span = EVENT_BLOCKS
        while first <= last:
            until = min(last, first + span - 1)
            try:
                with answers():
                    part = self.w3.eth.get_logs(
                        {
                            "address": checked_address(address),
                            "fromBlock": BlockNumber(first),
                            "toBlock": BlockNumber(until),
                            "topics": topics,
                        }
                    )
                    found += [checked_log(entry) for entry in part]
            except ChainError as error:
                # Nodes bound an answer's size, each in its own way: ask for less.
                if isinstance(error, ChainUnreachableError) or span == 1:
                    raise
                span //= 2
                continue
            first = until + 1
        return found

    def block_hash(self, number: int) -> str:
        """Hash of a block, which tells whether the chain was reorganised."""
        with answers():
            try:
                return bytes32(self.w3.eth.get_block(number)["hash"])
            except BlockNotFound:
                raise ChainError(f"the chain has no block {number}") from None

    def receipt(self, transaction_hash: str) -> Receipt:
        """The receipt of an included transaction, with the federation's events decoded.

        Raises:
            ChainError: no block has this transaction.
        """
        with answers():
            try:
                key = HexStr(transaction_hash)
                raw = self.w3.eth.get_transaction_receipt(key)
                data = bytes(self.w3.eth.get_transaction(key)["input"])
            except TransactionNotFound:
                raise ChainError(f"no block has a transaction {transaction_hash}") from None
            return _typed(raw, data)

    def transfer(self, account: LocalAccount, to: str, value_wei: int) -> Receipt:
        """Send ether; errors as in ``transactions.send``."""
        return self.send(account, checked_address(to), b"", value_wei)

    def send(
        self,
        account: LocalAccount,
        to: str | None,
        data: bytes,
        value_wei: int = 0,
        spare_gas: int = 0,
        before_send: Callable[[str, str], None] | None = None,
    ) -> Receipt:
        """Sign, send and wait as in ``transactions.send``; refusals come by name.

        ``before_send`` is told the hash and the address of the contract that it would create.
        """

        def note(transaction_hash: bytes, nonce: int) -> None:
            if before_send is not None:
                created = get_create_address(account.address, Nonce(nonce))
                before_send(Web3.to_hex(transaction_hash), created)

        self.refuse_known_key(account)
        with self._sending, answers():
            raw = transactions.send(
                self.w3,
                account,
                to,
                data,
                value_wei,
                most_fee_wei=self.most_fee_wei,
                timeout_s=self.transaction_timeout_s,
                poll_s=self.poll_s,
                spare_gas=spare_gas,
                before_send=note,
            )
            return _typed(raw, data)

    def void(self, account: LocalAccount) -> bool:
        """Make sure that what the account may have under way is in no block ever.

        Returns:
            False if it got into one before.

        Raises:
            ChainError: as of ``transactions.void``.
        """
        with self._sending, answers():
            return transactions.void(
                self.w3,
                account,
                self.most_fee_wei,
                timeout_s=self.transaction_timeout_s,
                poll_s=self.poll_s,
            )

    def send_signed(self, raw: bytes) -> Receipt:
        """Send what somebody else has signed; errors as in ``transactions.send_signed``."""
        self._refuse_known(Account.recover_transaction(raw))
        with self._sending, answers():
            receipt = transactions.send_signed(
                self.w3, raw, timeout_s=self.transaction_timeout_s, poll_s=self.poll_s
            )
            return _typed(receipt, b"")

    def refuse_known_key(self, account: LocalAccount) -> None:
        """Refuse keys that everyone knows, except on a development chain.

        Raises:
            SettingsError: the key is one of those that development nodes print.
        """
        self._refuse_known(account.address)

    def _refuse_known(self, address: str) -> None:
        if self.chain_id() not in LOCAL_CHAIN_IDS and address in known_addresses():
            raise SettingsError(
                f"{address} is a development key that everyone knows, and this is chain "
                f"{self.chain_id()}; expected chain {LOCAL_CHAIN_IDS}, or a key of your own"
            )


def verify_chain(chain: Chain, chain_id: int, genesis_hash: str) -> None:
    """Check that this is the chain it was last time.

    Raises:
        WrongChainError: chain id or genesis differ.
    """
    found = (chain.chain_id(), chain.genesis_hash())
    if found != (chain_id, genesis_hash):
        raise WrongChainError(
            f"{chain.place} serves another chain: expected chain {chain_id} with genesis "
            f"{genesis_hash}, found chain {found[0]} with genesis {found[1]}; set "
            "FEDSERUM_RPC_URL, or start anew with an empty state folder if the chain was wiped"
        )
