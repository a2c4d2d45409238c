"""The federation on its chain: one method per contract function, typed events, named refusals.

The page that every other package imports for the chain; ``node.py`` talks to the node and
``transactions.py`` sends. Nothing here keeps state of the chain: what is returned is what the
contract says now.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal

from eth_account.signers.local import LocalAccount
from eth_typing import BlockNumber

from services.accounts import checked_address, load_account
from services.errors import (
    ChainError,
    ContractMissingError,
    ContractRevertError,
)
from services.interface import Event, artifact, decode_logs, event_topics
from services.kernels import missing_kernels, put_kernels, verify_kernels
from services.node import EVENT_BLOCKS, Call, Chain, Header, Receipt, answers, verify_chain
from services.task import Task

__all__ = [
    "Call",
    "Chain",
    "Deployment",
    "Event",
    "Federation",
    "Header",
    "Phase",
    "Receipt",
    "SlashReason",
    "check_task",
    "deploy",
    "load_account",
    "put_kernels",
    "release_code_hash",
    "verify_chain",
    "verify_contract",
]


class Phase(IntEnum):
    """The contract's phases (protocol section 7)."""

    REGISTRATION = 0
    COMMIT = 1
    REVEAL = 2
    AGGREGATE = 3
    CLOSED = 4


class SlashReason(IntEnum):
    """Why a worker lost its balance (protocol section 3)."""

    WITHHELD = 0
    WRONG_LABEL_COUNT = 1


@dataclass(frozen=True)
class Deployment:
    """Where a federation was deployed."""

    contract: str
    deploy_block: int
    transaction_hash: str
    gas_used: int


