"""Folders of idx files: read and written, and the bytes by which a public set is known.

Images are bytes, features 32-bit floats, labels bytes or, from 257 classes on, 16-bit integers.
"""

import gzip
import hashlib
import math
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from services.errors import DatasetError
from services.samples import Dataset, LabelArray, Part, SampleArray, make_dataset

Kind = Literal["samples", "labels"]

# File names without part and ending, by what they hold; the number is that of dimensions.
_STEMS: dict[Kind, tuple[str, ...]] = {
    "samples": ("images-idx3-ubyte", "images-idx4-ubyte", "features-idx2-float"),
    "labels": ("labels-idx1-ubyte", "labels-idx1-short"),
}
_CODES = {"ubyte": 0x08, "short": 0x0B, "float": 0x0D}  # the format's element types
_TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype("u1"),
    0x0B: np.dtype(">i2"),
    0x0D: np.dtype(">f4"),
}


def is_idx_folder(folder: Path) -> bool:
    """Whether any file of the folder is named as idx files are."""
    return any(
        path.name.removesuffix(".gz").removeprefix(f"{part}-") in _STEMS["samples"]
        for part in ("train", "t10k")
        for path in folder.glob(f"{part}-*")
    )


def load_idx(folder: Path, part: Part = "train") -> Dataset:
    """Read the samples of a part and, where they are there, its labels.

    Samples are ``<part>-images-idx3-ubyte``, in colour ``<part>-images-idx4-ubyte``, or
    ``<part>-features-idx2-float``; labels ``<part>-labels-idx1-ubyte`` or ``-short``. Each file
    may be raw or gzip (``.gz``).

    Raises:
        DatasetError: the folder or file is missing, empty or malformed, or the two files differ
            in their number of samples.
    """
    path = _find(folder, part, "samples")
    if path is None:
        _check_folder(folder)
        found = ", ".join(sorted(p.name for p in folder.iterdir())[:5]) or "nothing"
        raise DatasetError(
            f"{folder}: no samples; expected {part}-images-idx3-ubyte or "
            f"{part}-images-idx3-ubyte.gz, found {found}; name a folder of idx files"
        )
    samples = _read(path)
    labels = None if _find(folder, part, "labels") is None else load_labels(folder, part)
    if labels is not None and len(labels) != len(samples):
        raise DatasetError(
            f"{folder}: {len(samples)} samples but {len(labels)} labels in part {part}; "
            "the two files must come from the same set"
        )
    return make_dataset(path, samples, labels)


def load_labels(folder: Path, part: Part = "train") -> LabelArray:
    """Read the labels of a part (raw or gzip) alone: uint8 or uint16 [n].

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
    labels = _read(path)
    return labels if labels.dtype == np.uint8 else labels.astype(np.uint16)


def save_idx(folder: Path, dataset: Dataset, part: Part = "train") -> None:
    """Write the samples, and the labels where there are any, as raw idx files into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = dataset.samples
    name = "features-idx2-float" if samples.ndim == 2 else f"images-idx{samples.ndim}-ubyte"
    (folder / f"{part}-{name}").write_bytes(canonical_bytes(samples))
    if dataset.labels is not None:
        save_labels(folder, dataset.labels, part)


def save_labels(folder: Path, labels: LabelArray, part: Part = "train") -> None:
    """Write ``labels`` (uint8 or uint16 [n]) alone as a raw idx file into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    name = "ubyte" if labels.dtype == np.uint8 else "short"
    content = _encode(labels, _CODES[name])
    (folder / f"{part}-labels-idx1-{name}").write_bytes(content)


def canonical_bytes(samples: SampleArray) -> bytes:
    """The uncompressed idx file of samples: header and bytes, or big-endian 32-bit floats.

    Raises:
        DatasetError: the samples are neither images of bytes nor features of 32 bits.
    """
    name = {np.dtype(np.uint8): "ubyte", np.dtype(np.float32): "float"}.get(samples.dtype)
    if name is None or (name == "float") != (samples.ndim == 2):
        raise DatasetError(
            f"expected images of bytes (uint8) or features of 32 bits (float32 [n, f]), found "
            f"{samples.dtype} {list(samples.shape)}; convert the array first"
        )
    return _encode(samples, _CODES[name])


def sha256(samples: SampleArray) -> str:
    """SHA-256 of the canonical bytes, as ``0x`` and 64 hex digits (``Task.dataset_hash``).

    So that ``gzip -dc train-images-idx3-ubyte.gz | sha256sum`` says the same.
    """
    return "0x" + hashlib.sha256(canonical_bytes(samples)).hexdigest()


def _find(folder: Path, part: Part, kind: Kind) -> Path | None:
    names = [f"{part}-{stem}{end}" for stem in _STEMS[kind] for end in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder; name a folder of idx files")


def _read(path: Path) -> npt.NDArray[Any]:
    """The array in one idx file, whose name says the type and number of dimensions.

    The format: 2 zero bytes, type, number of dimensions, sizes, elements.
    """
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(
            f"{path}: cannot be read ({error or type(error).__name__}); fetch or write it again"
        ) from error
    idx, type_name = path.name.removesuffix(".gz").split("-")[-2:]
    expected = bytes([0, 0, _CODES[type_name], int(idx.removeprefix("idx"))])
    if data[:4] != expected:
        raise DatasetError(
            f"{path}: not the idx file that its name says: expected it to start with "
            f"{expected.hex()}, found {data[:4].hex() or 'nothing'}; write it again"
        )
    n_header = 4 + 4 * data[3]
    header = data[4:n_header].ljust(n_header - 4, b"\0")
    sizes = np.frombuffer(header, ">u4").tolist()
    element = _TYPES[data[2]]
    n_expected = n_header + math.prod(sizes) * element.itemsize
    if len(data) != n_expected:
        raise DatasetError(
            f"{path}: expected {n_expected} bytes for shape {sizes}, found {len(data)}; "
            "the file is truncated or damaged, fetch or write it again"
        )
    array: npt.NDArray[Any] = np.frombuffer(data, element, offset=n_header).reshape(sizes)
    return array.astype(element.newbyteorder("="), copy=False)


def _encode(array: npt.NDArray[Any], code: int) -> bytes:
    header = bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(_TYPES[code], copy=False).tobytes()
