"""The record of an experiment: `results/<date>-<name>/` with how it was made, numbers and plots."""

import json
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

RESULTS = Path("results")


class Record:
    """One experiment's folder, made anew on the day that it is run.

    Attributes:
        folder: where plots go.
    """

    def __init__(self, name: str, seeds: list[int], results: Path = RESULTS) -> None:
        self.folder = results / f"{datetime.now(UTC):%Y-%m-%d}-{name}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._name, self._seeds = name, seeds
        self._commit = _commit()  # before anything of an older record is written over

    def write(self, numbers: dict[str, Any]) -> Path:
        """Write `record.json`: command, hardware, versions, commit, seeds, numbers."""
        content = {
            "name": self._name,
            "command": ["python", *sys.orig_argv[1:]],
            "commit": self._commit,
            "hardware": {"machine": platform.machine(), "cpu": _cpu(), "gpu": _gpu()},
            "versions": {"python": platform.python_version(), "torch": torch.__version__},
            "seeds": self._seeds,
            "numbers": numbers,
        }
        path = self.folder / "record.json"
        path.write_text(json.dumps(content, indent=1) + "\n")
        return path


def _commit() -> str:
    """The commit that is checked out, with + if files differ from it; unknown outside git."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (info.read_text().splitlines() if info.exists() else [])
        if line.startswith("model name")
    ]
    return f"{len(names)} x {names[0]}" if names else platform.processor()


def _gpu() -> str | None:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None
