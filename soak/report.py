"""The report of a run: what is printed, what is kept as JSON, and what is wrong with it."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from services.task import WAD
from soak.accounts import Money, Rounds, Slashes
from soak.crew import End
from soak.faults import Injected
from soak.memory import MOST_GROWTH, Use

MIB = 2**20
NOT_OURS = "chain"  # its memory is shown, and is not the product's
AGREES = "everything agrees"


@dataclass(frozen=True)
class Transactions:
    """Transactions of the product's processes.

    Attributes:
        sent: handed to the node, each once.
        included: in a block at the end.
        failed: of these, refused by the contract.
    """

    sent: int
    included: int
    failed: int


@dataclass(frozen=True)
class Report:
    """Everything that a run showed.

    Attributes:
        wanted: number of rounds that were to be played.
        rounds: how they ended.
        faults: those that came.
        not_come: how many of the plan's did not, for the run was over.
        slashes: right, wrong and missing ones.
        transactions: of the product's processes.
        spoiled: requests that the proxy lost, delayed or doubled.
        money: where the wei are.
        audit: the audit's last line, or its first difference.
        ends: processes that ended by themselves.
        unended: workers that did not end, though the federation is closed.
        memory: by kind of process; empty if the run was too short to tell.
        seconds: that the run took.
    """

    wanted: int
    rounds: Rounds
    faults: list[Injected]
    not_come: int
    slashes: Slashes
    transactions: Transactions
    spoiled: dict[str, int]
    money: Money
    audit: str
    ends: list[End]
    unended: list[str]
    memory: dict[str, Use]
    seconds: float

    def problems(self) -> list[str]:
        """What must not be, in words."""
        found = []
        if self.rounds.settled != tuple(range(1, self.wanted + 1)) or self.rounds.void:
            found.append(f"{len(self.rounds.settled)} of {self.wanted} rounds settled")
        found += [f"round {n}: {who} was slashed, and is honest" for n, who in self.slashes.wrong]
        found += [
            f"round {n}: {who} withheld, and is not slashed" for n, who in self.slashes.missing
        ]
        if self.money.unaccounted_for:
            found.append(f"{self.money.unaccounted_for} wei are unaccounted for")
        if self.money.not_held > 0:
            found.append(f"the contract lacks {self.money.not_held} wei of what it owes")
        if self.audit != AGREES:
            found.append(f"the audit disagrees: {self.audit}")
        found += [f"{e.name} ended with exit code {e.code}: {e.words}" for e in self.ends]
        found += [f"{name} has not ended" for name in self.unended]
        found += [
            f"the memory of {kind} grew by {use.growth:.0%}"
            for kind, use in self.memory.items()
            if kind != NOT_OURS and use.growth > MOST_GROWTH
        ]
        return found

    def kinds(self) -> Counter[str]:
        """How many faults of each kind came."""
        return Counter(str(each.fault.kind) for each in self.faults)

    def lines(self) -> list[str]:
        """The table."""
        kinds, owed = self.kinds(), self.money
        rows = [
            ("rounds", f"{len(self.rounds.settled)} settled, {len(self.rounds.void)} void"),
            ("", f"{self.rounds.left_out} times a worker had no part in a round"),
            ("faults", f"{kinds.total()}, and {self.not_come} that would have come later"),
            *(("", f"{number:4} {kind}") for kind, number in kinds.most_common()),
            (
                "requests",
                ", ".join(f"{n} {how}" for how, n in self.spoiled.items()) or "none spoiled",
            ),
            ("slashes", f"{len(self.slashes.right)} right, {len(self.slashes.wrong)} wrong"),
            ("unasked ends", str(len(self.ends))),
            ("transactions", _transactions(self.transactions)),
            ("money", f"{owed.unaccounted_for} wei unaccounted for"),
            ("", f"{owed.deposits / WAD:g} ether in deposits, {owed.paid_out / WAD:g} paid out"),
            ("audit", self.audit),
            ("memory", "MiB after the warm-up, at the end, growth; KiB a round, anonymous"),
            *(("", _use(kind, use)) for kind, use in self.memory.items()),
            ("seconds", f"{self.seconds:.0f}"),
        ]
        problems = self.problems()
        rows += [("wrong" if not place else "", text) for place, text in enumerate(problems)]
        rows += [] if problems else [("wrong", "nothing")]
        return [f"{heading:<14}{text}" for heading, text in rows]

    def to_json(self) -> dict[str, Any]:
        """Everything, and what is wrong with it."""
        return asdict(self) | {"kinds": self.kinds(), "problems": self.problems()}


def _transactions(found: Transactions) -> str:
    lost = found.sent - found.included
    return f"{found.sent} sent, {found.failed} failed, {lost} in no block (replaced or taken back)"


def _use(kind: str, use: Use) -> str:
    grown = f"{use.start / MIB:7.1f} {use.end / MIB:7.1f} {use.growth:+7.1%}"
    return f"{kind:<16}{grown} {use.a_round / 1024:+8.1f}"
