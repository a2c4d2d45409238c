"""`make figures FAST=1`: every figure, small, as a user runs it."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, with results below a folder; settings of a worker around it change nothing."""
    command = [sys.executable, "-m", "experiments", "figures", "--fast", *arguments]
    command += ["--cache", str(folder / "cache"), "--results", str(folder / "results")]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "FEDSERUM_MODEL": "no such model"},
        capture_output=True,
        text=True,
    )


def record(folder: Path, name: str) -> tuple[Path, dict[str, Any]]:
    """The folder of the one record of that name, and what it says."""
    [path] = (folder / "results").glob(f"????-??-??-{name}/record.json")
    return path.parent, json.loads(path.read_text())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole run."""
    folder = tmp_path_factory.mktemp("figures")
    done = run(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_figure_has_numbers_claims_and_small_plots(made: Path) -> None:
    """Six figures in one record, whatever they show at this size."""
    folder, content = record(made, "figures-fast")
    figures = content["numbers"]["figures"]
    assert list(figures) == ["3", "4", "5", "6", "7", "8"]
    for figure in figures.values():
        assert figure["claims"]
        assert figure["plots"]
        for plot in figure["plots"]:
            assert 5_000 < (folder / plot).stat().st_size < 100_000, plot
    assert content["seeds"] == [0]
    assert content["command"][:4] == ["python", "-m", "experiments", "figures"]
    # Even so small, ten workers of whom each sees a third of the classes are worse than alike ones.
    alike, _, skewed = figures["4"]["numbers"]["by_private"]
    assert alike["before"]["mean"][-1] > skewed["before"]["mean"][-1] + 0.1


def test_what_is_there_is_not_made_again(made: Path) -> None:
    """Two of the figures once more: nothing is made, and the numbers are the same."""
    _, before = record(made, "figures-fast")
    done = run(made, "--only", "5,7", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    _, after = record(made, "figures-fast-only-5-7")
    assert after["numbers"]["run"]["made"] == 0
    for number in ("5", "7"):
        assert after["numbers"]["figures"][number] == before["numbers"]["figures"][number]


def test_a_page_can_be_made_of_it(made: Path) -> None:
    """Every claim and every plot is on it."""
    folder, content = record(made, "figures-fast")
    page = runpy.run_path(str(ROOT / "docs" / "reproduction_page.py"))["page_of"]([folder])
    for figure in content["numbers"]["figures"].values():
        for claim in figure["claims"]:
            assert claim["found"].replace("|", r"\|") in page
        for plot in figure["plots"]:
            assert f"../results/{folder.name}/{plot}" in page


def test_a_set_that_is_too_small_is_refused_in_one_line(tmp_path: Path) -> None:
    """No traceback of a process: what, expected, found."""
    done = run(tmp_path, "--private", str(tmp_path / "nowhere"), "--only", "3", "--jobs", "1")
    assert done.returncode == 1
    assert "nowhere: no such folder or file" in done.stderr
    assert "Traceback" not in done.stderr
