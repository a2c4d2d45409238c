"""The money of a federation (protocol, section 5), booked by anybody who watches.

Plain integers again: deposits, slashing, rewards, void rounds and closing. It is told what happened
and says what everyone then owns; it never asks the contract.
"""

from collections.abc import Collection, Mapping, Sequence

from stranger import WAD, Task


class Ledger:
    """Balances and pot in wei, and λ of the round now."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.balances: dict[str, int] = {}
        self.pot = 0
        self.reward_scale_wad = task.reward_scale_wad
        self.excluded: set[str] = set()

    def register(self, worker: str) -> None:
        """Every worker deposits once."""
        self.balances[worker] = self.task.deposit_wei

    def active(self) -> set[str]:
        """Who would be on the roster if a round opened now: leaving and slashing cost all."""
        return {worker for worker, balance in self.balances.items() if balance > 0}

    def slash(self, worker: str) -> int:
        """Take the whole balance for good."""
        amount, self.balances[worker] = self.balances[worker], 0
        self.excluded.add(worker)
        self.pot += amount
        return amount

    def leave(self, worker: str) -> int:
        """Pay out the whole balance."""
        amount, self.balances[worker] = self.balances[worker], 0
        return amount

    def stake(self, worker: str) -> int:
        """What a round puts at stake; nothing of nothing for who left or was slashed."""
        at_stake = self.reward_scale_wad * self.task.deposit_wei // WAD
        return min(self.balances[worker], at_stake)

    def settle(
        self, ring: Sequence[str], scores: Mapping[str, int], n_assigned: Mapping[str, int]
    ) -> tuple[int, dict[str, int]]:
        """Share the pool, or each league its own; (whole pool, reward of everyone on the ring).

        `scores` has who revealed, `n_assigned` the samples assigned to each.
        """
        leagues = [ring[0::2], ring[1::2]] if self.task.peering else [ring]
        pots = [self.pot // 2, self.pot - self.pot // 2] if self.task.peering else [self.pot]
        whole_pool = self.pot + sum(self.stake(worker) for worker in ring)
        rewards = dict.fromkeys(ring, 0)
        self.pot = 0
        for league, pot in zip(leagues, pots, strict=True):
            stakes = {worker: self.stake(worker) for worker in league}
            rates = {
                worker: max(scores.get(worker, 0), 0) // n_assigned[worker] for worker in league
            }
            if not any(rates.values()):
                self.pot += pot
                continue
            pool = pot + sum(stakes.values())
            for worker in league:
                rewards[worker] = pool * rates[worker] // sum(rates.values())
                self.balances[worker] += rewards[worker] - stakes[worker]
            self.pot += pool - sum(rewards[worker] for worker in league)
        self.decay()
        return whole_pool, rewards

    def void(self, idlers: Collection[str]) -> None:
        """Nobody is paid; who did not commit pays its stake into the pot."""
        for worker in idlers:
            stake = self.stake(worker)
            self.balances[worker] -= stake
            self.pot += stake
        self.decay()

    def decay(self) -> None:
        """λ of the next round, after void rounds too."""
        self.reward_scale_wad = self.reward_scale_wad * self.task.reward_decay_wad // WAD

    def is_last(self, round_number: int, agreement_wad: int) -> bool:
        """Whether the federation closes after this round (sections 5 and 7)."""
        stop = self.task.stop_agreement_wad
        return (
            round_number == self.task.rounds
            or 0 < stop <= agreement_wad
            or len(self.active()) < self.task.min_workers
        )

    def close(self) -> None:
        """Share the pot equally; the rest of the division stays."""
        heirs = self.active()
        for worker in heirs:
            self.balances[worker] += self.pot // len(heirs)
        self.pot -= self.pot // len(heirs) * len(heirs) if heirs else 0
