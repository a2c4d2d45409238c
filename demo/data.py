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
    IndexArray,
    LabelArray,
    dirichlet_split,
    has_parts,
    load,
    read_owners,
    require_alike,
    save_idx,
    save_labels,
    sha256,
    split_by_owner,
)
from services.errors import DatasetError

LEAST_PRIVATE_SAMPLES = 10  # of one worker: enough for a validation split
DIRICHLET = "dirichlet"
TEST_SHARE = 5  # one in so many is held out for testing where a source has no test part,
MOST_TEST_SAMPLES = 10_000  # but no more than that


@dataclass(frozen=True)
class PreparedData:
    """What the task and the display need to know of the data.

    Attributes:
        dataset_hash: SHA-256 of the public set, ``0x…``, as the task pins it.
        n_public: size of the public set.
        classes: C, one more than the largest private label, or as many as have a name.
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
    split: str = DIRICHLET,
    private_source: str = MNIST_DATA,
    public_source: str = MNIST_DATA,
    private_samples: int = 5_000,
    seed: int = 0,
) -> PreparedData:
    """Write ``public/``, ``truth/``, ``test/`` and ``workers/<i>/private/`` below ``home``.

    Where both sources are the same set, its train part is cut in two, so that no public sample is
    anybody's private one. The test part is the public source's; where it has none, a fifth of the
    public samples is held out for it, or of the private ones if the public ones have no labels.

    Args:
        home: the federation's folder.
        workers: number of workers.
        samples: m, public samples of a round.
        rounds: number of rounds; the public set has samples·rounds samples, or all there are.
        alpha: Dirichlet parameter of the private split; large is alike, small is skewed.
        split: ``dirichlet``, or the path of a file with the worker number of each sample of the
            private source, as `services.splits.read_owners` takes it.
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
    sources = _read_sources(private_source, public_source, seed)
    private, public, test = sources.private, sources.public, sources.test
    owners = None if split == DIRICHLET else read_owners(Path(split), len(private), workers)
    order = np.random.default_rng(seed).permutation(sources.private_left)
    dealt = order if owners is None else order[owners[order] >= 0]
    _check_size(private_source, len(dealt), private_samples, "private samples")
    own = dealt[:private_samples]
    if sources.is_one_set:
        rest = order[~np.isin(order, own)]
        left = f"besides its {private_samples} private ones, public samples of a round"
    else:
        rest = np.random.default_rng([seed, 1]).permutation(sources.public_left)
        left = "public samples of a round"
    _check_size(public_source, len(rest), samples, left)
    if owners is None:
        labels = _labels(private_source, private)
        parts = dirichlet_split(labels[own], workers, alpha, seed, LEAST_PRIVATE_SAMPLES)
    else:
        parts = split_by_owner(owners[own], workers, seed, LEAST_PRIVATE_SAMPLES)

    chosen = public.subset(rest[: samples * rounds])
    save_idx(home / "public", Dataset(chosen.samples))
    if chosen.labels is not None:
        save_labels(home / "truth", chosen.labels)
    save_idx(home / "test", test, "t10k")
    for worker, indices in enumerate(parts):
        save_idx(home / "workers" / str(worker) / "private", private.subset(own[indices]))
    return PreparedData(
        dataset_hash=sha256(chosen.samples),
        n_public=len(chosen),
        classes=len(private.class_names or range(int(_labels(private_source, private).max()) + 1)),
        private_samples=tuple(len(indices) for indices in parts),
    )


@dataclass(frozen=True)
class _Sources:
    """Both sources and the test part; of what is left when that is taken out, the indices."""

    private: Dataset
    public: Dataset
    test: Dataset
    private_left: IndexArray
    public_left: IndexArray
    is_one_set: bool


def _read_sources(private_source: str, public_source: str, seed: int) -> _Sources:
    private, public = load(private_source), load(public_source)
    require_alike(f"samples of {private_source}", private, f"those of {public_source}", public)
    _labels(private_source, private)
    is_one_set = sha256(private.samples) == sha256(public.samples)
    private_left, public_left = np.arange(len(private)), np.arange(len(public))
    if has_parts(public_source):
        test = load(public_source, "t10k")
        _labels(public_source, test)
        require_alike(f"samples of {private_source}", private, "test samples", test)
    else:
        whole = private if public.labels is None else public
        n_test = min(len(whole) // TEST_SHARE, MOST_TEST_SAMPLES)
        _check_size(public_source, n_test, 1, "test samples")
        order = np.random.default_rng([seed, 2]).permutation(len(whole))
        test, left = whole.subset(order[:n_test]), order[n_test:]
        private_left = left if is_one_set or whole is private else private_left
        public_left = left if is_one_set or whole is public else public_left
    return _Sources(private, public, test, private_left, public_left, is_one_set)


def _labels(source: str, dataset: Dataset) -> LabelArray:
    if dataset.labels is None:
        raise DatasetError(f"{source}: private and test samples need labels; add them")
    return dataset.labels


def _check_size(source: str, n_found: int, n_needed: int, what: str) -> None:
    if n_found < n_needed:
        raise DatasetError(
            f"{source}: {n_needed} samples are needed as {what}, but it has {n_found}; "
            "take a larger data set, or ask for fewer samples"
        )
