"""The report of a long run is red where anything is wrong, and says what."""

import dataclasses
import json
from typing import Any

import pytest

from services.chain import Event
from soak import accounts
from soak.crew import End
from soak.faults import Injected
from soak.memory import Memory, Sample, Use
from soak.plan import Fault, Kind, Phase
from soak.report import AGREES, Report, Transactions

ANNE, BOB = "0x" + "a" * 40, "0x" + "b" * 40


def event(name: str, **args: Any) -> Event:
    """An event of the contract."""
    return Event(name, args, 1, "0x" + "11" * 32, "0x" + "22" * 32, 0)


EVENTS = [
    event("Registered", worker=ANNE, deposit=10),
    event("Registered", worker=BOB, deposit=10),
    event("RoundOpened", round=1, workers=2),
    event("Committed", round=1, worker=ANNE),
    event("Committed", round=1, worker=BOB),
    event("Funded", amount=3),
    event("Slashed", round=1, worker=BOB),
    event("RoundSettled", round=1),
    event("RoundOpened", round=2, workers=1),
    event("RoundSettled", round=2),
    event("Withdrawn", worker=ANNE, amount=22),
]


def report(**changes: Any) -> Report:
    """Of two rounds in which Bob withheld and was slashed."""
    fault = Fault(Kind.WORKER_WITHHELD, 1, Phase.COMMIT, 0.0)
    good = Report(
        wanted=2,
        rounds=accounts.rounds(EVENTS),
        faults=[Injected(fault, (1, Phase.COMMIT), 1.0)],
        not_come=0,
        slashes=accounts.slashes(EVENTS, {(1, BOB)}),
        transactions=Transactions(5, 4, 1),
        spoiled={},
        money=accounts.money(EVENTS, balances=0, pot=1, held=1),
        audit=AGREES,
        ends=[],
        unended=[],
        memory={"orchestrator": Use(100.0, 109.0, 1.0), "chain": Use(100.0, 300.0, 9.0)},
        seconds=1.0,
    )
    return dataclasses.replace(good, **changes)


def test_where_nothing_is_wrong_it_says_so() -> None:
    """The guilty slashed, every wei in its place, and a chain that grows as it likes."""
    found = report()
    assert found.problems() == []
    assert found.rounds == accounts.Rounds((1, 2), (), left_out=1)
    assert found.slashes.right == ((1, BOB),)
    assert found.lines()[-1].split() == ["wrong", "nothing"]
    assert json.loads(json.dumps(found.to_json()))["problems"] == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"wanted": 3}, "2 of 3 rounds settled"),
        ({"rounds": accounts.Rounds((1, 2), (3,), 0)}, "2 of 2 rounds settled"),
        ({"slashes": accounts.slashes(EVENTS, set())}, "honest"),
        ({"slashes": accounts.slashes(EVENTS, {(2, BOB)})}, "honest"),
        ({"slashes": accounts.slashes(EVENTS, {(1, BOB), (1, ANNE)})}, "not slashed"),
        ({"money": accounts.money(EVENTS, balances=0, pot=0, held=0)}, "1 wei"),
        ({"money": accounts.money(EVENTS, balances=1, pot=1, held=2)}, "-1 wei"),
        ({"money": accounts.money(EVENTS, balances=0, pot=1, held=0)}, "lacks 1 wei"),
        ({"audit": "round 1: pot()"}, "the audit disagrees: round 1: pot()"),
        ({"ends": [End("worker-1", 1, "error: no")]}, "worker-1 ended with exit code 1: error: no"),
        ({"unended": ["worker-0"]}, "worker-0 has not ended"),
        ({"memory": {"orchestrator": Use(100.0, 111.0, 1.0)}}, "orchestrator grew by 11%"),
    ],
)
def test_what_is_wrong_is_told(changes: dict[str, Any], said: str) -> None:
    """Each by itself, in the list and in the table."""
    found = report(**changes)
    assert any(said in problem for problem in found.problems())
    assert any(said in line for line in found.lines())


def sample(name: str, pid: int, round_number: int, size: int) -> Sample:
    """A process at the beginning of a round."""
    return Sample("worker", name, pid, round_number, size, size // 2)


def test_memory_is_compared_after_the_warm_up_and_at_the_end() -> None:
    """Whoever has just started does not count; growth in a round is of one process's life."""
    grown = [sample("a", 1, number, 100 + 2 * number) for number in range(1, 21)]
    fresh = [sample("b", 100 + number, number, 9_000) for number in range(1, 21)]
    use = Memory(grown + fresh).uses()["worker"]
    assert (use.start, use.end, use.a_round) == (114, 138, 1)
    assert use.growth == pytest.approx(138 / 114 - 1)


def test_a_short_run_says_nothing_about_memory() -> None:
    """There is no end to compare with."""
    assert Memory([sample("a", 1, number, 100) for number in range(1, 9)]).uses() == {}
