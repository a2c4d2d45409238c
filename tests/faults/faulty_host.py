"""`fedserum` on a faulty host: disks that fail, a clock that is wrong, SIGKILL at any write.

A test starts this file instead of the command. What is wrong is in the environment:

- TEST_DISK: the folder on the faulty disk.
- TEST_ERROR: a file; while it is there, writes to the folder fail with the errno that it names.
- TEST_KILLS: a file of steps, one a line. The process is killed before its next step of a write
  that is not among them, started again at once, as a container would be, and so on, until it has
  been killed at every step of writing each file, and of writing it again.
- TEST_KILLS_FROM: the step of a write from which on there are kills.
- TEST_CLOCK_S: seconds that the wall clock is ahead; with a comma a second value that it jumps to
  and back from at every look.
"""

import datetime
import errno
import io
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STEPS = ("open", "write half", "write", "fsync", "rename", "open folder", "fsync folder", "done")


class Disk:
    """What the operating system does to files in one folder, told to fail."""

    def __init__(self, folder: str, error_file: str | None, kills: str | None, start: str) -> None:
        self._folder = os.path.realpath(folder)
        self._error_file = error_file
        self._kills = kills
        self._steps = STEPS[STEPS.index(start) :]
        self._paths: dict[int, str] = {}  # of open descriptors
        self._named: dict[str, str] = {}  # files that are being written, as `TEST_KILLS` has them
        self._last = ""  # the one that was renamed last

    def patch(self) -> None:
        """Be what Python calls."""
        real_open, real_fsync, real_replace = os.open, os.fsync, os.replace
        real_mkdir, real_io_open, real_fdopen = os.mkdir, io.open, os.fdopen

        def open_(path: Any, flags: int, *rest: Any, **options: Any) -> int:
            name = self._name(path)
            if name is not None and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self._named[name] = name + (" again" if self._is_there(path) else "")
                name = self._named[name]
                self._step(name, "open")
            elif name is not None and self._last and os.path.isdir(path):
                self._step(self._last, "open folder")
            descriptor = real_open(path, flags, *rest, **options)
            self._paths.pop(descriptor, None)  # of a file that was closed
            if name is not None:
                self._paths[descriptor] = self._last if os.path.isdir(path) else name
            return descriptor

        def fsync(descriptor: int) -> None:
            name = self._paths.get(descriptor)
            is_folder = os.path.isdir(f"/proc/self/fd/{descriptor}")
            if name is not None:
                self._step(name, "fsync folder" if is_folder else "fsync")
            real_fsync(descriptor)
            if name is not None and is_folder:
                self._step(name, "done")
                self._last = ""

        def replace(source: Any, target: Any, **options: Any) -> None:
            name = self._name(source)
            if name is not None:
                self._last = self._named.get(name, name)
                self._step(self._last, "rename")
            real_replace(source, target, **options)

        def mkdir(path: Any, *rest: Any, **options: Any) -> None:
            if self._name(path) is not None and not os.path.isdir(path):
                self._fail()
            real_mkdir(path, *rest, **options)

        def io_open(path: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
            if (
                not isinstance(path, int)
                and self._name(path) is not None
                and set(mode) & set("wax+")
            ):
                self._fail(only_read_only=os.path.exists(path))
            return real_io_open(path, mode, *rest, **options)

        def fdopen(descriptor: int, *rest: Any, **options: Any) -> Any:
            name = self._paths.get(descriptor)
            if name is None:
                return real_fdopen(descriptor, *rest, **options)
            return io.BufferedWriter(_File(descriptor, lambda step: self._step(name, step)))

        os.open, os.fsync, os.replace, os.mkdir = open_, fsync, replace, mkdir  # type: ignore[assignment]
        io.open, os.fdopen = io_open, fdopen  # type: ignore[assignment]

    def _name(self, path: Any) -> str | None:
        """A file's name if it is on this disk; the temporary one's is the whole one's."""
        place = os.path.realpath(os.fspath(path))
        if os.path.commonpath([self._folder, place]) != self._folder:
            return None
        return os.path.basename(place).removesuffix(".new")

    def _is_there(self, path: Any) -> bool:
        return os.path.exists(os.fspath(path).removesuffix(".new"))

    def _step(self, name: str, step: str) -> None:
        """Before one step of writing a file: fail, or be killed, or let it happen."""
        if step != "done":
            self._fail()
        if self._kills is None or step not in self._steps:
            return
        point = f"{name}: {step}"
        with open(self._kills, "a+") as file:
            file.seek(0)
            if point in file.read().splitlines():
                return
            file.write(point + "\n")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    def _fail(self, only_read_only: bool = False) -> None:
        """As the error file says; a full disk takes what needs no room."""
        if self._error_file is None or not os.path.exists(self._error_file):
            return
        number = getattr(errno, Path(self._error_file).read_text().strip())
        if not only_read_only or number == errno.EROFS:
            raise OSError(number, os.strerror(number))


class _File(io.FileIO):
    """A file that is written in two halves."""

    def __init__(self, descriptor: int, step: Callable[[str], None]) -> None:
        super().__init__(descriptor, "wb")
        self._step = step

    def write(self, data: Any) -> int:
        content = bytes(data)
        half = len(content) // 2
        self._step("write half")
        super().write(content[:half])
        self._step("write")
        super().write(content[half:])
        return len(content)


def shift_clock(seconds: list[float]) -> None:
    """Let everybody in this process see a wrong time of day; monotonic clocks stay right."""
    real_time, shifts = time.time, itertools.cycle(seconds)

    class Shifted(datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls.fromtimestamp(time.time(), tz)

        @classmethod
        def utcnow(cls) -> Any:
            return cls.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None)

    time.time = lambda: real_time() + next(shifts)
    time.time_ns = lambda: int(time.time() * 1e9)
    datetime.datetime = Shifted  # type: ignore[misc]


def run(verb: str) -> int:
    """The command itself."""
    import fedserum

    return fedserum.main([verb])


def run_until_done(verb: str) -> int:
    """Start the command again whenever it was killed; its exit code.

    The modules are loaded once, so that a start takes no second; nothing else is shared.
    """
    import worker.__main__
    import worker.study

    assert worker.__main__ is not None
    assert worker.study is not None
    while True:
        child = os.fork()
        if child == 0:
            os._exit(run(verb))
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code != -signal.SIGKILL:
            return code


if __name__ == "__main__":
    if "TEST_CLOCK_S" in os.environ:
        shift_clock([float(each) for each in os.environ["TEST_CLOCK_S"].split(",")])
    is_killed = os.environ.get("TEST_KILLS")
    if "TEST_DISK" in os.environ:
        first = os.environ.get("TEST_KILLS_FROM", STEPS[0])
        Disk(os.environ["TEST_DISK"], os.environ.get("TEST_ERROR"), is_killed, first).patch()
    sys.exit((run_until_done if is_killed else run)(sys.argv[1]))
