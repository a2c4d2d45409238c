"""Training and prediction as bare loops.

Prints nothing, knows no chain: arrays go in, numbers come out. On a CPU the same seed and number
of threads give the same weights. Images are kept channels last, which `make bench-train` shows to
pay on a CPU; a GPU computes in mixed precision (bfloat16).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from services.errors import DatasetError
from services.samples import SampleArray

_PREDICTION_BATCH = 256
_KEPT_BYTES = 1 << 27  # of samples as a network takes them; more are brought to it batch by batch


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
    samples: SampleArray,
    targets: npt.NDArray[Any],
    config: TrainConfig,
    weights: npt.NDArray[np.floating] | None = None,
) -> float:
    """Minimise the cross-entropy with Adam, in place.

    Args:
        model: maps float32 [n, c, h, w], or [n, f], to logits [n, C].
        samples: images uint8 [n, h, w] or [n, h, w, c], or features [n, f].
        targets: classes [n], each below C; or floats [n, C], of which rows sum to 1.
        config: how.
        weights: how much each sample counts, [n]; None: all the same.

    Returns:
        The mean loss of the last epoch, in nats.

    Raises:
        DatasetError: there are no samples, or not one target for each.
    """
    if len(samples) == 0 or len(samples) != len(targets):
        raise DatasetError(
            f"cannot train on {len(samples)} images with {len(targets)} labels; "
            "give at least one image and one label for each"
        )
    device = _device()
    _place(model, device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
    n_steps = config.epochs * -(-len(samples) // config.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    kind = np.int64 if targets.ndim == 1 else np.float32
    y = torch.from_numpy(targets.astype(kind)).to(device)  # [n] or [n, C]
    w = torch.ones(len(samples)) if weights is None else torch.from_numpy(weights.astype("f4"))
    w = w.to(device)  # [n]
    batch_of = _batches(samples, device)
    random = np.random.default_rng(config.seed)
    loss_sum = torch.zeros((), device=device)
    for _ in range(config.epochs):
        loss_sum = torch.zeros((), device=device)
        order = torch.from_numpy(random.permutation(len(samples)))
        for start in range(0, len(order), config.batch_size):
            batch = order[start : start + config.batch_size]
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                logits = model(batch_of(batch))  # [b, C]
            losses = functional.cross_entropy(logits, y[batch], reduction="none")  # [b]
            loss = (losses * w[batch]).mean()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            # Not `item`, at which a GPU would wait for every step.
            loss_sum += loss.detach() * len(batch)
    return loss_sum.item() / len(samples)


def predict_probabilities(model: nn.Module, samples: SampleArray) -> npt.NDArray[np.float32]:
    """Soft labels: float32 [n, C], rows sum to 1.

    Args:
        model: maps float32 [n, c, h, w], or [n, f], to logits [n, C].
        samples: images uint8 [n, h, w] or [n, h, w, c], or features [n, f].
    """
    device = _device()
    _place(model, device).eval()
    with (
        torch.inference_mode(),
        torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"),
    ):
        batches = [
            model(to_input(samples[start : start + _PREDICTION_BATCH], device))
            .float()
            .softmax(1)
            .cpu()
            for start in range(0, len(samples), _PREDICTION_BATCH)
        ]
    return torch.cat(batches).numpy()


def to_input(samples: SampleArray, device: torch.device) -> Tensor:
    """What a network takes: features [n, f] as float32, images as float32 [n, c, h, w].

    Each image gets mean 0 and deviation 1: image by image, so that two sources of other brightness
    or stroke width meet half way.
    """
    x = torch.from_numpy(samples.astype(np.float32)).to(device)
    if x.ndim == 2:
        return x
    x = x.unsqueeze(1) if x.ndim == 3 else x.permute(0, 3, 1, 2)
    deviation, mean = torch.std_mean(x, dim=(1, 2, 3), keepdim=True)
    return ((x - mean) / (deviation + 1e-3)).contiguous(memory_format=torch.channels_last)


def _batches(samples: SampleArray, device: torch.device) -> Callable[[Tensor], Tensor]:
    """What gives a network's input for indices: made once where memory allows it."""
    if samples.size * 4 > _KEPT_BYTES:
        return lambda batch: to_input(samples[batch.numpy()], device)
    step = _PREDICTION_BATCH  # so that no more than one batch is there twice
    parts = [to_input(samples[at : at + step], device) for at in range(0, len(samples), step)]
    kept = torch.cat(parts)
    return lambda batch: kept[batch]


def _place(model: nn.Module, device: torch.device) -> nn.Module:
    """The model on the device, its convolutions channels last."""
    model.to(device)
    model.to(memory_format=torch.channels_last)
    return model


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
