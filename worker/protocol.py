"""The round as one worker plays it: look at the chain, take the one next step, look again.

What is next follows from the chain and the journal alone, so a worker that was killed at any moment
goes on where it was, and one whose node or disk failed just looks again. When a call that anyone
may make stays undone, the worker makes it itself.
"""

import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from eth_account.signers.local import LocalAccount

from services.chain import Federation, Phase, verify_chain
from services.errors import (
    ChainError,
    ContractMissingError,
    ContractRevertError,
    JournalError,
    RoundError,
    WrongChainError,
)
from services.patience import Patience
from services.samples import FloatArray, IndexArray
from services.settings import WorkerSettings
from services.task import Task
from worker.journal import Entry
from worker.keeping import NOT_OURS, LastKeeper
from worker.report import Reporter
from worker.revealed import peer_frequencies, revealed_labels
from worker.sample_order import SampleOrder
from worker.steps import TOO_LATE, Steps

if TYPE_CHECKING:
    from worker.study import Study

# What no waiting mends, of what the chain may answer.
FINAL = (ContractMissingError, ContractRevertError, WrongChainError)

log = structlog.get_logger()


@dataclass
class Worker:
    """One worker in one federation.

    Attributes:
        chain_identity: id and genesis hash of the federation's chain.
    """

    federation: Federation
    chain_identity: tuple[int, str]
    account: LocalAccount
    task: Task
    study: "Study"
    order: SampleOrder
    steps: Steps
    reporter: Reporter
    settings: WorkerSettings
    _order_awaited: int = field(default=0, init=False)
    _hands_on_at: dict[int, list[float]] = field(default_factory=dict, init=False)  # by round
    _voided: int = field(default=0, init=False)
    _keeper: LastKeeper = field(init=False)

    def __post_init__(self) -> None:
        self._keeper = LastKeeper(self.federation, self.settings.keeper_grace_s)

    def take_part(self) -> None:
        """Play every round until the federation is closed, then withdraw.

        A node that does not answer, transactions that no block takes, missing funds and a disk that
        takes or gives nothing are waited for.

        Raises:
            MembershipError: the federation does not list this worker.
            RoundError: too late to register, or slashed.
            ContractRevertError: the contract refuses what it should not.
            ContractMissingError, WrongChainError: the federation is gone.
            OutOfPatienceError: what was waited for did not come.
        """
        chain = self.federation.chain
        patience = Patience(self.settings.patience_s, self.settings.poll_s)
        while True:
            try:
                if patience.is_tried:
                    verify_chain(chain, *self.chain_identity)
                chain.choose_node()
                if self._look():
                    return
            except FINAL:
                raise
            except ChainError as error:
                patience.wait("chain_unready", error)
            except JournalError as error:
                patience.wait("journal_unready", error)
            else:
                patience.rest()
                time.sleep(self.settings.poll_s)

    def _look(self) -> bool:
        """Play from where the chain is; whether there is nothing more to do, ever.

        What went wrong because the chain has gone on meanwhile, or back, is looked at again.
        """
        place = self.federation.round(), self.federation.phase()
        try:
            return self._play(*place)
        except (ContractRevertError, RoundError) as error:
            found = self.federation.round(), self.federation.phase()
            # Back and forth again it may have gone, if the contract saw another phase than we.
            is_refused = isinstance(error, ContractRevertError) and error.name in TOO_LATE
            if found == place and not is_refused:
                raise
            log.warning("chain_moved", why=str(error), to=found[1].name.lower(), round=found[0])
            return False

    def _play(self, round_number: int, phase: Phase) -> bool:
        """Take the steps that are due in a phase; whether there is nothing more to do, ever."""
        if phase is Phase.REGISTRATION:
            self.study.prepare()
            self._register()
        else:
            self.steps.require_in(phase)
        is_confirmed = self._is_confirmed(phase, round_number)
        if phase is Phase.REVEAL and is_confirmed:
            self._reveal(round_number)  # which waits for no training, and needs no learner
        self._void_late_commit(round_number - (phase is Phase.COMMIT))
        if not self.study.is_trained:
            self._train()
            return False
        if is_confirmed:
            self._learn_settled(round_number if phase is Phase.CLOSED else round_number - 1)
            if phase is Phase.CLOSED:
                self._withdraw()
                return self._is_paid()
            if phase is Phase.COMMIT:
                self._commit(round_number)
                self._hand_on_order(round_number)
        self._keeper.keep()
        return False

    def _is_confirmed(self, phase: Phase, round_number: int) -> bool:
        """Whether the phase began so many blocks ago that no reorganisation will undo it.

        A reveal that must be made now or never is made: not to reveal costs the deposit.
        """
        federation = self.federation
        if self.settings.confirmations == 0 or phase is Phase.REGISTRATION:
            return True
        left_s = federation.deadline() - federation.chain.now()
        if phase is Phase.REVEAL and left_s < 2 * self.settings.reveal_margin_s:
            return True
        before = self._before()
        try:
            return (before.phase(), before.round()) == (phase, round_number)
        except ContractMissingError:
            return False  # which is that young

    def _is_paid(self) -> bool:
        """Whether the balance is withdrawn, for good."""
        return self._before().balance_of(self.account.address) == 0

    def _before(self) -> Federation:
        """The federation as it was so many blocks ago that it stays so."""
        last = self.federation.chain.block_number()
        return self.federation.at(max(0, last - self.settings.confirmations))

    # ------------------------------------------------------------------------------ steps

    def _register(self) -> None:
        try:
            receipt = self.steps.register(self.settings.members)
        except ContractRevertError as error:
            # An earlier process of ours was still on its way, or the window has just closed.
            if error.name not in ("AlreadyRegistered", *TOO_LATE):
                raise
            log.info("registration_not_needed", why=str(error))
            return
        if receipt is not None:
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
        chunks = self.steps.assigned_chunks()
        entry = self.steps.entry(round_number, chunks)
        if entry is None:
            window = self.order.window(round_number)
            if window is None:
                self._await_order(round_number)
                return
            entry = self._label(round_number, window, chunks)
        try:
            receipt = self.steps.commit(round_number, entry)
        except (ContractRevertError, RoundError) as error:
            # Learning the last round can outlast this one's windows: it goes on without us. Or an
            # earlier process of ours was still on its way.
            late = ("AlreadyCommitted", *TOO_LATE)
            if isinstance(error, ContractRevertError) and error.name not in late:
                raise
            log.warning("commit_not_sent", round=round_number, why=str(error))
            return
        log.info("labels_committed", round=round_number, tx=receipt.transaction_hash)

    def _void_late_commit(self, round_number: int) -> None:
        """Take back what may be left of a commit that came into no block of its round.

        In another round's window the contract would take it for that round's commitment, which
        nothing opens, and the deposit would be lost.
        """
        if round_number <= self._voided:
            return
        with suppress(JournalError):  # what cannot be read has been said, and commits to nothing
            is_ours = any(self.federation.commitment_of(round_number, self.account.address))
            if not is_ours and self.steps.journal.read(round_number):
                is_void = self.federation.chain.void(self.account)
                log.warning("late_commit_voided", round=round_number, was_under_way=not is_void)
        self._voided = round_number

    def _await_order(self, round_number: int) -> None:
        """Say once in a round that nothing can be labelled yet."""
        if self._order_awaited != round_number:
            self._order_awaited = round_number
            log.info("order_key_awaited", round=round_number, deadline=self.federation.deadline())

    def _label(self, round_number: int, window: IndexArray, chunks: list[int]) -> Entry:
        """Label this worker's chunks and keep them, with a fresh salt, before anybody commits."""
        frequencies = self._frequencies(round_number - 1)
        parts = [self.study.label(window[rows], frequencies) for rows in self.steps.rows(chunks)]
        labels, label_count = self.steps.pack(parts)
        entry = self.steps.journal.write(round_number, labels, label_count, chunks)
        log.info("labels_journalled", round=round_number, n_labels=sum(label_count))
        return entry

    def _reveal(self, round_number: int) -> None:
        me = self.account.address
        committed = self.federation.commitment_of(round_number, me)
        if not any(committed) or any(self.federation.labels_root_of(round_number, me)):
            return
        entry = self.steps.opening(round_number, committed)
        left_s = self.federation.deadline() - self.federation.chain.now()
        if left_s < self.settings.reveal_margin_s:
            log.warning("reveal_late", round=round_number, seconds_left=left_s)
        try:
            receipt = self.steps.reveal(round_number, entry)
        except ContractRevertError as error:
            if error.name == "NotCommitted":  # any more
                log.warning("commitment_undone", round=round_number, why=str(error))
                return
            if error.name not in TOO_LATE:
                raise
            # Closed without ours, or a look that was out of date: the next one knows.
            advice = (
                "keep the worker running, and have a larger FEDSERUM_REVEAL_MARGIN_S to be warned"
            )
            log.warning("reveal_too_late", round=round_number, why=str(error), advice=advice)
            return
        if receipt is None:
            log.info("reveal_not_needed", round=round_number)
            return
        log.info("labels_revealed", round=round_number, tx=receipt.transaction_hash)

    def _learn_settled(self, last_round: int) -> None:
        """Distil every round up to `last_round` that this worker has not learnt yet."""
        study, task = self.study, self.task
        for round_number in range(study.n_learnt + 1, last_round + 1):
            global_labels = self.steps.global_labels(round_number)
            if global_labels is None:
                log.info("round_void", round=round_number)
                study.skip()
                continue
            window = self.order.window(round_number)
            if window is None:
                log.warning("order_key_missing", round=round_number, advice="nothing was learnt")
                study.skip()
                continue
            log.info("distillation_started", round=round_number)
            votes = None
            if study.wants_votes:
                votes = revealed_labels(self.federation, task, round_number)
            study.distil(window, global_labels, votes)
            before, after = study.accuracies[-2:]
            log.info("round_learnt", round=round_number, before=before, after=after)
        self.reporter.report(study)

    def _frequencies(self, round_number: int) -> FloatArray | None:
        """R(x) of a round that is over, [C]; None before the first, and where nobody revealed."""
        if round_number < 1 or self.settings.abstention != "rational":
            return None
        me = self.account.address
        return peer_frequencies(self.federation, round_number, me, self.task.classes)

    def _withdraw(self) -> None:
        receipt = self.steps.withdraw()
        if receipt is not None:
            log.info("balance_withdrawn", tx=receipt.transaction_hash)

    # ---------------------------------------------------------------------------- support

    def _hand_on_order(self, round_number: int) -> None:
        """Bring the key of a sealed order to who may lack it, if nobody has for the grace time."""
        if self.order.sealed is None:
            return
        now = time.monotonic()
        if round_number not in self._hands_on_at:
            # The second time half-way to the deadline, whatever others have posted by then.
            left_s = self.federation.deadline() - self.federation.chain.now()
            early = now + self._keeper.grace_s()
            self._hands_on_at[round_number] = [early, max(early, now + left_s / 2)]
        times = self._hands_on_at[round_number]
        if not times or now < times[0]:
            return
        times.pop(0)
        try:
            self.order.hand_on(round_number, is_late=not times)
        except NOT_OURS as error:
            log.warning("order_key_not_handed_on", why=str(error))
