"""What a run came to, from the contract's events: rounds, slashes and money.

Pure; integers throughout.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from services.chain import Event


@dataclass(frozen=True)
class Money:
    """Where the wei are.

    Attributes:
        deposits: of all registrations.
        funds: given to the pot.
        paid_out: by leaving and withdrawing.
        balances: of all workers now.
        pot: now.
        held: ether of the contract now.
    """

    deposits: int
    funds: int
    paid_out: int
    balances: int
    pot: int
    held: int

    @property
    def unaccounted_for(self) -> int:
        """Wei that came in and are nowhere; below 0 if there are more than came in."""
        return self.deposits + self.funds - self.paid_out - self.balances - self.pot

    @property
    def not_held(self) -> int:
        """Wei that the contract owes and does not have."""
        return self.balances + self.pot - self.held


def money(events: Sequence[Event], balances: int, pot: int, held: int) -> Money:
    """Add up what the events of a federation moved, beside what its views say."""

    def total(name: str, field: str) -> int:
        return sum(event.args[field] for event in events if event.name == name)

    return Money(
        deposits=total("Registered", "deposit"),
        funds=total("Funded", "amount"),
        paid_out=total("Left", "refund") + total("Withdrawn", "amount"),
        balances=balances,
        pot=pot,
        held=held,
    )


@dataclass(frozen=True)
class Slashes:
    """Slashes, as (round, address): of the guilty, of others, and those that did not come."""

    right: tuple[tuple[int, str], ...]
    wrong: tuple[tuple[int, str], ...]
    missing: tuple[tuple[int, str], ...]


def slashes(events: Sequence[Event], guilty: Collection[tuple[int, str]]) -> Slashes:
    """Compare who was slashed with who is known to be guilty, by round."""
    found = [(e.args["round"], e.args["worker"]) for e in events if e.name == "Slashed"]
    return Slashes(
        right=tuple(each for each in found if each in guilty),
        wrong=tuple(each for each in found if each not in guilty),
        missing=tuple(sorted(set(guilty) - set(found))),
    )


@dataclass(frozen=True)
class Rounds:
    """Numbers of the rounds by how they ended, and how often a worker on a roster had no part."""

    settled: tuple[int, ...]
    void: tuple[int, ...]
    left_out: int


def rounds(events: Sequence[Event]) -> Rounds:
    """How the rounds ended."""
    ended = {
        name: tuple(e.args["round"] for e in events if e.name == name)
        for name in ("RoundSettled", "RoundVoided")
    }
    places = sum(e.args["workers"] for e in events if e.name == "RoundOpened")
    taken = sum(e.name == "Committed" for e in events)
    return Rounds(ended["RoundSettled"], ended["RoundVoided"], places - taken)
