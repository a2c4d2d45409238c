"""Where a participant stands in its federation, and what it has to do next.

One look at the chain and at the journal; the sentences that every verb says or refuses with.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from services.chain import Federation, Phase
from services.errors import JournalError, RoundError
from services.keeper import due
from worker.journal import Entry
from worker.steps import Steps

NO_COMMITMENT = bytes(32)
WEI = 10**18  # of an ether


@dataclass(frozen=True)
class Standing:
    """One participant at one moment.

    Attributes:
        address: who it is.
        phase, round_number, n_rounds: where the federation is.
        deadline: when the phase ends, unix seconds; 0 once closed.
        now: the chain's time, unix seconds.
        n_roster: workers in the round; in Registration those who registered.
        balance_wei: its balance in the federation.
        ether_wei: what its account has besides, for deposit and gas.
        is_excluded: whether it was slashed.
        is_on_roster: whether it may take part in the round that is on.
        commitment: its commitment of the round, 32 bytes, zero without one.
        is_revealed: whether that is open.
        entry: what its journal has for the commitment, or before that for the chunks to label.
        due_call: the call that anyone may make now and nobody has made, if there is one.
    """

    address: str
    phase: Phase
    round_number: int
    n_rounds: int
    deadline: int
    now: int
    n_roster: int
    balance_wei: int
    ether_wei: int
    is_excluded: bool
    is_on_roster: bool
    commitment: bytes
    is_revealed: bool
    entry: Entry | None
    due_call: str | None

    @property
    def is_committed(self) -> bool:
        """Whether it has committed in the round that is on."""
        return any(self.commitment)

    @property
    def opens(self) -> bool:
        """Whether the journal opens the commitment."""
        return self.is_committed and self.entry is not None

    @property
    def is_over(self) -> bool:
        """Whether the phase's deadline has passed and nobody has ended the phase yet."""
        return self.phase is not Phase.CLOSED and self.now >= self.deadline

    @property
    def round_and_phase(self) -> str:
        """E.g. `round 1 of 3, commit until 2026-11-25 21:40:00Z`."""
        if self.phase is Phase.CLOSED:
            return f"closed after round {self.round_number}"
        where = f"round {self.round_number} of {self.n_rounds}, " if self.round_number else ""
        return f"{where}{self.phase.name.lower()} until {moment(self.deadline)}"


def read_standing(steps: Steps) -> Standing:
    """Look at the chain and the journal.

    Raises:
        ChainError: the node does not answer.
        JournalError: the journal's entry cannot be read.
    """
    federation, me = steps.federation, steps.account.address
    round_number, roster = federation.round(), federation.roster()
    phase = federation.phase()
    commitment, is_revealed, entry = NO_COMMITMENT, False, None
    if round_number:
        commitment = federation.commitment_of(round_number, me)
        is_revealed = any(federation.labels_root_of(round_number, me))
        if any(commitment):
            with suppress(JournalError):  # what is next then is to find the right journal
                entry = steps.opening(round_number, commitment)
        elif phase is Phase.COMMIT:
            entry = steps.entry(round_number, steps.assigned_chunks())
    duty = due(federation)
    return Standing(
        address=me,
        phase=phase,
        round_number=round_number,
        n_rounds=steps.task.rounds,
        deadline=federation.deadline(),
        now=federation.chain.now(),
        n_roster=len(roster),
        balance_wei=federation.balance_of(me),
        ether_wei=federation.chain.balance_wei(me),
        is_excluded=federation.is_excluded(me),
        is_on_roster=me in roster,
        commitment=commitment,
        is_revealed=is_revealed,
        entry=entry,
        due_call=None if duty is None else duty.call,
    )


def next_step(standing: Standing) -> str:
    """What to do next, in one sentence."""
    if standing.is_excluded:
        return "nothing: slashed and excluded for good"
    if standing.phase is Phase.CLOSED:
        if standing.balance_wei:
            return "fedserum labels -o global.npy, and fedserum withdraw"
        return "fedserum labels -o global.npy; no balance is left here"
    if standing.due_call:
        what = "the phase is over" if standing.is_over else "the round can be settled"
        return f"fedserum keep, if nobody else does soon: {what} and waits for {standing.due_call}"
    if standing.phase is Phase.REGISTRATION:
        if standing.balance_wei:
            return f"wait until round 1 opens, at {moment(standing.deadline)} or when all are in"
        return "fedserum register"
    if not standing.balance_wei:
        return "nothing: not in this federation, or no balance left; nobody can join any more"
    if standing.phase is Phase.COMMIT:
        return _next_in_commit(standing)
    if standing.phase is Phase.REVEAL and standing.is_committed and not standing.is_revealed:
        if standing.opens:
            return f"fedserum reveal, before {moment(standing.deadline)}: else you are slashed"
        return (
            "find the state folder of your commit: this journal does not open it, and at "
            f"{moment(standing.deadline)} you are slashed"
        )
    return "wait until the round is settled, then fedserum labels -o global.npy"


def _next_in_commit(standing: Standing) -> str:
    if standing.is_committed:
        return f"wait for the reveals: from {moment(standing.deadline)}, or when all have committed"
    if standing.entry is not None:
        return "fedserum commit: labels are in the journal, their commitment is not on chain"
    return f"fedserum commit predictions.npy, before {moment(standing.deadline)}"


def not_now(standing: Standing, what: str) -> RoundError:
    """Why a step cannot be taken yet or any more; says where the federation is and what is next."""
    return RoundError(f"{what} ({standing.round_and_phase}); next: {next_step(standing)}")


def moment(unix_s: int) -> str:
    """A time in UTC, e.g. `2026-11-25 21:40:00Z`."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def last_settled(federation: Federation) -> int:
    """The last round that is over, settled or void; 0 before there is one."""
    return max(federation.round() - (federation.phase() is not Phase.CLOSED), 0)


def ether(wei: int) -> str:
    """Wei as ether, exactly and without zeros at the end."""
    whole, rest = divmod(wei, WEI)
    return f"{whole}.{rest:018d}".rstrip("0").rstrip(".")