class Federation:
    """The contract, as one method per function of protocol section 8.

    Views return what the contract says at the latest block, or after ``at_block``. Transactions
    wait for inclusion and need an ``account``; errors are those of ``Chain.send``.
    """

    def __init__(
        self,
        chain: Chain,
        address: str,
        account: LocalAccount | None = None,
        at_block: int | Literal["pending"] | None = None,
    ) -> None:
        self.chain = chain
        self.address = checked_address(address)
        self.account = account
        self.at_block = at_block
        self._contract = chain.w3.eth.contract(self.address, abi=artifact()[0])
        if account is not None:
            chain.refuse_known_key(account)

    def at(self, block_number: int) -> "Federation":
        """The same, as it was after a block."""
        return Federation(self.chain, self.address, at_block=block_number)

    def pending(self) -> "Federation":
        """The same, as the node expects it to be after the next block."""
        return Federation(self.chain, self.address, at_block="pending")

    def task(self) -> Task:
        """The task, as deployed."""
        found: Task = self._view("task", read=Task.from_abi)
        return found

    def phase(self) -> Phase:
        """The phase now."""
        found: Phase = self._view("phase", read=Phase)
        return found

    def round(self) -> int:
        """Number of the round now, from 1; 0 in Registration."""
        return int(self._view("round"))

    def deadline(self) -> int:
        """When the phase ends, in unix seconds; 0 once Closed."""
        return int(self._view("deadline"))

    def roster(self) -> list[str]:
        """Addresses of this round's workers, in the contract's order."""
        return list(self._view("roster"))

    def committee_of(self, chunk: int) -> list[str]:
        """Addresses of the workers who label a chunk, in committee order."""
        return list(self._view("committeeOf", chunk))

    def league_of(self, worker: str) -> int:
        """Ring position mod 2 (protocol section 5)."""
        return int(self._view("leagueOf", worker))

    def chunks(self) -> int:
        """Chunks per round."""
        return int(self._view("chunks"))

    def balance_of(self, worker: str, block_number: int | None = None) -> int:
        """A worker's balance in the federation, in wei; now, or after a block."""
        return int(self._view("balanceOf", worker, block_number=block_number))

    def pot(self) -> int:
        """The pot, in wei."""
        return int(self._view("pot"))

    def is_excluded(self, worker: str) -> bool:
        """Whether a worker was slashed and excluded."""
        return bool(self._view("isExcluded", worker))

    def commitment_of(self, round_number: int, worker: str) -> bytes:
        """A worker's commitment, 32 bytes; zero without one."""
        return bytes(self._view("commitmentOf", round_number, worker))

    def label_count_of(self, round_number: int, worker: str) -> list[int]:
        """A worker's revealed label count per class."""
        return list(self._view("labelCountOf", round_number, worker))

    def score_of(self, round_number: int, worker: str) -> int:
        """A worker's score, in 1e18 units; final after ``settle``."""
        return int(self._view("scoreOf", round_number, worker))

    def reward_of(self, round_number: int, worker: str) -> int:
        """A worker's reward, in wei; 0 where stakes went back."""
        return int(self._view("rewardOf", round_number, worker))

    def labels_root_of(self, round_number: int, worker: str) -> bytes:
        """Merkle root over a worker's revealed chunks (protocol section 3)."""
        return bytes(self._view("labelsRootOf", round_number, worker))

    def global_labels_hash(self, round_number: int, chunk: int) -> bytes:
        """Keccak-256 of a chunk's packed global labels; zero before it is aggregated."""
        return bytes(self._view("globalLabelsHash", round_number, chunk))

    def hash_commitment(
        self, round_number: int, worker: str, labels: bytes, label_count: Sequence[int], salt: bytes
    ) -> bytes:
        """The contract's own hash, for tests: never ask a node that is not yours (section 3)."""
        return bytes(
            self._view("hashCommitment", round_number, worker, labels, list(label_count), salt)
        )

    def register(self, proof: Sequence[bytes], deposit_wei: int) -> Receipt:
        """Join with a membership proof (``membership.membership_proof``) and the deposit."""
        return self._act("register", list(proof), value_wei=deposit_wei)

    def leave(self) -> Receipt:
        """Leave and take the balance along."""
        return self._act("leave")

    def commit(self, commitment: bytes) -> Receipt:
        """Commit to this round's labels (``wire.commitment``)."""
        return self._act("commit", commitment)

    def reveal(self, labels: bytes, label_count: Sequence[int], salt: bytes) -> Receipt:
        """Open the commitment."""
        return self._act("reveal", labels, list(label_count), salt)

    def advance(self) -> Receipt:
        """End a phase whose deadline has passed."""
        return self._transact("advance")

    def aggregate(
        self, chunk: int, labels: Sequence[bytes], proofs: Sequence[Sequence[bytes]]
    ) -> Receipt:
        """Score a chunk from labels and Merkle proofs in committee order, empty if unrevealed."""
        return self._transact("aggregate", chunk, list(labels), [list(proof) for proof in proofs])

    def settle(self) -> Receipt:
        """Pay the round's rewards, after the last chunk."""
        return self._transact("settle")

    def fund(self, value_wei: int) -> Receipt:
        """Give wei to the pot."""
        return self._transact("fund", value_wei=value_wei)

    def withdraw(self) -> Receipt:
        """Take the balance, once Closed."""
        return self._transact("withdraw")

    def events(
        self,
        from_block: int,
        to_block: int | None = None,
        names: Sequence[str] | None = None,
        round_number: int | None = None,
    ) -> list[Event]:
        """Events in chain order.

        Args:
            from_block: first block.
            to_block: last block; None: the latest.
            names: events wanted; None: all.
            round_number: only events of this round, so none that belong to no round.
        """
        last = self.chain.block_number() if to_block is None else to_block
        topics = event_topics(names, round_number)
        return decode_logs(self.chain.logs(self.address, topics, from_block, last))

    def round_events(self, round_number: int, names: Sequence[str]) -> list[Event]:
        """Events of one round in chain order, found from the latest block back to its opening."""
        last = self.chain.block_number()
        found: list[Event] = []
        while last >= 0:
            first = max(0, last - EVENT_BLOCKS + 1)
            part = self.events(first, last, [*names, "RoundOpened"], round_number)
            found = part + found
            if any(event.name == "RoundOpened" for event in part):
                break
            last = first - 1
        return [event for event in found if event.name in names]

    def _view(
        self,
        name: str,
        *arguments: Any,
        block_number: int | None = None,
        read: Callable[[Any], Any] = lambda found: found,
    ) -> Any:
        number = self.at_block if block_number is None else block_number
        block = BlockNumber(number) if isinstance(number, int) else number
        # The only text that a view takes is an address.
        plain = [checked_address(each) if isinstance(each, str) else each for each in arguments]
        with answers(self.address):
            return read(self._contract.functions[name](*plain).call(block_identifier=block))

    def _act(self, name: str, *arguments: Any, value_wei: int = 0) -> Receipt:
        """A worker's own call, which ends the phase if it turns out to be the last one's.

        Who is last shows only in the block, so the estimate may miss what walks the whole roster.
        """
        spare_gas = 300_000 + 20_000 * self.task().max_workers
        return self._transact(name, *arguments, value_wei=value_wei, spare_gas=spare_gas)

    def _transact(
        self, name: str, *arguments: Any, value_wei: int = 0, spare_gas: int = 0
    ) -> Receipt:
        if self.account is None:
            raise ChainError(f"{name} is a transaction; expected an account to sign it, found none")
        data = bytes.fromhex(self._contract.encode_abi(name, list(arguments))[2:])
        return self.chain.send(self.account, self.address, data, value_wei, spare_gas)


