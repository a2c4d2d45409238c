"""How much memory each process has, once a round, and whether that stays flat.

A process that has just started has not its size yet, so it counts from its second round on.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

WARM_UP_ROUNDS = 5
WINDOW_ROUNDS = 3  # that are taken together, after the warm-up and at the end
LEAST_ROUNDS = 12  # a shorter run says nothing about memory
MOST_GROWTH = 0.1  # of a kind of process between the two windows


@dataclass(frozen=True)
class Sample:
    """One process at the beginning of a round.

    Attributes:
        kind: of the process, ``worker (mlp)``.
        name: of the process.
        pid: which tells its starts apart.
        round_number: the round.
        resident_bytes: memory that it has, with its children.
        anonymous_bytes: of that, what is no page of a file: data, and what would leak.
    """

    kind: str
    name: str
    pid: int
    round_number: int
    resident_bytes: int
    anonymous_bytes: int


@dataclass(frozen=True)
class Use:
    """Memory of one kind of process, in bytes: medians over processes.

    Attributes:
        start: resident after the warm-up.
        end: resident in the last rounds.
        a_round: anonymous, that one process grew by in a round while it lived.
    """

    start: float
    end: float
    a_round: float

    @property
    def growth(self) -> float:
        """From start to end, as a share of the start."""
        return self.end / self.start - 1


@dataclass
class Memory:
    """Samples of a run."""

    samples: list[Sample] = field(default_factory=list)

    def take(self, kind: str, name: str, pid: int, round_number: int) -> None:
        """Look at one process."""
        resident, anonymous = memory_of(pid)
        if resident:
            self.samples.append(Sample(kind, name, pid, round_number, resident, anonymous))

    def uses(self) -> dict[str, Use]:
        """By kind of process; empty if the run was too short to tell."""
        grown = self._grown()
        last = max((sample.round_number for sample in grown), default=0)
        if last < LEAST_ROUNDS:
            return {}
        found = {}
        for kind in dict.fromkeys(sample.kind for sample in grown):
            own = [sample for sample in grown if sample.kind == kind]
            start = _window(own, WARM_UP_ROUNDS + 1)
            end = _window(own, last - WINDOW_ROUNDS + 1)
            if start and end:
                found[kind] = Use(median(start), median(end), _slope(own))
        return found

    def _grown(self) -> list[Sample]:
        """All samples but the first of each process."""
        first: dict[int, int] = {}
        for sample in self.samples:
            first.setdefault(sample.pid, sample.round_number)
        return [sample for sample in self.samples if sample.round_number > first[sample.pid]]


def _window(samples: list[Sample], first: int) -> list[int]:
    rounds = range(first, first + WINDOW_ROUNDS)
    return [sample.resident_bytes for sample in samples if sample.round_number in rounds]


def _slope(samples: list[Sample]) -> float:
    """What a round added, over the longest-lived half of the processes after the warm-up."""
    lives: defaultdict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.round_number > WARM_UP_ROUNDS:
            lives[sample.pid].append(sample)
    spans = sorted((life for life in lives.values() if len(life) > 1), key=len, reverse=True)
    slopes = [
        (life[-1].anonymous_bytes - life[0].anonymous_bytes)
        / (life[-1].round_number - life[0].round_number)
        for life in spans[: max(1, len(spans) // 2)]
    ]
    return median(slopes) if slopes else 0.0


def memory_of(group: int) -> tuple[int, int]:
    """Bytes of all processes of a group, resident and anonymous; 0 where /proc does not tell."""
    total = {"VmRSS": 0, "RssAnon": 0}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            # After the name in brackets: state, parent, group.
            if int((entry / "stat").read_text().rpartition(")")[2].split()[2]) != group:
                continue
            for line in (entry / "status").read_text().splitlines():
                name, _, value = line.partition(":")
                if name in total:
                    total[name] += 1024 * int(value.split()[0])
        except (OSError, IndexError):
            continue  # it has just ended
    return total["VmRSS"], total["RssAnon"]
