"""Whole rounds, from training to distillation, each kept on disk.

Local training does not depend on the public set, so rounds that differ only in its size share one.
"""

import functools
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from experiments.judgements import Case
from experiments.kept import CACHE, Arrays, kept
from services.datasets import Dataset
from worker.data import labels_of

Data = tuple[Dataset, Dataset, Dataset]


@dataclass(frozen=True)
class Rounds:
    """One training, and a round after it for each size of the public set.

    Attributes:
        case: with the largest public set, of which the others are the first part.
        sizes: |X^pub| of each round.
    """

    case: Case
    sizes: tuple[int, ...]


def play_rounds(rounds: Rounds, cache: Path = CACHE) -> list[Arrays]:
    """What each round taught, in the order of the sizes.

    Returns:
        accuracies [2, n] of each worker before and after the round, on the test samples;
        own_accuracies [2, n], on its own validation split; agreement, the share of votes that are
        the majority's; right, the share of samples whose majority label is true.
    """
    with tempfile.TemporaryDirectory(prefix="trained-") as name:
        # Only if a round is missing.
        train = functools.cache(functools.partial(_train, rounds.case, Path(name)))
        return [
            kept(
                "round",
                replace(rounds.case, samples=size),
                functools.partial(_play, rounds.case, train, Path(name), size),
                cache,
            )
            for size in rounds.sizes
        ]


def _train(case: Case, folder: Path) -> Data:
    """Leave trained learners in a folder."""
    data = case.data()
    case.federation(data, folder).train()
    return data


def _play(case: Case, train: Callable[[], Data], folder: Path, size: int) -> Arrays:
    data = train()
    with tempfile.TemporaryDirectory(prefix="round-") as own:
        # Every round starts from the trained learners, as after a restart.
        shutil.copytree(folder, own, dirs_exist_ok=True)
        federation = case.federation(data, Path(own))
        before = federation.validation_accuracies()
        samples = np.arange(size)
        found = federation.play(samples)
        return {
            "accuracies": federation.accuracies(),
            "own_accuracies": np.stack([before, federation.validation_accuracies()]),
            "agreement": np.array(found.agreement),
            "right": np.array((found.global_labels == labels_of(data[1])[samples]).mean()),
        }
