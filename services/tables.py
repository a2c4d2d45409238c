"""Tables as data sets: CSV and Parquet with a row per sample, and numpy's ``.npz``.

Every column of a table but ``label`` is a feature. Parquet needs pyarrow, which is optional.
"""

import csv
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from services.errors import DatasetError
from services.samples import UNREADABLE_ARRAY, Dataset, make_dataset

LABEL = "label"
CLASSES_FILE = "classes.txt"  # beside the data: class names by number, one a line
SUFFIXES = (".npz", ".csv", ".parquet")

Array = npt.NDArray[Any]


def load_table(path: Path, class_names: tuple[str, ...] | None = None) -> Dataset:
    """Read one ``.npz``, ``.csv`` or ``.parquet`` file.

    Args:
        path: of the file.
        class_names: the classes by number, where the caller knows them; None: as ``classes.txt``
            beside the file says, or sorted.

    Raises:
        DatasetError: the file is missing or malformed, or its reader is not installed.
    """
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; check the path")
    names = class_names or read_class_names(path.parent)
    if path.suffix == ".npz":
        return make_dataset(path, *_read_npz(path), known_names=names)
    if path.suffix == ".csv":
        columns, features, texts = _read_csv(path)
        labels = None if texts is None else _labels_of_text(path, texts, names)
    else:
        columns, features, labels = _read_parquet(path)
    if not columns:
        raise DatasetError(f"{path}: no feature columns; expected numbers beside the {LABEL}")
    return make_dataset(path, features, labels, tuple(columns), names)


def read_class_names(folder: Path) -> tuple[str, ...] | None:
    """The class names by number that ``classes.txt`` lists, if the folder has one.

    Whoever has samples of some classes only needs it, or it would number them differently.

    Raises:
        DatasetError: the file cannot be read, is empty or names a class twice.
    """
    path = folder / CLASSES_FILE
    if not path.is_file():
        return None
    try:
        names = tuple(path.read_text(encoding="utf-8").split("\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}); write it as UTF-8 text") from error
    names = tuple(name for name in map(str.strip, names) if name)
    if not names or len(set(names)) < len(names):
        raise DatasetError(
            f"{path}: expected class names, one a line, each once; found {len(names)} lines, "
            f"{len(set(names))} names; correct it"
        )
    return names


def _read_npz(path: Path) -> tuple[Array, Array | None]:
    """Samples, and labels if there are any."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise ValueError("it is a single array")
        with loaded as archive:
            found = sorted(archive.files)
            kinds = [kind for kind in ("images", "features") if kind in found]
            if len(kinds) != 1:
                raise DatasetError(
                    f"{path}: expected an array images or features, and labels if there are any; "
                    f"found {', '.join(found) or 'nothing'}; rename the arrays"
                )
            samples = archive[kinds[0]]
            labels = archive["labels"] if "labels" in found else None
            if isinstance(samples, bytes) or isinstance(labels, bytes):
                raise ValueError("it holds something else than arrays")
    except UNREADABLE_ARRAY as error:
        raise DatasetError(
            f"{path}: cannot be read ({error}); write it again by numpy.savez, with plain arrays "
            "of numbers"
        ) from error
    if (kinds[0] == "features") != (samples.ndim == 2):
        raise DatasetError(
            f"{path}: {kinds[0]} have shape {list(samples.shape)}; expected images [n, h, w] or "
            "[n, h, w, c], or features [n, f]; name or reshape the array"
        )
    return samples, labels


def _read_csv(path: Path) -> tuple[list[str], Array, list[str] | None]:
    """Names of the features, features [n, f], and labels [n] as they are written, if any."""
    features, labels = array("d"), []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            names = [name.strip() for name in next(reader, [])]
            if all(map(_is_number, names)) and names != [str(n) for n in range(len(names))]:
                names = []  # samples, not names
            _check_header(path, names)
            position = names.index(LABEL) if LABEL in names else None
            if position is not None:
                names.pop(position)
            for row in filter(None, reader):
                _check_length(path, reader.line_num, row, names, position)
                if position is not None:
                    labels.append(row.pop(position).strip())
                try:
                    features.extend(map(float, row))
                except ValueError:
                    raise _not_a_number(path, reader.line_num, names, row) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read ({error}); write it as UTF-8 CSV") from error
    numbers = np.frombuffer(features, np.float64).reshape(-1, max(1, len(names)))
    return names, numbers, labels or None


def _check_length(
    path: Path, line: int, row: list[str], names: list[str], position: int | None
) -> None:
    n_expected = len(names) + (position is not None)
    if len(row) != n_expected:
        raise DatasetError(
            f"{path}: line {line} has {len(row)} values, expected {n_expected} as in the first "
            "line; the file is truncated or damaged"
        )


def _not_a_number(path: Path, line: int, names: list[str], row: list[str]) -> DatasetError:
    name, value = next(
        (name, value) for name, value in zip(names, row, strict=True) if not _is_number(value)
    )
    return DatasetError(
        f"{path}: column {name} of line {line} is {value!r}; expected a number; encode it, fill it "
        f"in or leave the column out (the classes are called {LABEL!r})"
    )


def _check_header(path: Path, header: list[str]) -> None:
    if not header or "" in header or len(set(header)) < len(header):
        raise DatasetError(
            f"{path}: the first line must name the columns, each once, the classes {LABEL!r}; "
            f"found {', '.join(header[:5]) or 'none'}; add or correct it"
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _labels_of_text(path: Path, values: list[str], known: tuple[str, ...] | None) -> Array:
    """Class names if they are known; integers if all of them are; else class names."""
    if "" in values:
        raise DatasetError(
            f"{path}: row {values.index('') + 1} has no {LABEL}; label every sample, or leave the "
            "column out"
        )
    if set(values) <= set(known or ()):
        return np.array(values)
    try:
        return np.array([int(value) for value in values])
    except ValueError:
        return np.array(values)


def _read_parquet(path: Path) -> tuple[list[str], Array, Array | None]:
    """Names of the features, features [n, f], and labels [n] if there are any."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise DatasetError(
            f"{path}: pyarrow is not installed; run `pip install 'fedserum[data]'`, or write the "
            "table as CSV"
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            table = file.read()
    except (ArrowException, OSError) as error:
        raise DatasetError(
            f"{path}: cannot be read as Parquet ({error}); write it again"
        ) from error
    _check_header(path, table.column_names)
    names = [name for name in table.column_names if name != LABEL]
    columns = [_column(path, table, name) for name in names]
    for name, column in zip(names, columns, strict=True):
        if column.dtype.kind not in "buif":
            raise DatasetError(
                f"{path}: column {name} holds {table.column(name).type}; expected numbers; encode "
                f"it or leave it out (the classes are called {LABEL!r})"
            )
    labels = _column(path, table, LABEL) if LABEL in table.column_names else None
    if labels is not None and labels.dtype == object:
        labels = labels.astype(str)
    features = np.stack(columns, axis=1).astype(np.float64) if columns else np.empty((0, 0))
    return names, features, labels


def _column(path: Path, table: Any, name: str) -> Array:
    """One column of a pyarrow table, without gaps."""
    column = table.column(name)
    if column.null_count:
        raise DatasetError(
            f"{path}: column {name} lacks {column.null_count} values; fill them in, or leave the "
            "rows or the column out"
        )
    values: Array = column.to_numpy()
    return values
