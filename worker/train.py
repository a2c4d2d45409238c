"""Training, prediction and distillation as bare loops.

Prints nothing, knows no chain: arrays go in, numbers come out. On a CPU the same seed and number
of threads give the same weights.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from services.datasets import IndexArray, UInt8Array
from services.errors import DatasetError

_PREDICTION_BATCH = 512


@dataclass(frozen=True)
class TrainConfig:
    """How to fit a model.

    Attributes:
        seed: seed of the batch order.
        epochs: passes over the data.
        batch_size: samples per optimiser step.
        learning_rate: Adam's step size at the start; it falls to 0 along half a cosine.
    """

    seed: int = 0
    epochs: int = 5
    batch_size: int = 64
    learning_rate: float = 1e-3


def fit(
    model: nn.Module,
    images: UInt8Array,
    labels: npt.NDArray[np.integer],
    config: TrainConfig,
) -> float:
    """Minimise the cross-entropy on hard labels with Adam, in place.

    Args:
        model: maps float32 [n, c, h, w] to logits [n, C].
        images: uint8 [n, h, w] or [n, h, w, c].
        labels: classes [n], each below C.
        config: how.

    Returns:
        The mean loss of the last epoch, in nats.

    Raises:
        DatasetError: there are no samples, or not one label for each.
    """
    if len(images) == 0 or len(images) != len(labels):
        raise DatasetError(
            f"cannot train on {len(images)} images with {len(labels)} labels; "
            "give at least one image and one label for each"
        )
    device = _device()
    model.to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    n_steps = config.epochs * -(-len(images) // config.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    random = np.random.default_rng(config.seed)
    loss_sum = 0.0
    for _ in range(config.epochs):
        loss_sum = 0.0
        order = random.permutation(len(images))
        for start in range(0, len(order), config.batch_size):
            batch = order[start : start + config.batch_size]
            x = _to_input(images[batch], device)  # [b, c, h, w]
            y = torch.from_numpy(labels[batch].astype(np.int64)).to(device)  # [b]
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                loss = functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            loss_sum += loss.item() * len(batch)
    return loss_sum / len(images)


def predict_probabilities(model: nn.Module, images: UInt8Array) -> npt.NDArray[np.float32]:
    """Soft labels: float32 [n, C], rows sum to 1, of images uint8 [n, h, w] or [n, h, w, c]."""
    device = _device()
    model.to(device).eval()
    with torch.inference_mode():
        batches = [
            model(_to_input(images[start : start + _PREDICTION_BATCH], device)).softmax(1).cpu()
            for start in range(0, len(images), _PREDICTION_BATCH)
        ]
    return torch.cat(batches).numpy()


def top1_accuracy(model: nn.Module, images: UInt8Array, labels: npt.NDArray[np.integer]) -> float:
    """Share of images whose most probable class is their label, 0..1."""
    return float((predict_probabilities(model, images).argmax(1) == labels).mean())


def distil(
    model: nn.Module,
    images: UInt8Array,
    labels: npt.NDArray[np.uint16],
    config: TrainConfig,
    *,
    abstain: int,
    private_images: UInt8Array | None = None,
    private_labels: UInt8Array | None = None,
) -> float:
    """Fit the model to the global labels of a round, in place; section 4.6.

    Cross-entropy on (X^pub, Y_aggr) with ABSTAIN left out, and on the private samples as well
    where they are given, so that the model does not forget what only it has seen.

    Args:
        model: as for `fit`.
        images: uint8 [m, h, w] or [m, h, w, c], the round's public samples.
        labels: global labels [m]; ``abstain`` where nobody voted.
        config: as for `fit`.
        abstain: the code of ABSTAIN.
        private_images: uint8 [n, h, w] or [n, h, w, c].
        private_labels: uint8 [n].

    Returns:
        The mean loss of the last epoch, in nats; 0 where there was nothing to learn from.
    """
    is_voted = labels != abstain
    if not is_voted.any():
        return 0.0
    images, labels = images[is_voted], labels[is_voted]
    if private_images is not None and private_labels is not None:
        images = np.concatenate([images, private_images])
        labels = np.concatenate([labels, private_labels.astype(np.uint16)])
    return fit(model, images, labels, config)


def split_validation(
    labels: UInt8Array, fraction: float, seed: int
) -> tuple[IndexArray, IndexArray]:
    """Indices to train on, and indices held out for validation; each at least one sample.

    Raises:
        DatasetError: fewer than two samples.
    """
    if len(labels) < 2:
        raise DatasetError(
            f"{len(labels)} private samples cannot be split; training and validation need one each"
        )
    order = np.random.default_rng(seed).permutation(len(labels))
    n_validation = min(max(round(fraction * len(labels)), 1), len(labels) - 1)
    return order[n_validation:], order[:n_validation]


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _to_input(images: UInt8Array, device: torch.device) -> Tensor:
    """Bytes [n, h, w] or [n, h, w, c] to float32 [n, c, h, w], each image of mean 0, deviation 1.

    Image by image, so that two sources of other brightness or stroke width meet half way.
    """
    x = torch.from_numpy(images.astype(np.float32)).to(device)
    x = x.unsqueeze(1) if x.ndim == 3 else x.permute(0, 3, 1, 2)
    deviation, mean = torch.std_mean(x, dim=(1, 2, 3), keepdim=True)
    return (x - mean) / (deviation + 1e-3)
