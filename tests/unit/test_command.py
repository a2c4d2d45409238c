"""What every experiment's command does around the experiment."""

import os

import pytest

from experiments.command import run
from services.errors import DatasetError
from services.settings import WorkerSettings, read_settings


def test_no_environment_changes_an_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor what is kept of it."""
    monkeypatch.setattr(os, "environ", os.environ | {"FEDSERUM_EPOCHS": "3"})
    assert read_settings(WorkerSettings).epochs == 3
    found: list[int | None] = []
    assert run(lambda: found.append(read_settings(WorkerSettings).epochs)) == 0
    assert found == [None]


def test_an_error_is_told_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """And is the exit code."""

    def fail() -> None:
        raise DatasetError("no such folder; name another")

    assert run(fail) == 1
    assert capsys.readouterr().err == "error: no such folder; name another\n"