def check_task(chain: Chain, task: Task) -> None:
    """Check that the constructor accepts a task, before anything is paid and kernels are there.

    Raises:
        ContractRevertError: it does not.
    """
    try:
        chain.created_code_hash(_creation_code(chain, task))
    except ContractRevertError as error:
        if error.name != "KernelMissing":  # which it looks for at the end
            raise


def deploy(
    chain: Chain,
    account: LocalAccount,
    task: Task,
    before_send: Callable[[str, str], None] | None = None,
) -> Deployment:
    """Deploy a federation; the constructor's refusals come as ``ContractRevertError``.

    The kernels must be there (``put_kernels``).

    Args:
        chain: where.
        account: who pays; it gets no power over the federation.
        task: the constructor's argument.
        before_send: told each transaction's hash and the contract's address before the node gets
            it, so that a process can find its deployment after a crash.
    """
    receipt = chain.send(account, None, _creation_code(chain, task), before_send=before_send)
    return Deployment(
        contract=str(receipt.created),
        deploy_block=receipt.block_number,
        transaction_hash=receipt.transaction_hash,
        gas_used=receipt.gas_used,
    )


def verify_contract(chain: Chain, address: str, expected_code_hash: str | None = None) -> None:
    """Check that the contract at an address is the one expected.

    Args:
        chain: the chain.
        address: where the contract should be.
        expected_code_hash: Keccak-256 of its runtime code; None: that of this release's contract.

    Raises:
        ContractMissingError: no code there, or other code.
    """
    found = chain.code_hash(address)
    if found is None:
        raise ContractMissingError(
            f"no contract is at {address} on chain {chain.chain_id()} ({chain.place}); check the "
            "address and FEDSERUM_RPC_URL: the chain may have been wiped"
        )
    try:
        expected = expected_code_hash or release_code_hash(chain, Federation(chain, address).task())
    except ContractRevertError as error:
        raise ContractMissingError(
            f"another contract than expected is at {address}: this release deploys no such task "
            f"({error}); use the release that it was deployed from"
        ) from error
    if expected is None:
        raise ContractMissingError(
            f"another contract than expected is at {address}: this release has deployed nothing on "
            f"chain {chain.chain_id()}, which does not have its kernels; use the release that it "
            "was deployed from, or set FEDSERUM_CODE_HASH to a hash that you trust"
        )
    if found != expected.lower():
        raise ContractMissingError(
            f"another contract than expected is at {address}: expected code hash {expected}, found "
            f"{found}; use the release that it was deployed from, or set FEDSERUM_CODE_HASH to a "
            "hash that you trust"
        )
    if expected_code_hash is None:
        verify_kernels(chain)


def release_code_hash(chain: Chain, task: Task) -> str | None:
    """Keccak-256 of the runtime code that this release deploys for a task.

    The node computes it from the checked-in creation code; nothing is sent. None where the kernels
    are missing: then there can be no federation of this release, and the code is not computed.
    """
    if missing_kernels(chain):
        return None
    return chain.created_code_hash(_creation_code(chain, task))


def _creation_code(chain: Chain, task: Task) -> bytes:
    abi, bytecode = artifact()
    contract = chain.w3.eth.contract(abi=abi, bytecode=bytecode)
    return bytes.fromhex(contract.constructor(task.to_abi()).data_in_transaction[2:])
