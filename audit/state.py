"""What the contract remembers, and how a phase ends (protocol sections 5 to 7).

Pure; ``replay.py`` tells it what workers and keepers did. A method that ends a phase returns the
events that the contract must emit then. The order of the roster, on which the ring depends, is that
of this release's contract: who registers is added, and the last one takes the place of who goes.
"""

from collections.abc import Collection

from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak

from audit.comparison import Expected
from audit.round import Round
from services import assignment, mechanism
from services.chain import Header, Phase, SlashReason
from services.errors import AuditError
from services.task import Task

AGGREGATE_SECONDS = 30 * 24 * 3600


class State:
    """The federation after the events so far.

    Attributes:
        deadline: of the phase, in unix seconds; None in Registration, which no event tells.
        roster: of the round, in the contract's order.
        balances: wei of everyone who ever registered.
        header: of the block that is being replayed.
    """

    def __init__(self, task: Task, contract: str) -> None:
        self.task = task
        self.phase = Phase.REGISTRATION
        self.deadline: int | None = None
        self.roster: list[str] = []
        self.balances: dict[str, int] = {}
        self.excluded: set[str] = set()
        self.pot = 0
        self.rounds: list[Round] = []
        self.header = Header(timestamp=0, prevrandao=bytes(32))
        self._contract = contract

    @property
    def number(self) -> int:
        """The round now, from 1; 0 in Registration."""
        return len(self.rounds)

    @property
    def round(self) -> Round:
        """The round now."""
        return self.rounds[-1]

    def require(self, is_so: bool, what: str, expected: str, found: object = "otherwise") -> None:
        """Something must be so.

        Raises:
            AuditError: it is not.
        """
        if not is_so:
            raise AuditError(self.number, what, expected, str(found))

    def require_open(self, phase: Phase, what: str) -> None:
        """This must be the phase, and its window still open.

        Raises:
            AuditError: it is not.
        """
        self.require(self.phase is phase, what, f"in {phase.name}", f"in {self.phase.name}")
        if self.deadline is not None:
            now = self.header.timestamp
            self.require(now < self.deadline, what, f"before {self.deadline}", f"at {now}")

    def active(self) -> list[str]:
        """Who of the roster still takes part: leaving and slashing take the whole balance."""
        return [worker for worker in self.roster if self.balances[worker] > 0]

    def drop(self, index: int) -> None:
        """Take one off the roster."""
        last = self.roster.pop()
        if index < len(self.roster):
            self.roster[index] = last

    def slash(self, worker: str, reason: SlashReason) -> Expected:
        """Take the whole balance into the pot and exclude the worker for good."""
        amount, self.balances[worker] = self.balances[worker], 0
        self.pot += amount
        self.excluded.add(worker)
        self.round.slashed.add(worker)
        args = {"round": self.number, "worker": worker, "amount": amount, "reason": reason}
        return Expected("Slashed", args)

    # --------------------------------------------------------------------------- transitions

    def open_round(self) -> list[Expected]:
        """Start the next round, or close: after the last one, or with too few workers left."""
        n = len(self.active())
        if self.number == self.task.rounds or n < self.task.min_workers:
            return self.close()
        index = 0
        while len(self.roster) > n:
            if self.balances[self.roster[index]] == 0:
                self.drop(index)
            else:
                index += 1
        number = self.number + 1
        seed = keccak(
            self.header.prevrandao
            + to_canonical_address(self._contract).rjust(32, b"\0")
            + number.to_bytes(32, "big")
        )
        ring = [self.roster[index] for index in assignment.ring(seed, n)]
        self.rounds.append(Round(self.task, number, ring, self._next_scale()))
        deadline = self._enter(Phase.COMMIT, self.task.commit_seconds)
        args = {"round": number, "workers": n, "seed": seed, "commitDeadline": deadline}
        return [Expected("RoundOpened", args)]

    def end_commit_if_complete(self) -> list[Expected]:
        """Everyone has committed or left."""
        n_acted = len(self.round.commitments) + len(self.round.left)
        return self.end_commit() if n_acted == len(self.roster) else []

    def end_commit(self) -> list[Expected]:
        """Reveal begins, or the round is void by its commits."""
        if self._is_void(self.round.commitments):
            return self.void()
        deadline = self._enter(Phase.REVEAL, self.task.reveal_seconds)
        return [Expected("RevealOpened", {"round": self.number, "revealDeadline": deadline})]

    def end_reveal_if_complete(self) -> list[Expected]:
        """Everyone who committed has revealed or been slashed."""
        n_opened = len(self.round.counts) + len(self.round.slashed)
        return self._end_reveal() if n_opened == len(self.round.commitments) else []

    def end_reveal_late(self) -> list[Expected]:
        """The deadline has passed: who committed and did not reveal is slashed."""
        opened = self.round.counts.keys() | self.round.slashed
        slashed = [
            self.slash(worker, SlashReason.WITHHELD)
            for worker in self.roster
            if worker in self.round.commitments and worker not in opened
        ]
        return [*slashed, *self._end_reveal()]

    def _end_reveal(self) -> list[Expected]:
        if self._is_void(self.round.counts):
            return self.void()
        self._enter(Phase.AGGREGATE, AGGREGATE_SECONDS)
        n_chunks = len(self.round.sizes)
        return [Expected("AggregationOpened", {"round": self.number, "chunks": n_chunks})]

    def settle(self) -> list[Expected]:
        """Share the pool by score; the next round opens, or the federation closes."""
        current, active = self.round, self.active()
        stakes = [self._stake(worker) for worker in current.ring]
        current.pool_wei = self.pot + sum(stakes)
        rewards, balances, self.pot = mechanism.pay(
            self.task.peering,
            [self.balances[worker] for worker in current.ring],
            stakes,
            [current.rate(worker) for worker in current.ring],
            self.pot,
        )
        self.balances.update(zip(current.ring, balances, strict=True))
        current.rewards = dict(zip(current.ring, rewards, strict=True))
        current.state = "settled"
        rewarded = [Expected("Rewarded", current.rewarded(worker)) for worker in active]
        args = {
            "round": self.number,
            "pool": current.pool_wei,
            "agreementWad": current.agreement_wad,
        }
        has_agreed = 0 < self.task.stop_agreement_wad <= current.agreement_wad
        ending = self.close() if has_agreed else self.open_round()
        return [*rewarded, Expected("RoundSettled", args), *ending]

    def void(self) -> list[Expected]:
        """Nobody is paid; who did not commit pays its stake into the pot."""
        current = self.round
        for worker in current.ring:
            if worker not in current.commitments:
                stake = self._stake(worker)
                self.balances[worker] -= stake
                self.pot += stake
        current.state = "void"
        return [Expected("RoundVoided", {"round": self.number}), *self.open_round()]

    def close(self) -> list[Expected]:
        """The pot is shared equally by those who are still in; the rest of the division stays."""
        active = self.active()
        share, self.pot = mechanism.close(self.pot, len(active))
        for worker in active:
            self.balances[worker] += share
        self.phase, self.deadline = Phase.CLOSED, 0
        return [Expected("Closed", {})]

    def _enter(self, phase: Phase, length_seconds: int) -> int:
        self.phase, self.deadline = phase, self.header.timestamp + length_seconds
        return self.deadline

    def _next_scale(self) -> int:
        if not self.rounds:
            return self.task.reward_scale_wad
        return mechanism.next_reward_scale(self.round.scale_wad, self.task.reward_decay_wad)

    def _stake(self, worker: str) -> int:
        at_stake = self.round.scale_wad * self.task.deposit_wei // mechanism.WAD
        return min(self.balances[worker], at_stake)

    def _is_void(self, present: Collection[str]) -> bool:
        task = self.task
        rules = mechanism.Rules(
            task.classes, task.peering, task.min_workers, task.deposit_wei, task.penalty_wad
        )
        return mechanism.is_void(rules, {self.round.positions[worker] for worker in present})
