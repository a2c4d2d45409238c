"""Deals out the data of a federation on one host.

A public set without labels, its true labels apart from it, a test part, and one private set for
every worker, all of them disjoint.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.datasets import (
    MNIST_DATA,
    Dataset,
    dirichlet_split,
    load,
    save_idx,
    save_labels,
    sha256,
)
from services.errors import DatasetError

LEAST_PRIVATE_SAMPLES = 10  # of one worker: enough for a validation split


@dataclass(frozen=True)
class PreparedData:
    """What the task and the display need to know of the data.

    Attributes:
        dataset_hash: SHA-256 of the public set, ``0x…``, as the task pins it.
        n_public: size of the public set.
        classes: C, one more than the largest private label.
        private_samples: number of private samples of each worker.
    """

    dataset_hash: str
    n_public: int
    classes: int
    private_samples: tuple[int, ...]


def prepare_data(
    home: Path,
    *,
    workers: int,
    samples: int,
    rounds: int,
    alpha: float,
    private_source: str = MNIST_DATA,
    public_source: str = MNIST_DATA,
    private_samples: int = 5_000,
    seed: int = 0,
) -> PreparedData:
    """Write ``public/``, ``truth/``, ``test/`` and ``workers/<i>/private/`` below ``home``.

    Where both sources are the same set, its train part is cut in two, so that no public sample is
    anybody's private one. The test part is the public source's.

    Args:
        home: the federation's folder.
        workers: number of workers.
        samples: m, public samples of a round.
        rounds: number of rounds; the public set has samples·rounds samples, or all there are.
        alpha: Dirichlet parameter of the private split; large is alike, small is skewed.
        private_source: where private samples come from, as `services.datasets.load` takes it.
        public_source: where public and test samples come from.
        private_samples: private samples of all workers together.
        seed: the same seed and sources give the same files.

    Raises:
        DatasetError: a source cannot be read, is too small, or the two do not fit together.
    """
    if min(workers, samples, rounds, private_samples) < 1:
        raise DatasetError(
            f"{workers} workers, {samples} samples, {rounds} rounds, {private_samples} private "
            "samples: each must be 1 or more"
        )
    private, public = load(private_source), load(public_source)
    test = load(public_source, "t10k")
    if private.labels is None or test.labels is None:
        source = private_source if private.labels is None else public_source
        raise DatasetError(f"{source}: private and test samples need labels; add the labels file")
    if private.images.shape[1:] != public.images.shape[1:]:
        raise DatasetError(
            f"samples of {private_source} have shape {private.images.shape[1:]}, those of "
            f"{public_source} {public.images.shape[1:]}; bring them to the same size"
        )
    _check_size(private_source, len(private), private_samples, "private samples")
    private_order = np.random.default_rng(seed).permutation(len(private))
    own, rest = np.split(private_order, [private_samples])
    if sha256(private.images) == sha256(public.images):
        left = f"besides its {private_samples} private ones, public samples of a round"
    else:
        rest = np.random.default_rng([seed, 1]).permutation(len(public))
        left = "public samples of a round"
    _check_size(public_source, len(rest), samples, left)
    split = dirichlet_split(private.labels[own], workers, alpha, seed, LEAST_PRIVATE_SAMPLES)

    chosen = public.subset(rest[: samples * rounds])
    save_idx(home / "public", Dataset(chosen.images))
    if chosen.labels is not None:
        save_labels(home / "truth", chosen.labels)
    save_idx(home / "test", test, "t10k")
    for worker, indices in enumerate(split):
        save_idx(home / "workers" / str(worker) / "private", private.subset(own[indices]))
    return PreparedData(
        dataset_hash=sha256(chosen.images),
        n_public=len(chosen),
        classes=int(private.labels.max()) + 1,
        private_samples=tuple(len(indices) for indices in split),
    )


def _check_size(source: str, n_found: int, n_needed: int, what: str) -> None:
    if n_found < n_needed:
        raise DatasetError(
            f"{source}: {n_needed} samples are needed as {what}, but it has {n_found}; "
            "take a larger data set, or ask for fewer samples"
        )
