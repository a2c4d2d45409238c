"""Predictions that any pipeline wrote to a .npy file, as the labels of one round.

Everything is checked here, before anything is kept or sent. Knows files and arrays, no chain.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from services.errors import LabelsError
from services.samples import UNREADABLE_ARRAY, IndexArray
from services.task import Task
from services.wire import Labels, abstain

Array = npt.NDArray[Any]

NO_LABEL = -1  # how files say ABSTAIN
HOW_TO_SAVE = "save class codes [n] or probabilities [n, C] with numpy.save"


def read_array(path: Path) -> Array:
    """The array in a .npy file; nothing in it is executed.

    Raises:
        LabelsError: there is no such file, or it holds anything but one array of numbers.
    """
    try:
        with path.open("rb") as file:
            content = np.load(file, allow_pickle=False)
    except OSError as error:
        raise LabelsError(
            f"cannot read {path} ({error.strerror or error}); name a .npy file of predictions"
        ) from error
    except UNREADABLE_ARRAY as error:
        raise LabelsError(
            f"{path} is no .npy file of plain numbers ({str(error) or 'it is empty'}); pickled "
            f"objects are never loaded: {HOW_TO_SAVE}"
        ) from error
    if not isinstance(content, np.ndarray):
        content.close()
        raise LabelsError(f"{path} is an archive of arrays; {HOW_TO_SAVE}")
    if content.dtype.kind not in "biuf":
        raise LabelsError(f"{path} holds {content.dtype}, expected numbers; {HOW_TO_SAVE}")
    return content


def round_labels(
    array: Array,
    task: Task,
    round_number: int,
    public_samples: int | None,
    window: Callable[[int], IndexArray],
) -> Labels:
    """The round's labels uint16 [m]: classes, or ABSTAIN.

    Args:
        array: class codes [n], where -1 or NaN abstains, or probabilities [n, C], whose largest
            is the label, the lowest class of equal ones; a row of -1 or NaN abstains.
        task: whose samples and classes these are.
        round_number: the round.
        public_samples: |X^pub|, if the n rows are for the whole public set and not for the round.
        window: which samples of a public set of so many the round's are, int64 [m].

    Raises:
        LabelsError: another number of rows than samples, or rows that are no predictions.
    """
    classes = task.classes
    is_probabilities = array.ndim == 2 and array.shape[1] == classes
    if not is_probabilities and array.ndim != 1:
        raise LabelsError(
            f"the predictions have shape {list(array.shape)}; expected class codes [n] or "
            f"probabilities [n, {classes}], a row per sample: reshape or transpose them"
        )
    n_rows = len(array)
    is_whole = n_rows == public_samples and n_rows >= task.samples_per_round
    if not is_whole and n_rows != task.samples_per_round:
        raise _wrong_length(n_rows, task, round_number, public_samples)
    codes = _most_probable(array) if is_probabilities else _codes(array, classes)
    labels = codes[window(n_rows)] if is_whole else codes
    return np.where(labels == NO_LABEL, abstain(classes), labels).astype(np.uint16)


def _wrong_length(n: int, task: Task, round_number: int, public_samples: int | None) -> LabelsError:
    """Why so many rows are neither the round's nor the whole set's."""
    m = task.samples_per_round
    if public_samples is None:
        return LabelsError(
            f"{n} rows, but a round labels {m} samples; predict the {m} samples of round "
            f"{round_number}, or, if these are all {n} samples of the public set in its order, say "
            f"so: --public-samples {n}"
        )
    return LabelsError(
        f"{n} rows; expected {m}, the samples of round {round_number}, or {public_samples}, all "
        "samples of the public set; predict every one of them, in the set's order, or correct "
        "--public-samples (FEDSERUM_PUBLIC_SAMPLES)"
    )


def _codes(array: Array, classes: int) -> npt.NDArray[np.int64]:
    """Class codes [n], NO_LABEL where there is none."""
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    is_missing = np.isnan(array) if array.dtype.kind == "f" else np.zeros(len(array), bool)
    is_missing |= array == NO_LABEL
    is_class = (array >= 0) & (array < classes)
    if array.dtype.kind == "f":
        is_class &= np.floor(array) == array
    wrong = ~(is_class | is_missing)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise LabelsError(
            f"row {row} is {array[row]}, which is no class; expected whole numbers 0 to "
            f"{classes - 1}, -1 or NaN to abstain, or probabilities [n, {classes}]"
        )
    codes = np.full(len(array), NO_LABEL, np.int64)
    codes[is_class] = array[is_class]
    return codes


def _most_probable(array: Array) -> npt.NDArray[np.int64]:
    """The most probable class of each row, NO_LABEL where the row is all -1 or all NaN."""
    is_missing = (array == NO_LABEL).all(1)
    if array.dtype.kind == "f":
        is_nan = np.isnan(array)
        is_missing |= is_nan.all(1)
        torn = is_nan.any(1) & ~is_missing
        if torn.any():
            raise LabelsError(
                f"row {int(np.argmax(torn))} has NaN for some classes and numbers for others; "
                "give all its probabilities, or NaN for every class to abstain"
            )
    return np.where(is_missing, NO_LABEL, array.argmax(1)).astype(np.int64)


def as_codes(labels: Labels, classes: int) -> npt.NDArray[np.int16]:
    """Labels as files give them: classes, and -1 for ABSTAIN."""
    return np.where(labels == abstain(classes), NO_LABEL, labels.astype(np.int16)).astype(np.int16)


def write_array(path: Path, array: Array) -> None:
    """Write a .npy file, whole or not at all.

    Raises:
        LabelsError: it cannot be written.
    """
    temporary = path.with_name(path.name + ".new")
    try:
        with temporary.open("wb") as file:
            np.save(file, array, allow_pickle=False)
        temporary.replace(path)
    except OSError as error:
        raise LabelsError(
            f"cannot write {path} ({error.strerror}); name a file in a folder that is there"
        ) from error
