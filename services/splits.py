"""Who gets which samples: private splits by Dirichlet or by a file, and the window of a round."""

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from services.errors import DatasetError
from services.samples import UNREADABLE_ARRAY, IndexArray, LabelArray

NOBODY = -1  # in a file of owners: a sample that no worker gets


def dirichlet_split(
    labels: LabelArray, n_workers: int, alpha: float, seed: int, n_least: int = 1
) -> list[IndexArray]:
    """Deal samples out to workers, class by class in shares drawn from Dir(α) (section 5.1).

    A large α gives every worker the same mix of classes, a small one a few classes each. Who would
    get fewer than ``n_least`` samples gets the missing ones from whoever then has most.

    Args:
        labels: integers [n], the class of each sample.
        n_workers: number of parts.
        alpha: parameter of the symmetric Dirichlet distribution, above 0.
        seed: the same seed gives the same split.
        n_least: fewest samples of a worker.

    Returns:
        One array of indices per worker, shuffled; disjoint, and together every sample.

    Raises:
        DatasetError: α is not a positive number, or there are too few samples.
    """
    if not 0 < alpha < math.inf:
        raise DatasetError(f"alpha is {alpha}; it must be above 0, e.g. 100 (alike) or 0.1 (skew)")
    if n_workers < 1 or len(labels) < n_workers * n_least:
        raise DatasetError(
            f"{len(labels)} samples are too few for {n_workers} workers with at least {n_least} "
            "each; take more samples or fewer workers"
        )
    random = np.random.default_rng(seed)
    parts: list[list[IndexArray]] = [[] for _ in range(n_workers)]
    for label in np.unique(labels):
        of_class = random.permutation(np.flatnonzero(labels == label))
        shares = random.dirichlet(np.full(n_workers, alpha))
        cuts = np.rint(np.cumsum(shares)[:-1] * len(of_class)).astype(np.int64)
        for part, indices in zip(parts, np.split(of_class, cuts), strict=True):
            part.append(indices)
    split = [random.permutation(np.concatenate(part)) for part in parts]
    for poor in range(n_workers):
        while (n_missing := n_least - len(split[poor])) > 0:
            rich = max(range(n_workers), key=lambda worker: len(split[worker]))
            n_moved = min(n_missing, len(split[rich]) - n_least)
            split[poor] = np.concatenate([split[poor], split[rich][-n_moved:]])
            split[rich] = split[rich][:-n_moved]
    return split


def read_owners(path: Path, n_samples: int, n_workers: int) -> IndexArray:
    """Read which worker each sample belongs to, for instance by who wrote it: int64 [n].

    The file has one worker number for each sample, in the order of the data set; -1 is nobody. It
    is an ``.npy`` array of integers, a ``.csv`` with a column ``worker``, or text with one number
    a line.

    Raises:
        DatasetError: the file is missing or malformed, has not one number for each sample, or a
            number is none of ``n_workers`` workers.
    """
    try:
        if path.suffix == ".npy":
            owners: npt.NDArray[Any] = np.load(path, allow_pickle=False)
        elif path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8-sig") as file:
                owners = np.array([int(row["worker"]) for row in csv.DictReader(file)])
        else:
            owners = np.array([int(word) for word in path.read_text(encoding="utf-8").split()])
    except KeyError as error:
        raise DatasetError(
            f"{path}: no column worker; name the column of worker numbers so in the first line"
        ) from error
    except (csv.Error, *UNREADABLE_ARRAY) as error:
        raise DatasetError(
            f"{path}: cannot be read as worker numbers ({error}); expected an integer for each "
            "sample: .npy, .csv with a column worker, or text with one a line"
        ) from error
    if owners.dtype.kind not in "ui" or owners.shape != (n_samples,):
        raise DatasetError(
            f"{path}: expected {n_samples} integers, one for each sample, found {owners.dtype} "
            f"{list(owners.shape)}; write one worker number for each sample"
        )
    if owners.min() < NOBODY or owners.max() >= n_workers:
        raise DatasetError(
            f"{path}: worker numbers go from {owners.min()} to {owners.max()}, but there are "
            f"{n_workers} workers: expected 0 to {n_workers - 1}, or {NOBODY} for nobody; change "
            "the file or the number of workers"
        )
    return owners.astype(np.int64)


def split_by_owner(
    owners: IndexArray, n_workers: int, seed: int, n_least: int = 1
) -> list[IndexArray]:
    """Deal samples out to the workers to whom they belong.

    Args:
        owners: int64 [n], the worker of each sample; -1 is nobody.
        n_workers: number of parts.
        seed: the same seed gives the same order.
        n_least: fewest samples of a worker.

    Returns:
        One array of indices per worker, shuffled; disjoint.

    Raises:
        DatasetError: a worker has fewer than ``n_least`` samples.
    """
    random = np.random.default_rng(seed)
    split = [random.permutation(np.flatnonzero(owners == worker)) for worker in range(n_workers)]
    for worker, part in enumerate(split):
        if len(part) < n_least:
            raise DatasetError(
                f"worker {worker} gets {len(part)} samples by the split file, and needs at least "
                f"{n_least}; take more private samples, or fewer workers"
            )
    return split


def round_window(round_number: int, samples_per_round: int, n_public: int) -> IndexArray:
    """Indices of a round's samples: ((r−1)·m + j) mod |X^pub| for j = 0..m−1 (protocol section 2).

    Raises:
        DatasetError: the public set is smaller than one round.
    """
    if n_public < samples_per_round:
        raise DatasetError(
            f"the public set has {n_public} samples but a round takes {samples_per_round}; "
            "take a larger public set or fewer samples per round"
        )
    start = (round_number - 1) * samples_per_round
    return (start + np.arange(samples_per_round, dtype=np.int64)) % n_public
