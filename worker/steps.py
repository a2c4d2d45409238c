"""One worker's steps in a round, each once: what `fedserum worker` and the verbs by hand share.

Every step looks at the chain and the journal, does one thing or says why not, and knows no model
and no clock. Whether it is time for a step is for `protocol.py` and for `hand/` to decide.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from services import wire
from services.chain import Federation, Phase, Receipt
from services.errors import ChainError, ContractRevertError, JournalError, RoundError
from services.membership import membership_proof, read_members
from services.task import Task
from worker.journal import Entry, Journal

TOO_LATE = ("WrongPhase", "DeadlinePassed")  # the contract's refusals when a window has closed


@dataclass(frozen=True)
class Steps:
    """What one account does in one federation.

    Attributes:
        federation: the contract, with the account to sign.
        account: whose steps these are.
        task: the contract's task.
        journal: where labels and salts are kept; one process holds its folder at a time.
    """

    federation: Federation
    account: LocalAccount
    task: Task
    journal: Journal

    def register(self, members: str | None) -> Receipt | None:
        """Join with the deposit; None if this account is in already.

        Args:
            members: where the task's description is; None: where ``task.uri`` says.

        Raises:
            MembershipError: the federation does not list this account.
            ContractRevertError: one of `TOO_LATE`, or another refusal.
        """
        me = self.account.address
        if self.federation.balance_of(me) > 0:
            return None
        # Kept for the rounds to come; without any, the reading says what is missing.
        listed = self.journal.description(self.task, members).members
        proof = membership_proof(listed or read_members(self.task, members), me)
        return self.federation.register(proof, self.task.deposit_wei)

    def require_in(self, phase: Phase) -> None:
        """After Registration only who is in may go on; once closed, who was in may finish.

        Raises:
            RoundError: never registered, slashed, gone, or without a balance.
        """
        me, now = self.account.address, self._now()
        if now.balance_of(me) > 0 or now.phase() is not phase:
            return
        if now.is_excluded(me):
            raise RoundError(
                f"{me} was slashed and is excluded for good: it withheld committed labels, or "
                "lied about their count; nothing is left to do here"
            )
        if not self.journal.has_entries():
            raise too_late_to_register(me, phase)
        if phase is not Phase.CLOSED:
            raise RoundError(f"{me} has left, or its balance is used up; nothing is left to do")

    def _now(self) -> Federation:
        """The federation as of one block.

        Behind one address there may be nodes that are a few blocks apart: what several of them say
        of "the latest block" may never have been true together.
        """
        return self.federation.at(self.federation.chain.block_number())

    def assigned_chunks(self) -> list[int]:
        """Which chunks this worker labels, ascending, by the ring of the round that is on.

        Raises:
            ChainError: the chain was reorganised meanwhile; what was seen is of no one ring.
        """
        task, chain = self.task, self.federation.chain
        chunks = range(len(wire.chunk_sizes(task.samples_per_round, task.chunk_samples)))
        if not task.committee:
            return list(chunks)
        block = chain.block_number()
        block_hash, seen = chain.block_hash(block), self.federation.at(block)
        found = [chunk for chunk in chunks if self.account.address in seen.committee_of(chunk)]
        if chain.block_hash(block) != block_hash:
            raise ChainError(f"block {block} was replaced while committees were read; look again")
        return found

    def rows(self, chunks: Sequence[int]) -> list[slice]:
        """The samples of chunks, as rows 0..m-1 of the round's: a slice per chunk."""
        sizes = wire.chunk_sizes(self.task.samples_per_round, self.task.chunk_samples)
        return [slice(sum(sizes[:chunk]), sum(sizes[: chunk + 1])) for chunk in chunks]

    def entry(self, round_number: int, chunks: list[int]) -> Entry | None:
        """The journal's latest entry for these chunks; None if they have not been labelled yet.

        A reorganisation that undoes the opening of a round may deal out other chunks than those
        that were labelled for it.
        """
        for entry in self.journal.read(round_number):
            if entry.chunks == chunks or (entry.chunks is None and self._fits(entry, chunks)):
                return entry
        return None

    def _fits(self, entry: Entry, chunks: list[int]) -> bool:
        """Whether the entry's labels fill these chunks."""
        sizes = wire.chunk_sizes(self.task.samples_per_round, self.task.chunk_samples)
        n_bytes = sum(wire.packed_bytes(self.task.classes, sizes[chunk]) for chunk in chunks)
        return len(entry.labels) == n_bytes

    def pack(self, parts: Sequence[wire.Labels]) -> tuple[bytes, list[int]]:
        """What will be revealed of the labels uint16 [·] of each assigned chunk: bytes, counts."""
        classes = self.task.classes
        packed = b"".join(wire.pack(labels, classes) for labels in parts)
        counts = [wire.count_labels(labels, classes) for labels in parts]
        return packed, [sum(of_class) for of_class in zip([0] * classes, *counts, strict=True)]

    def commitment(self, round_number: int, entry: Entry) -> bytes:
        """What the contract keeps of a journal's entry, 32 bytes."""
        return wire.commitment(
            self.federation.chain.chain_id(),
            self.federation.address,
            round_number,
            self.account.address,
            entry.labels,
            entry.label_count,
            entry.salt,
        )

    def commit(self, round_number: int, entry: Entry) -> Receipt:
        """Commit to what is in the journal.

        Raises:
            RoundError: another round is on; the contract would take the commitment for that one,
                where nothing opens it.
            ContractRevertError: ``AlreadyCommitted``, one of `TOO_LATE`, or another refusal.
        """
        now = self._now()
        if (now.phase(), now.round()) != (Phase.COMMIT, round_number):
            raise RoundError(
                f"round {round_number} is not in its commit window; its labels were not committed"
            )
        return self.federation.commit(self.commitment(round_number, entry))

    def opening(self, round_number: int, committed: bytes) -> Entry:
        """The journal's entry that opens the commitment on chain.

        Raises:
            JournalError: there is none.
        """
        for entry in self.journal.read(round_number):
            if self.commitment(round_number, entry) == committed:
                return entry
        raise JournalError(
            f"round {round_number}: the journal in {self.journal.folder} does not open our "
            f"commitment 0x{committed.hex()}; start with the state folder that it was made "
            "from before the reveals close, or the deposit will be slashed"
        )

    def reveal(self, round_number: int, entry: Entry) -> Receipt | None:
        """Open the commitment; None if it turns out to be open already.

        Raises:
            ContractRevertError: one of `TOO_LATE`, or another refusal.
        """
        try:
            return self.federation.reveal(entry.labels, entry.label_count, entry.salt)
        except ContractRevertError:
            if any(self.federation.labels_root_of(round_number, self.account.address)):
                return None
            raise

    def global_labels(self, round_number: int) -> wire.Labels | None:
        """The majority labels of a settled round, as `global_labels` reads them."""
        return global_labels(self.federation, self.task, round_number)

    def withdraw(self) -> Receipt | None:
        """Take the balance of a closed federation; None if nothing is left.

        Raises:
            ContractRevertError: the federation is not closed.
        """
        if self.federation.balance_of(self.account.address) == 0:
            return None
        try:
            return self.federation.withdraw()
        except ContractRevertError as error:
            if error.name != "NothingToWithdraw":
                raise
            return None


