"""The contracts that all federations of a chain share: put there once, and found there.

The kernels count and score; whoever deploys a federation makes sure of them first. Nobody owns
these contracts, their addresses follow from their code, and whoever comes second finds them there.
``chain.py`` hands this on.
"""

import time

import structlog
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from services.errors import ChainError, ContractMissingError, ContractRevertError, TransactionError
from services.interface import PROXY, PROXY_CODE, SharedContract, kernels
from services.node import Chain

# The transaction that creates the deployment proxy, on every chain at the same address: without
# chain id, and with a signature that nobody made (r and s are 0x22…), so its signer is an account
# that nobody has the key of, and that can send nothing else.
SIGNER = "0x3fAB184622Dc19b6109349B94811493BF2a45362"
TRANSACTION = (
    bytes.fromhex("f8a58085174876e800830186a08080b853604580600e600039806000f350fe")
    + PROXY_CODE
    + bytes.fromhex("1ba0" + 32 * "22" + "a0" + 32 * "22")
)
_PRICE_WEI = 100 * 10**9  # per gas
_COST_WEI = 100_000 * _PRICE_WEI

log = structlog.get_logger()


def put_kernels(chain: Chain, account: LocalAccount) -> None:
    """Make sure that the kernels are on the chain; where they are, nothing is sent.

    Anyone may do it at any time, also while somebody else does.

    Args:
        chain: where.
        account: who pays; it gets no power over them.

    Raises:
        ContractMissingError: something else is at one of the addresses.
        ChainError: a transaction does not go through.
    """
    for kernel in kernels():
        put_shared(chain, account, kernel)


def put_shared(chain: Chain, account: LocalAccount, contract: SharedContract) -> None:
    """Make sure of one shared contract, as `put_kernels`."""
    if chain.code_hash(contract.address) is None:
        _put_proxy(chain, account)
        _put(chain, account, contract)
    _verify(chain, contract)


def missing_kernels(chain: Chain) -> list[SharedContract]:
    """The kernels that are not on the chain."""
    return [kernel for kernel in kernels() if chain.code_hash(kernel.address) is None]


def verify_kernels(chain: Chain) -> None:
    """Check that the code of the kernels is there, and theirs.

    Raises:
        ContractMissingError: it is not.
    """
    for kernel in kernels():
        _verify(chain, kernel)


def _verify(chain: Chain, contract: SharedContract) -> None:
    _verify_code(chain, f"contract {contract.name}", contract.address, contract.code_hash)


def _verify_code(chain: Chain, what: str, address: str, expected: str) -> None:
    found = chain.code_hash(address)
    if found != expected:
        raise ContractMissingError(
            f"the {what} is not at {address}, which follows from its code: expected code hash "
            f"{expected}, found {found or 'no code'} on chain {chain.chain_id()} ({chain.place}); "
            "ask another node"
        )


def _put_proxy(chain: Chain, account: LocalAccount) -> None:
    """Create the deployment proxy where a chain does not have it."""
    if chain.code_hash(PROXY) is None:
        found_wei = chain.base_fee_wei()
        if found_wei > _PRICE_WEI:
            raise ChainError(
                f"the deployment proxy {PROXY} is not on chain {chain.chain_id()}, and the "
                f"transaction that creates it offers {_PRICE_WEI} wei per gas, but the base fee is "
                f"{found_wei}; wait until it is lower"
            )
        short_wei = _COST_WEI - chain.balance_wei(SIGNER)
        if short_wei > 0:
            chain.transfer(account, SIGNER, short_wei)
        try:
            receipt = chain.send_signed(TRANSACTION)
            log.info("deployment_proxy_created", proxy=PROXY, tx=receipt.transaction_hash)
        except ChainError as error:
            if chain.code_hash(PROXY) is None:
                raise ChainError(
                    f"the deployment proxy {PROXY} is not on chain {chain.chain_id()}, and the "
                    f"transaction that creates it does not go through: {error}; it has no chain "
                    "id, which some nodes refuse (geth takes it with --rpc.allow-unprotected-txs): "
                    "send it by a node that does not, its fee is paid, or ask who runs the chain "
                    f"for the proxy: 0x{TRANSACTION.hex()}"
                ) from error
    _verify_code(chain, "deployment proxy", PROXY, "0x" + keccak(PROXY_CODE).hex())


def _put(chain: Chain, account: LocalAccount, contract: SharedContract) -> None:
    try:
        receipt = chain.send(account, PROXY, contract.deployment)
    except ContractRevertError as error:
        # Most likely somebody else was faster, maybe in a block that is still to come.
        until = time.monotonic() + chain.transaction_timeout_s
        while chain.code_hash(contract.address) is None:
            if time.monotonic() > until:
                raise TransactionError(
                    f"the deployment proxy {PROXY} does not create {contract.name} on "
                    f"chain {chain.chain_id()}; expected a chain with the rules of Ethereum's "
                    "Prague upgrade"
                ) from error
            time.sleep(chain.poll_s)
        return
    except TransactionError:
        if chain.code_hash(contract.address) is None:
            raise
        return
    log.info(
        "shared_contract_created",
        name=contract.name,
        address=contract.address,
        gas_used=receipt.gas_used,
        tx=receipt.transaction_hash,
    )
