"""The round as one worker plays it: look at the chain, take the one next step, look again.

What is next follows from the chain and the journal alone, so a worker that was killed at any moment
goes on where it was. When a call that anyone may make stays undone, the worker makes it itself.
"""

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import structlog
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from services import wire
from services.chain import Federation, Phase
from services.datasets import round_window
from services.errors import (
    ContractRevertError,
    InsufficientFundsError,
    RoundError,
    TransactionError,
)
from services.keeper import Duty, due, perform
from services.membership import membership_proof, read_members
from services.settings import WorkerSettings
from services.task import Task
from worker.journal import Entry, Journal
from worker.report import Reporter
from worker.votes import FloatArray, peer_frequencies, read_votes

if TYPE_CHECKING:
    from worker.study import Study

log = structlog.get_logger()

TOO_LATE = ("WrongPhase", "DeadlinePassed")  # the contract's refusals when a window has closed


@dataclass
class Worker:
    """One worker in one federation."""

    federation: Federation
    account: LocalAccount
    task: Task
    study: "Study"
    n_public: int
    journal: Journal
    reporter: Reporter
    settings: WorkerSettings
    _duty: Duty | None = field(default=None, init=False)
    _patient_until: float = field(default=0.0, init=False)
    _next_look: float = field(default=0.0, init=False)

    def take_part(self) -> None:
        """Play every round until the federation is closed, then withdraw.

        Raises:
            MembershipError: the federation does not list this worker.
            RoundError: too late to register, or slashed.
            JournalError: a commitment cannot be opened.
            ChainError: the chain refuses, or cannot be reached within the bounded retries.
        """
        while True:
            phase, round_number = self.federation.phase(), self.federation.round()
            if phase is Phase.REGISTRATION:
                self._register()
            else:
                self._require_in(phase)
            if not self.study.is_trained:
                self._train()
                continue
            self._learn_settled(round_number if phase is Phase.CLOSED else round_number - 1)
            if phase is Phase.CLOSED:
                break
            if phase is Phase.COMMIT:
                self._commit(round_number)
            elif phase is Phase.REVEAL:
                self._reveal(round_number)
            self._keep()
            time.sleep(self.settings.poll_s)
        self._withdraw()

    # ------------------------------------------------------------------------------ steps

    def _register(self) -> None:
        me = self.account.address
        if self.federation.balance_of(me) > 0:
            return
        proof = membership_proof(read_members(self.task, self.settings.members), me)
        try:
            receipt = self.federation.register(proof, self.task.deposit_wei)
        except ContractRevertError as error:
            # An earlier process of ours was still on its way, or the window has just closed.
            if error.name not in ("AlreadyRegistered", *TOO_LATE):
                raise
            log.info("registration_not_needed", why=str(error))
            return
        log.info("worker_registered", tx=receipt.transaction_hash)

    def _train(self) -> None:
        log.info("training_started", private_samples=self.study.n_private)
        started = time.monotonic()
        self.study.train()
        log.info(
            "model_trained",
            top1_accuracy=self.study.accuracies[0],
            seconds=round(time.monotonic() - started, 1),
        )

    def _commit(self, round_number: int) -> None:
        me = self.account.address
        if any(self.federation.commitment_of(round_number, me)):
            return
        entry = self.journal.read(round_number) or self._label(round_number)
        if self.federation.round() != round_number:
            # Learning the last round can outlast this one's windows, and the contract would take
            # the commitment for the next round, where nothing opens it.
            log.warning("commit_not_sent", round=round_number, why="the round is over")
            return
        try:
            receipt = self.federation.commit(self._commitment(round_number, entry))
        except ContractRevertError as error:
            # As above; where the window has closed, the round goes on without us.
            if error.name not in ("AlreadyCommitted", *TOO_LATE):
                raise
            log.warning("commit_not_sent", round=round_number, why=str(error))
            return
        log.info("labels_committed", round=round_number, tx=receipt.transaction_hash)

    def _label(self, round_number: int) -> Entry:
        """Label this worker's chunks and keep them, with a fresh salt, before anybody commits."""
        task = self.task
        window = round_window(round_number, task.samples_per_round, self.n_public)
        sizes = wire.chunk_sizes(task.samples_per_round, task.chunk_samples)
        frequencies = self._frequencies(round_number - 1)
        parts, label_count, start = [], [0] * task.classes, 0
        for chunk, size in enumerate(sizes):
            samples, start = window[start : start + size], start + size
            if task.committee and self.account.address not in self.federation.committee_of(chunk):
                continue
            labels = self.study.label(samples, frequencies)
            parts.append(wire.pack(labels, task.classes))
            counts = wire.count_labels(labels, task.classes)
            label_count = [a + b for a, b in zip(label_count, counts, strict=True)]
        entry = self.journal.write(round_number, b"".join(parts), label_count)
        log.info("labels_journalled", round=round_number, n_labels=sum(label_count))
        return entry

    def _reveal(self, round_number: int) -> None:
        me = self.account.address
        committed = self.federation.commitment_of(round_number, me)
        if not any(committed) or any(self.federation.labels_root_of(round_number, me)):
            return
        entry = self.journal.read(round_number)
        if entry is None or self._commitment(round_number, entry) != committed:
            raise RoundError(
                f"round {round_number}: the journal in {self.journal.folder} does not open our "
                f"commitment 0x{committed.hex()}; start with the state folder that it was made "
                "from before the reveals close, or the deposit will be slashed"
            )
        left_s = self.federation.deadline() - self.federation.chain.now()
        if left_s < self.settings.reveal_margin_s:
            log.warning("reveal_late", round=round_number, seconds_left=left_s)
        try:
            receipt = self.federation.reveal(entry.labels, entry.label_count, entry.salt)
        except ContractRevertError as error:
            if any(self.federation.labels_root_of(round_number, me)):
                log.info("reveal_not_needed", round=round_number, why=str(error))
                return
            if error.name not in TOO_LATE:
                raise
            raise RoundError(
                f"round {round_number}: reveals closed before ours was in ({error}); reveal "
                "earlier by keeping the worker running, and by a larger FEDSERUM_REVEAL_MARGIN_S"
                f" (now {self.settings.reveal_margin_s}) to be warned"
            ) from error
        log.info("labels_revealed", round=round_number, tx=receipt.transaction_hash)

    def _learn_settled(self, last_round: int) -> None:
        """Distil every round up to `last_round` that this worker has not learnt yet."""
        study, task = self.study, self.task
        for round_number in range(study.n_learnt + 1, last_round + 1):
            global_labels = self._global_labels(round_number)
            if global_labels is None:
                log.info("round_void", round=round_number)
                study.skip()
                continue
            log.info("distillation_started", round=round_number)
            window = round_window(round_number, task.samples_per_round, self.n_public)
            votes = None
            if study.wants_votes:
                votes = read_votes(self.federation, task, round_number, global_labels)
            study.distil(window, global_labels, votes)
            before, after = study.accuracies[-2:]
            log.info("round_learnt", round=round_number, before=before, after=after)
        self.reporter.report(study)

    def _global_labels(self, round_number: int) -> wire.Labels | None:
        """The round's majority labels uint16 [m], checked against the chain; None if it is void."""
        names = ["ChunkAggregated", "RoundVoided"]
        events = self.federation.round_events(round_number, names)
        if any(event.name == "RoundVoided" for event in events):
            return None
        packed = {event.args["chunk"]: event.args["globalLabels"] for event in events}
        sizes = wire.chunk_sizes(self.task.samples_per_round, self.task.chunk_samples)
        labels = []
        for chunk, size in enumerate(sizes):
            data = packed.get(chunk, b"")
            if keccak(data) != self.federation.global_labels_hash(round_number, chunk):
                raise RoundError(
                    f"round {round_number}: the node shows other global labels for chunk {chunk} "
                    "than the contract settled; use another node (FEDSERUM_RPC_URL)"
                )
            labels.append(wire.unpack(data, self.task.classes, size))
        return np.concatenate(labels)

    def _frequencies(self, round_number: int) -> FloatArray | None:
        """R(x) of a round that is over, [C]; None before the first, and where nobody revealed."""
        if round_number < 1 or self.settings.abstention != "rational":
            return None
        me = self.account.address
        return peer_frequencies(self.federation, round_number, me, self.task.classes)

    def _withdraw(self) -> None:
        if self.federation.balance_of(self.account.address) == 0:
            return
        try:
            receipt = self.federation.withdraw()
        except ContractRevertError as error:
            if error.name != "NothingToWithdraw":
                raise
            log.info("withdrawal_not_needed", why=str(error))
            return
        log.info("balance_withdrawn", tx=receipt.transaction_hash)

    # ---------------------------------------------------------------------------- support

    def _require_in(self, phase: Phase) -> None:
        """After Registration only who is in may go on; once closed, who was in may finish."""
        me = self.account.address
        if self.federation.balance_of(me) > 0:
            return
        if self.federation.is_excluded(me):
            raise RoundError(
                f"{me} was slashed and is excluded for good: it withheld committed labels, or "
                "lied about their count; nothing is left to do here"
            )
        if not self.journal.has_entries():
            raise RoundError(
                f"{me} is not registered and registration is closed (phase {phase.name.lower()}); "
                "join the next federation earlier"
            )
        if phase is not Phase.CLOSED:
            raise RoundError(f"{me} has left, or its balance is used up; nothing is left to do")

    def _commitment(self, round_number: int, entry: Entry) -> bytes:
        federation = self.federation
        return wire.commitment(
            federation.chain.chain_id(),
            federation.address,
            round_number,
            self.account.address,
            entry.labels,
            entry.label_count,
            entry.salt,
        )

    def _keep(self) -> None:
        """Make a due call that nobody has made for the grace time, and those that it leads to."""
        now, grace_s = time.monotonic(), self.settings.keeper_grace_s
        if now < self._next_look:
            return
        self._next_look = now + grace_s / 4
        duty = due(self.federation)
        if duty != self._duty:
            # Workers are patient for different times, so that one of them is first.
            self._duty, self._patient_until = duty, now + grace_s * random.uniform(1.0, 1.5)
        if duty is None or now < self._patient_until:
            return
        round_number = duty.round_number
        log.warning("keeper_missing", call=duty.call, round=round_number)
        try:
            while duty is not None:
                perform(self.federation, duty)
                duty = due(self.federation)
        except (ContractRevertError, InsufficientFundsError, TransactionError) as error:
            # Nobody owes anybody this call; our own commit or reveal must not fail for it.
            log.warning("keeper_failed", round=round_number, why=str(error))
            self._duty = None