def too_late_to_register(address: str, phase: Phase) -> RoundError:
    """Why an account that is not in cannot come in any more."""
    return RoundError(
        f"{address} is not registered and registration is closed (phase {phase.name.lower()}); "
        "join the next federation earlier"
    )


def global_labels(federation: Federation, task: Task, round_number: int) -> wire.Labels | None:
    """The majority labels uint16 [m] of a settled round; None if it was void.

    They come from the contract's events and are checked against the hashes that it keeps.

    Raises:
        ChainError: the node shows others, or the round is not settled any more.
    """
    events = federation.round_events(round_number, ["ChunkAggregated", "RoundVoided"])
    if any(event.name == "RoundVoided" for event in events):
        return None
    packed = {event.args["chunk"]: event.args["globalLabels"] for event in events}
    sizes = wire.chunk_sizes(task.samples_per_round, task.chunk_samples)
    labels = []
    for chunk, size in enumerate(sizes):
        data = packed.get(chunk, b"")
        if keccak(data) != federation.global_labels_hash(round_number, chunk):
            raise ChainError(
                f"round {round_number}: the node shows other global labels for chunk {chunk} "
                "than the contract settled; use another node (FEDSERUM_RPC_URL)"
            )
        labels.append(wire.unpack(data, task.classes, size))
    return np.concatenate(labels)
