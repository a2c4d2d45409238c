"""What a data set is: samples in a fixed order, with or without labels.

Knows arrays, no files; every reader ends in `make_dataset`, which checks what it read.
"""

import zlib
from dataclasses import dataclass
from tokenize import TokenError
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from services.errors import DatasetError
from services.wire import MAX_CLASSES

Part = Literal["train", "t10k"]
UInt8Array = npt.NDArray[np.uint8]
IndexArray = npt.NDArray[np.int64]
SampleArray = npt.NDArray[Any]  # uint8 images or float32 features
Classes = npt.NDArray[np.integer]  # class numbers
FloatArray = npt.NDArray[np.floating]
LabelArray = npt.NDArray[Any]  # uint8 or uint16

# What numpy.load raises of a file that it cannot read, whatever is wrong with it.
UNREADABLE_ARRAY = (
    *(OSError, EOFError, ValueError, TypeError, MemoryError, OverflowError),
    *(SyntaxError, TokenError, BadZipFile, zlib.error),
)


@dataclass(frozen=True)
class Dataset:
    """Samples in a fixed order.

    Attributes:
        samples: uint8 [n, h, w] or [n, h, w, c], white on black where it is
            handwriting; or float32 features [n, f].
        labels: uint8 [n], uint16 from 257 classes on; None where nobody labelled the samples.
        columns: names of the features, where the source names them.
        class_names: names of the classes by number, where the source has names.
    """

    samples: SampleArray
    labels: LabelArray | None = None
    columns: tuple[str, ...] | None = None
    class_names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        """Number of samples, n."""
        return len(self.samples)

    def subset(self, indices: IndexArray) -> "Dataset":
        """The samples at ``indices``, in that order."""
        labels = None if self.labels is None else self.labels[indices]
        return Dataset(self.samples[indices], labels, self.columns, self.class_names)


def make_dataset(
    where: object,
    samples: SampleArray,
    labels: LabelArray | None = None,
    columns: tuple[str, ...] | None = None,
    known_names: tuple[str, ...] | None = None,
) -> Dataset:
    """A data set of arrays that somebody else made, checked.

    Args:
        where: what messages call the source.
        samples: bytes [n, h, w] or [n, h, w, c], or numbers [n, f].
        labels: class numbers or class names [n], if any.
        columns: names of the features.
        known_names: all class names by number; None: those that are there, sorted.

    Raises:
        DatasetError: no samples, wrong types or shapes, numbers that are not finite in 32 bits,
            not one label for each sample, or labels that are no classes.
    """
    if samples.ndim == 2:
        samples = features_of(where, samples)
    elif samples.ndim not in (3, 4) or samples.dtype != np.uint8:
        raise DatasetError(
            f"{where}: expected images of bytes (uint8 [n, h, w] or [n, h, w, c]) or features "
            f"(numbers [n, f]), found {samples.dtype} {list(samples.shape)}; convert them first"
        )
    if samples.size == 0:
        raise DatasetError(
            f"{where}: holds no samples (shape {list(samples.shape)}); put some into it"
        )
    if labels is None:
        return Dataset(samples, columns=columns)
    numbers, names = number_labels(where, labels, known_names)
    if numbers.shape != samples.shape[:1]:
        raise DatasetError(
            f"{where}: {len(samples)} samples but labels of shape {list(numbers.shape)}; give "
            "one label for each sample"
        )
    return Dataset(samples, numbers, columns, names)


def require_alike(name: str, dataset: Dataset, other_name: str, other: Dataset) -> None:
    """Check that one learner can take the samples of two sets, and means the same by a class.

    Args:
        name: what messages call the samples of the first, e.g. ``private samples``.
        dataset: the first.
        other_name: what they call those of the other, e.g. ``public ones``.
        other: the other.

    Raises:
        DatasetError: they differ in shape or type, in their columns, or in their class names.
    """
    for what, mine, others in (
        ("shape", dataset.samples.shape[1:], other.samples.shape[1:]),
        ("type", dataset.samples.dtype, other.samples.dtype),
        ("columns", dataset.columns, other.columns),
        ("class names", dataset.class_names, other.class_names),
    ):
        if mine is not None and others is not None and mine != others:
            raise DatasetError(
                f"{name} have {what} {_short(mine)}, {other_name} {_short(others)}; make them the "
                "same, in the same order"
            )


def _short(what: object) -> str:
    text = str(what)
    return text if len(text) < 200 else text[:200] + " …"


def features_of(where: object, numbers: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Numbers of any kind [n, f] as float32 [n, f].

    Raises:
        DatasetError: they are no numbers, or one of them is missing, infinite or too large.
    """
    if numbers.dtype.kind not in "buif":
        raise DatasetError(
            f"{where}: expected numbers as features, found {numbers.dtype}; encode them as numbers"
        )
    with np.errstate(over="ignore"):
        features = np.ascontiguousarray(numbers, np.float32)
    is_bad = ~np.isfinite(features)
    if is_bad.any():
        row, column = np.argwhere(is_bad)[0]
        raise DatasetError(
            f"{where}: feature {column} of sample {row} is {numbers[row, column]}; expected finite "
            "numbers of 32 bits; fill in or leave out what is missing"
        )
    return features


def number_labels(
    where: object, labels: npt.NDArray[Any], known_names: tuple[str, ...] | None = None
) -> tuple[LabelArray, tuple[str, ...] | None]:
    """Class numbers, as the smallest unsigned type that holds them, and the class names.

    Args:
        where: what messages call the source.
        labels: numbers, which stay as they are, or names, which become their position in the
            names.
        known_names: all class names by number; None: those that are there, sorted.

    Raises:
        DatasetError: the labels are neither, negative, more than the protocol takes, or a name is
            not among those known.
    """
    names = known_names
    if labels.dtype.kind == "U":
        if names is None:
            names = tuple(np.unique(labels).tolist())
            _require_words(where, names)
        position = {name: number for number, name in enumerate(names)}
        unknown = sorted(set(labels.tolist()) - set(names))
        if unknown:
            raise DatasetError(
                f"{where}: class {unknown[0]!r} is none of the {len(names)} known ones "
                f"({', '.join(names[:5])}, …); correct the label, or add it to classes.txt"
            )
        numbers = np.array([position[name] for name in labels.tolist()], np.int64)
    elif labels.dtype.kind in "ui":
        numbers = labels
    else:
        raise DatasetError(
            f"{where}: expected labels that are integers or class names, found {labels.dtype}; "
            "number the classes from 0"
        )
    least, most = (int(numbers.min()), int(numbers.max())) if numbers.size else (0, 0)
    if least < 0 or most >= MAX_CLASSES:
        raise DatasetError(
            f"{where}: labels go from {least} to {most}; expected 0 to at most {MAX_CLASSES - 1}; "
            "number the classes from 0"
        )
    return numbers.astype(np.uint8 if most < 256 else np.uint16), names


def _require_words(where: object, names: tuple[str, ...]) -> None:
    """In the order of text 10 is before 2, and one typing error would renumber all classes."""
    for name in names:
        try:
            float(name)
        except ValueError:
            continue
        raise DatasetError(
            f"{where}: label {name!r} is a number among class names; expected only integers or "
            "only names; correct the labels, or list the names in classes.txt"
        )
