"""A short run of `make soak`: three rounds under faults of a fixed seed, and what it reports."""

from pathlib import Path

from nodes import free_port

from services.chain import Phase
from soak.plan import Fault, Kind, draw
from soak.run import Options, Run

SEED = 222
WORKERS = 5  # one more than a round needs, for one is slashed
WITHHOLDER = 4
OPTIONS = Options(
    rounds=3, workers=WORKERS, samples=256, window_s=12, models=("forest",), limit_s=150
)


def test_three_rounds_under_faults_lose_nothing(tmp_path: Path) -> None:
    """All settle, the one that slept past the reveals is slashed, and no wei is missing."""
    plan = draw(OPTIONS.rounds, WORKERS - 1, SEED)  # of whom the withholder is none
    plan.append(Fault(Kind.WORKER_WITHHELD, OPTIONS.rounds, Phase.COMMIT, 0, worker=WITHHOLDER))
    report = Run(OPTIONS, tmp_path, (free_port(), free_port())).play(plan)
    assert report.problems() == []
    assert report.rounds.settled == (1, 2, 3)
    assert [number for number, _ in report.slashes.right] == [3]
    assert report.not_come == 0
    assert report.kinds().total() == len(plan)
    assert report.transactions.included > 3 * 2 * WORKERS
    assert report.money.deposits == report.money.paid_out + report.money.pot + report.money.balances
