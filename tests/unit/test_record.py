"""The record of an experiment: which commit made it."""

import json
import subprocess
from pathlib import Path

import pytest

from experiments.record import Record


def _git(*arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=n", "-c", "user.email=e", *arguments],
        check=True,
        capture_output=True,
    )


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of a repository that is the current directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "code"
    path.write_text("as committed")
    _git("init", "-q")
    _git("add", "code")
    _git("commit", "-qm", "A file")
    return path


@pytest.mark.parametrize("changed", ["before", "after"])
def test_a_record_names_the_commit_that_it_began_with(code: Path, changed: str) -> None:
    """With + if a file differed by then; plots that it writes over are no such change."""
    if changed == "before":
        code.write_text("changed")
    record = Record("test", [0], code.parent / "results")
    code.write_text("changed")
    commit = json.loads(record.write({}).read_text())["commit"]
    assert len(commit.rstrip("+")) == 12
    assert commit.endswith("+") == (changed == "before")
