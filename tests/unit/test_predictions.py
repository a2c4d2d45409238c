"""Predictions from a .npy file become a round's labels, or are refused with what to do about it."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hand.predictions import as_codes, read_array, round_labels, write_array
from services.datasets import round_window
from services.errors import LabelsError
from services.task import Task
from services.wire import abstain

M, C = 300, 10
TASK = Task(
    members_root="0x" + "00" * 32,
    dataset_hash="0x" + "00" * 32,
    samples_per_round=M,
    chunk_samples=256,
    classes=C,
    max_workers=4,
)
CODES = np.arange(M) % C


def labels(array: Any, round_number: int = 1, public_samples: int | None = None) -> list[int]:
    """The round's labels as a list."""
    window = partial(round_window, round_number, TASK.samples_per_round)
    found = round_labels(np.asarray(array), TASK, round_number, public_samples, window)
    assert found.dtype == np.uint16
    return found.tolist()


def refusal(array: Any, public_samples: int | None = None) -> str:
    """Why an array is refused."""
    with pytest.raises(LabelsError) as caught:
        labels(array, public_samples=public_samples)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "<i8", ">i4", "u8", "f2", "f4", "f8"])
def test_codes_may_come_as_any_kind_of_number(kind: str) -> None:
    """What matters is that they are whole."""
    assert labels(CODES.astype(kind)) == CODES.tolist()


def test_the_most_probable_class_is_the_label_and_the_lowest_of_equals() -> None:
    """Also of logits, whose scale does not matter."""
    scores = np.random.default_rng(0).normal(size=(M, C))
    scores[0] = [0, 3, 1, 3, 0, 0, 0, 0, 0, 3]
    scores[1] = 0
    expected = scores.argmax(1).tolist()
    assert expected[:2] == [1, 0]
    assert labels(scores) == expected
    assert labels(np.exp(scores) / np.exp(scores).sum(1, keepdims=True)) == expected


def test_minus_one_or_nan_abstains() -> None:
    """As a code, and as a row of probabilities."""
    codes = CODES.astype(float)
    codes[3], codes[5] = np.nan, -1
    rows = np.eye(C)[CODES]
    rows[3], rows[5] = np.nan, -1
    expected = CODES.copy()
    expected[[3, 5]] = abstain(C)
    assert labels(codes) == labels(rows) == expected.tolist()
    assert labels(np.full(M, -1)) == [abstain(C)] * M


def test_of_the_whole_public_set_a_round_takes_its_window() -> None:
    """Round by round, from the start again where the set ends; only if it is said to be whole."""
    whole = np.arange(700) % C
    assert labels(whole, 2, public_samples=700) == whole[M : 2 * M].tolist()
    assert labels(whole, 3, public_samples=700) == [*whole[600:], *whole[:200]]
    assert labels(np.eye(C)[whole], 2, 700) == whole[M : 2 * M].tolist()
    assert labels(CODES, 3, public_samples=700) == CODES.tolist()
    assert "--public-samples 700" in refusal(whole)


def test_rows_that_fit_neither_round_nor_set_are_refused() -> None:
    """The numbers that would fit are named."""
    assert "299 rows, but a round labels 300 samples" in refusal(CODES[:-1])
    message = refusal(np.zeros(699, int), public_samples=700)
    assert "699 rows; expected 300" in message
    assert "or 700" in message


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ((7, 10), "row 7 is 10, which is no class; expected whole numbers 0 to 9"),
        ((7, -2), "row 7 is -2"),
        ((7, abstain(C)), "row 7 is 15"),
        ((7, 2.5), "row 7 is 2.5"),
        ((7, np.inf), "row 7 is inf"),
    ],
)
def test_what_is_no_class_is_refused(change: tuple[int, float], expected: str) -> None:
    """The code of ABSTAIN on the wire is none either."""
    codes = CODES.astype(np.array(change[1]).dtype)
    codes[change[0]] = change[1]
    assert expected in refusal(codes)


def test_other_shapes_and_torn_rows_are_refused() -> None:
    """A transposed array, too few classes, a row that is half NaN."""
    rows = np.eye(C)[CODES]
    assert "shape [10, 300]" in refusal(rows.T)
    assert "shape [300, 9]" in refusal(rows[:, :9])
    assert "shape [300, 1]" in refusal(CODES[:, None])
    assert "shape []" in refusal(3)
    rows[4, 2] = np.nan
    assert "row 4 has NaN for some classes" in refusal(rows)


class Trap:
    """Leaves a trace where it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        """What pickle would call."""
        return os.mkdir, ("trapped",)


def test_a_pickle_is_refused_and_not_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether inside a .npy file or by itself."""
    monkeypatch.chdir(tmp_path)
    trap = np.array([Trap()], dtype=object)
    np.save("trap.npy", trap, allow_pickle=True)
    Path("bare.npy").write_bytes(trap.dumps())
    for name in ("trap.npy", "bare.npy"):
        with pytest.raises(LabelsError, match="pickled objects are never loaded"):
            read_array(Path(name))
    assert not Path("trapped").exists()


def test_files_that_are_no_array_of_numbers_are_refused(tmp_path: Path) -> None:
    """Each message names the file and what to do."""
    np.savez(tmp_path / "many.npz", CODES)
    np.save(tmp_path / "text.npy", np.array(["cat", "dog"]))
    np.save(tmp_path / "good.npy", CODES)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "good.npy").read_bytes()[:-9])
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "table.csv").write_text("1,2,3\n")
    cases = {
        "missing.npy": "cannot read .*missing.npy .No such file",
        "many.npz": "is an archive of arrays; save",
        "text.npy": "holds <U3, expected numbers; save",
        "cut.npy": "cut.npy is no .npy file",
        "empty.npy": "empty.npy is no .npy file",
        "table.csv": "table.csv is no .npy file",
    }
    for name, message in cases.items():
        with pytest.raises(LabelsError, match=message):
            read_array(tmp_path / name)
    assert read_array(tmp_path / "good.npy").tolist() == CODES.tolist()


def test_global_labels_are_written_as_they_may_be_read(tmp_path: Path) -> None:
    """int16 codes, -1 for ABSTAIN, so that a file of them could be committed again."""
    given = np.array([0, 9, abstain(C)], np.uint16)
    file = tmp_path / "global"
    write_array(file, as_codes(given, C))
    read = read_array(file)
    assert (read.dtype, read.tolist()) == (np.int16, [0, 9, -1])
    assert [path.name for path in tmp_path.iterdir()] == ["global"]
    with pytest.raises(LabelsError, match="name a file in a folder that is there"):
        write_array(tmp_path / "nowhere" / "global.npy", read)
