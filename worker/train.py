"""Training and prediction as bare loops.

Prints nothing, knows no chain: arrays go in, numbers come out. On a CPU the same seed and number
of threads give the same weights.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from services.datasets import UInt8Array
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
    targets: npt.NDArray[Any],
    config: TrainConfig,
    weights: npt.NDArray[np.floating] | None = None,
) -> float:
    """Minimise the cross-entropy with Adam, in place.

    Args:
        model: maps float32 [n, c, h, w] to logits [n, C].
        images: uint8 [n, h, w] or [n, h, w, c].
        targets: classes [n], each below C; or floats [n, C], of which rows sum to 1.
        config: how.
        weights: how much each sample counts, [n]; None: all the same.

    Returns:
        The mean loss of the last epoch, in nats.

    Raises:
        DatasetError: there are no samples, or not one target for each.
    """
    if len(images) == 0 or len(images) != len(targets):
        raise DatasetError(
            f"cannot train on {len(images)} images with {len(targets)} labels; "
            "give at least one image and one label for each"
        )
    device = _device()
    model.to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    n_steps = config.epochs * -(-len(images) // config.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    kind = np.int64 if targets.ndim == 1 else np.float32
    random = np.random.default_rng(config.seed)
    loss_sum = 0.0
    for _ in range(config.epochs):
        loss_sum = 0.0
        order = random.permutation(len(images))
        for start in range(0, len(order), config.batch_size):
            batch = order[start : start + config.batch_size]
            x = _to_input(images[batch], device)  # [b, c, h, w]
            y = torch.from_numpy(targets[batch].astype(kind)).to(device)  # [b] or [b, C]
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                losses = functional.cross_entropy(model(x), y, reduction="none")  # [b]
            if weights is not None:
                losses = losses * torch.from_numpy(weights[batch].astype(np.float32)).to(device)
            loss = losses.mean()
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
