"""Child processes of a demo: started with a log file each, watched, and ended without exception."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from services.errors import FedserumError, SettingsError

END_S = 5.0  # between asking a process to end and killing it
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # that ask the demo to end


class ProcessError(FedserumError):
    """A process of the demo failed."""


class Processes:
    """A context in which processes run; leaving it ends them all, newest first."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        logs.mkdir(parents=True, exist_ok=True)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str], environment: dict[str, str]) -> None:
        """Start a process in a group of its own; its output goes to `<name>.log`."""
        with self.log_file(name).open("ab") as log, _undisturbed():
            self._running[name] = subprocess.Popen(  # noqa: S603  (our own commands)
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def log_file(self, name: str) -> Path:
        """Where a process's output goes."""
        return self.logs / f"{name}.log"

    def exit_code(self, name: str) -> int | None:
        """The exit code; None while it runs."""
        return self._running[name].poll()

    def pid(self, name: str) -> int:
        """The process, and its group, that was started last under this name."""
        return self._running[name].pid

    def send(self, name: str, number: int) -> None:
        """Send a process, and those that it started, a signal, unless it has ended."""
        if self.exit_code(name) is None:
            _signal(self._running[name], number)

    def wait(self, name: str) -> None:
        """Wait until a process has ended."""
        self._running[name].wait()

    def raise_failed(self, lasting: Container[str] = ()) -> None:
        """Say why, if any process ended with an error, or ended at all though it is to last.

        Raises:
            ProcessError: names the process, its exit code and its last words.
        """
        for name, process in self._running.items():
            code = process.poll()
            if code or (code == 0 and name in lasting):
                raise ProcessError(
                    f"{name} ended with exit code {code}: {self.last_words(name)} "
                    f"(log: {self.log_file(name)})"
                )

    def last_words(self, name: str) -> str:
        """The last line that a process has said."""
        lines = self.log_file(name).read_text(errors="replace").strip().splitlines()
        return lines[-1][-1000:] if lines else "it said nothing"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        processes = list(reversed(self._running.values()))
        with _undisturbed():
            for process in processes:
                _signal(process, signal.SIGTERM)
            until = time.monotonic() + END_S
            for process in processes:
                try:
                    process.wait(max(0.0, until - time.monotonic()))
                except subprocess.TimeoutExpired:
                    _signal(process, signal.SIGKILL)
                    process.wait()


def require_free(port: int, variable: str) -> None:
    """Check that nobody listens on a port of this host.

    Raises:
        SettingsError: somebody does.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise SettingsError(
                f"port {port} is in use; stop what listens there, or set {variable} to a free port"
            ) from error


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Put signals off: one in between would lose a process just started, or leave some running."""
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    handlers = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    # The whole group: a process may have children of its own, and may be gone while they live.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
