"""What the deploy tool warns of before it deploys."""

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.deployment import read_task
from services.task import WAD

MEMBERS = [f"0x{number:040x}" for number in range(1, 5)]
TASK: dict[str, Any] = {
    "dataset_hash": "0x" + "11" * 32,
    "samples_per_round": 600,
    "chunk_samples": 256,
    "classes": 10,
    "max_workers": 4,
}


def _warnings(folder: Path, capsys: pytest.CaptureFixture[str], **fields: Any) -> str:
    path = folder / "task.json"
    path.write_text(json.dumps({"task": TASK | fields, "members": MEMBERS}))
    read_task(path)
    return "".join(capsys.readouterr())


def test_a_task_by_the_defaults_is_not_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two leagues and β = 1."""
    assert _warnings(tmp_path, capsys) == ""


def test_one_pool_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lying pays there where classes are imbalanced."""
    said = _warnings(tmp_path, capsys, peering=0, min_workers=3)
    assert "peers_share_a_pool" in said
    assert "guessing_is_paid" not in said


@pytest.mark.parametrize("penalty_wad", [0, WAD - 1])
def test_a_penalty_below_one_is_warned_of(
    penalty_wad: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Labels by chance have a score above 0 then."""
    said = _warnings(tmp_path, capsys, penalty_wad=penalty_wad)
    assert "guessing_is_paid" in said
    assert "peers_share_a_pool" not in said
