"""Tables as data sets: CSV, Parquet and npz, with what is wrong in each."""

import csv
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from services.datasets import load, sha256
from services.errors import DatasetError

FEATURES = np.random.default_rng(0).normal(size=(40, 3))
NUMBERS = np.arange(40) % 4
NAMES = np.array(["oak", "ash", "elm", "yew"])[NUMBERS]
COLUMNS = ("height", "girth", "age")


def write(path: Path, labels: np.ndarray | None) -> Path:
    """The same samples in the format that the name says, the label between the features."""
    if path.suffix == ".npz":
        arrays = {"features": FEATURES} | ({} if labels is None else {"labels": labels})
        np.savez(path, **arrays)  # type: ignore[arg-type]
        return path
    table = dict(zip(COLUMNS, FEATURES.T, strict=True))
    if labels is not None:
        table = {"height": table.pop("height"), "label": labels, **table}
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pa.table(table), path)
    else:
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(table)
            writer.writerows(zip(*(column.tolist() for column in table.values()), strict=True))
    return path


@pytest.fixture(params=[".npz", ".csv", ".parquet"])
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A file that is not there yet, of every kind of table."""
    return tmp_path / f"trees{request.param}"


def test_numbered_samples_are_read(path: Path) -> None:
    """Features become 32-bit floats, class numbers stay as they are."""
    loaded = load(str(write(path, NUMBERS)))
    assert loaded.samples.dtype == np.float32
    np.testing.assert_array_equal(loaded.samples, FEATURES.astype(np.float32))
    np.testing.assert_array_equal(loaded.labels, NUMBERS)
    assert loaded.columns == (None if path.suffix == ".npz" else COLUMNS)


def test_class_names_are_numbered_by_their_order(path: Path) -> None:
    """Without a list of classes the sorted names give the numbers."""
    loaded = load(str(write(path, NAMES)))
    assert loaded.labels is not None
    assert loaded.class_names == ("ash", "elm", "oak", "yew")
    assert [loaded.class_names[label] for label in loaded.labels] == NAMES.tolist()


def test_a_list_of_classes_numbers_those_that_are_missing_too(path: Path) -> None:
    """Whoever has seen few classes numbers them as everybody does."""
    (path.parent / "classes.txt").write_text("yew\noak\nfir\nelm\nash\n")
    loaded = load(str(write(path, NAMES)))
    assert loaded.labels is not None
    assert np.unique(loaded.labels).tolist() == [0, 1, 3, 4]
    assert loaded.class_names == ("yew", "oak", "fir", "elm", "ash")
    (path.parent / "classes.txt").write_text("yew\noak\n")
    with pytest.raises(DatasetError, match="class 'ash' is none of the 2 known ones"):
        load(str(path))
    (path.parent / "classes.txt").write_text("yew\nyew\n")
    with pytest.raises(DatasetError, match="found 2 lines, 1 names"):
        load(str(path))


def test_a_table_without_labels_is_an_unlabelled_set(path: Path) -> None:
    """As a public set is."""
    assert load(str(write(path, None))).labels is None


def test_all_tables_of_the_same_samples_have_the_same_hash(tmp_path: Path) -> None:
    """The format in which somebody keeps the public set does not matter."""
    paths = [write(tmp_path / f"trees{suffix}", None) for suffix in (".npz", ".csv", ".parquet")]
    assert len({sha256(load(str(path)).samples) for path in paths}) == 1


def test_images_are_read_from_npz(tmp_path: Path) -> None:
    """Grey or in colour, as bytes."""
    for shape in ((5, 4, 3), (5, 4, 3, 3)):
        images = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
        np.savez_compressed(tmp_path / "a.npz", images=images, labels=np.arange(5))
        loaded = load(str(tmp_path / "a.npz"))
        np.testing.assert_array_equal(loaded.samples, images)
        np.testing.assert_array_equal(loaded.labels, np.arange(5))


def test_a_folder_may_have_a_table_for_each_part(tmp_path: Path) -> None:
    """`train.csv`, and `test.csv` or `t10k.csv` beside it."""
    write(tmp_path / "train.csv", NUMBERS)
    with pytest.raises(DatasetError, match=r"has train\.csv, but no t10k or test beside it"):
        load(str(tmp_path), "t10k")
    write(tmp_path / "test.csv", NUMBERS[::-1])
    np.testing.assert_array_equal(load(str(tmp_path)).labels, NUMBERS)
    np.testing.assert_array_equal(load(str(tmp_path), "t10k").labels, NUMBERS[::-1])


def test_a_test_table_without_some_class_is_numbered_as_the_train_table(path: Path) -> None:
    """Both parts in one folder mean the same by a class."""
    train, test = path.with_name(f"train{path.suffix}"), path.with_name(f"test{path.suffix}")
    write(train, NAMES)
    write(test, np.where(NAMES == "ash", "yew", NAMES))
    labels = load(str(path.parent), "t10k").labels
    assert labels is not None
    assert np.unique(labels).tolist() == [1, 2, 3]


def test_columns_may_have_numbers_for_names(tmp_path: Path) -> None:
    """As pandas writes a table whose columns nobody named; with labels, or without."""
    (tmp_path / "a.csv").write_text("0,1,label\n5,6,0\n")
    (tmp_path / "b.csv").write_text("0,1\n5,6\n")
    for name in ("a.csv", "b.csv"):
        loaded = load(str(tmp_path / name))
        assert (loaded.columns, loaded.samples.tolist()) == (("0", "1"), [[5, 6]])


def test_known_names_may_be_digits(tmp_path: Path) -> None:
    """A list of classes says what a label is, even if it looks like a number."""
    (tmp_path / "classes.txt").write_text("A\n7\n1\n")
    (tmp_path / "a.csv").write_text("u,label\n5,7\n6,1\n")
    labels = load(str(tmp_path / "a.csv")).labels
    assert labels is not None
    assert labels.tolist() == [1, 2]


def test_classes_of_a_dictionary_type_are_read(tmp_path: Path) -> None:
    """As pandas writes a categorical column."""
    labels = pa.array(["b", "a", "b"]).dictionary_encode()
    pyarrow.parquet.write_table(pa.table({"u": [1, 2, 3], "label": labels}), tmp_path / "a.parquet")
    loaded = load(str(tmp_path / "a.parquet"))
    assert loaded.labels is not None
    assert (loaded.labels.tolist(), loaded.class_names) == ([1, 0, 1], ("a", "b"))


def cut(content: bytes) -> bytes:
    """All but the end: less than the last row of text."""
    return content[:-30]


def nothing(_content: bytes) -> bytes:
    """An empty file."""
    return b""


def noise(_content: bytes) -> bytes:
    """Bytes that are no text and no archive."""
    return bytes(range(255, 0, -1)) * 10


@pytest.mark.parametrize("damage", [cut, nothing, noise])
def test_a_damaged_table_is_refused(path: Path, damage: Callable[[bytes], bytes]) -> None:
    """With the path and what to do, whichever the format."""
    write(path, NUMBERS)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DatasetError, match=rf"trees\{path.suffix}: "):
        load(str(path))


def test_a_missing_table_is_named(path: Path) -> None:
    """A typo in a path."""
    with pytest.raises(DatasetError, match=r"trees.*: no such file"):
        load(str(path))


def test_an_unknown_kind_of_file_lists_what_is_known(tmp_path: Path) -> None:
    """A spreadsheet is none of them."""
    (tmp_path / "trees.xlsx").touch()
    with pytest.raises(DatasetError, match=r"unknown kind of file; expected \.npz, \.csv"):
        load(str(tmp_path / "trees.xlsx"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,label\n1,2\n", "line 2 has 2 values, expected 3"),
        ("a,b,label\n1,2,0,9\n", "line 2 has 4 values, expected 3"),
        ("a,b\n1,red\n", "column b of line 2 is 'red'; expected a number"),
        ("a,b\n1,\n", "column b of line 2 is ''; expected a number"),
        ("a,b\n1,nan\n", "feature 1 of sample 0 is nan; expected finite"),
        ("a,label\n1,0\n2,\n", "row 2 has no label"),
        ("a,label\n1,0.5\n2,1.5\n,", "column a of line 4 is ''"),
        ("a,a\n1,2\n", "must name the columns, each once"),
        ("1,2\n3,4\n", "must name the columns, .* found none"),
        ("", "must name the columns, .* found none"),
        ("a,label\n1,1.0\n2,0.0\n", "label '0.0' is a number among class names"),
        ("a,label\n1,1\n2,l\n", "label '1' is a number among class names"),
        ("a,b\n", r"holds no samples \(shape \[0, 2\]\)"),
        ("label\n1\n", "no feature columns"),
        ("a,label\n1,-1\n", "labels go from -1 to -1"),
    ],
)
def test_a_table_with_gaps_or_words_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """With line and column, where there is one."""
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DatasetError, match=message):
        load(str(tmp_path / "a.csv"))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"a": [1.0, None]}, "column a lacks 1 values"),
        ({"a": ["red", "blue"]}, "column a holds string; expected numbers"),
        ({"a": [1.0, 2.0], "label": [0, None]}, "column label lacks 1 values"),
        ({"a": [1.0, 2.0], "label": [0.5, 1.0]}, "integers or class names, found float64"),
        ({"label": [0, 1]}, "no feature columns"),
    ],
)
def test_a_parquet_table_with_gaps_or_words_is_refused(
    tmp_path: Path, table: dict[str, list[object]], message: str
) -> None:
    """As for CSV, by column."""
    pyarrow.parquet.write_table(pa.table(table), tmp_path / "a.parquet")
    with pytest.raises(DatasetError, match=message):
        load(str(tmp_path / "a.parquet"))


def test_integers_and_truth_values_are_features_too(tmp_path: Path) -> None:
    """Whatever type a Parquet column has, if it is a number."""
    table = pa.table({"a": [1, 2], "b": [True, False], "label": ["x", "y"]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert load(str(tmp_path / "a.parquet")).samples.tolist() == [[1, 1], [2, 0]]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": np.zeros((2, 3))}, "expected an array images or features, .* found pictures"),
        ({"images": np.zeros((2, 3))}, r"images have shape \[2, 3\]"),
        ({"features": np.zeros((2, 3, 3), np.uint8)}, r"features have shape \[2, 3, 3\]"),
        ({"images": np.zeros((2, 3, 3))}, "expected images of bytes"),
        ({"features": np.zeros((2, 3)), "images": np.zeros((2, 3, 3))}, "found features, images"),
        ({"features": np.zeros((2, 3)), "labels": np.zeros(3, int)}, "2 samples but labels of"),
        ({"features": np.zeros((2, 3)), "labels": np.zeros(2)}, "integers or class names"),
    ],
)
def test_an_archive_of_other_arrays_is_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    """Arrays of other names, shapes, types or lengths."""
    np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match=message):
        load(str(tmp_path / "a.npz"))


def test_an_archive_of_objects_is_refused(tmp_path: Path) -> None:
    """Reading pickled objects would run their code."""
    for name in ("features", "labels"):
        arrays = {"features": np.zeros((2, 3)), name: np.array([[1, "a"], [2, "b"]], object)}
        np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]
        with pytest.raises(DatasetError, match=r"cannot be read .*pickle"):
            load(str(tmp_path / "a.npz"))


def test_what_is_called_npz_but_is_not_is_refused(tmp_path: Path) -> None:
    """A single array, and an archive with something else in it."""
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, np.zeros((2, 3)))
    with pytest.raises(DatasetError, match="it is a single array"):
        load(str(tmp_path / "a.npz"))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("features.npy", b"not an array")
    with pytest.raises(DatasetError, match=r"a\.npz: cannot be read"):
        load(str(tmp_path / "a.npz"))
