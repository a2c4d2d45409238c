"""The task that `fedserum prepare` writes: what settings say, once."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from demo.prepare import prepare, task_file
from services.errors import SettingsError
from services.settings import DemoSettings, read_settings
from services.task import WAD


def settings(home: Path, **changes: object) -> DemoSettings:
    """Those of a small federation on MNIST."""
    given = {"home": home, "workers": 4, "samples": 500, "private_samples": 400, "rounds": 2}
    return read_settings(DemoSettings, **(given | changes))


def test_decay_and_agreement_are_in_the_task(tmp_path: Path) -> None:
    """To the last digit: no float is on the way."""
    prepare(settings(tmp_path, reward_decay="0.8", stop_agreement="0.95"))
    task = json.loads(task_file(tmp_path).read_text())["task"]
    assert task["reward_decay_wad"] == 8 * WAD // 10
    assert task["stop_agreement_wad"] == 95 * WAD // 100


def test_by_default_nothing_decays_or_stops_early(tmp_path: Path) -> None:
    """As the task's own defaults have it."""
    prepare(settings(tmp_path))
    task = json.loads(task_file(tmp_path).read_text())["task"]
    assert (task["reward_decay_wad"], task["stop_agreement_wad"]) == (WAD, 0)


def test_a_prepared_folder_refuses_another_task(tmp_path: Path) -> None:
    """With what it was prepared for, and what the settings say now."""
    prepare(settings(tmp_path))
    prepare(settings(tmp_path))
    for change in ({"rounds": 3}, {"reward_decay": Decimal("0.5")}, {"workers": 5}):
        with pytest.raises(SettingsError, match=r"was prepared for \{.*\}, but the settings say"):
            prepare(settings(tmp_path, **change))


@pytest.mark.parametrize(
    "change", [{"reward_decay": "0"}, {"reward_decay": "1.1"}, {"stop_agreement": "95"}]
)
def test_shares_beyond_one_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    """A percentage is not a share, and a decay of nothing would end all rewards."""
    with pytest.raises(SettingsError, match=f"FEDSERUM_{next(iter(change)).upper()}"):
        settings(tmp_path, **change)
