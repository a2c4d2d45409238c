"""Which worker this process is: its key, its folders, and the lock that makes it the only one.

A worker may name its files, or claim a free identity in a home folder, as replicas of a container
do. The lock is held until the process ends, however it ends.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from services.errors import JournalError, SettingsError
from services.settings import PREFIX, WorkerSettings


@dataclass(frozen=True)
class Identity:
    """Where one worker's things are.

    Attributes:
        name: what the log calls it.
        number: which one it is in its home folder, 0 outside one; workers differ by it in seed.
        key_file: its private key.
        state_dir: its journal and model, locked for this process.
        private_data: its own samples.
        public_data: the federation's public samples.
        test_data: samples to measure accuracy on, if any.
    """

    name: str
    number: int
    key_file: Path
    state_dir: Path
    private_data: Path
    public_data: Path
    test_data: Path | None


@contextmanager
def claim(settings: WorkerSettings) -> Iterator[Identity]:
    """Hold one identity for as long as the context lasts.

    Raises:
        SettingsError: files are not named, or every identity of the home folder is taken.
        JournalError: another process holds the state folder, or it cannot be written.
    """
    for identity in _candidates(settings):
        lock = _lock(identity.state_dir)
        if lock is None:
            continue
        with lock:
            yield identity
        return
    if settings.home is None:
        raise _held(settings.state_dir)
    raise SettingsError(
        f"every identity in {settings.home / 'workers'} is taken or none was prepared; run fewer "
        f"workers, or prepare a federation with more ({PREFIX}WORKERS)"
    )


@contextmanager
def hold(state_dir: Path) -> Iterator[None]:
    """Hold one state folder for as long as the context lasts.

    Raises:
        JournalError: another process holds it, or it cannot be written.
    """
    lock = _lock(state_dir)
    if lock is None:
        raise _held(state_dir)
    with lock:
        yield


def _held(state_dir: Path | None) -> JournalError:
    return JournalError(
        f"another worker runs with the state folder {state_dir}; stop it, or give this one a key "
        f"and a folder of its own ({PREFIX}KEY_FILE, {PREFIX}STATE_DIR)"
    )


def _candidates(settings: WorkerSettings) -> list[Identity]:
    home = settings.home
    if home is not None:
        folders = [path for path in home.glob("workers/*") if path.name.isdigit()]
        return [
            Identity(
                name=folder.name,
                number=int(folder.name),
                key_file=folder / "key",
                state_dir=folder / "state",
                private_data=folder / "private",
                public_data=home / "public",
                test_data=home / "test",
            )
            for folder in sorted(folders, key=lambda path: int(path.name))
        ]
    if (
        settings.key_file is None
        or settings.state_dir is None
        or settings.private_data is None
        or settings.public_data is None
    ):
        missing = [
            f"{PREFIX}{name.upper()}"
            for name in ("key_file", "state_dir", "private_data", "public_data")
            if getattr(settings, name) is None
        ]
        raise SettingsError(f"set {', '.join(missing)}, or {PREFIX}HOME to claim an identity there")
    return [
        Identity(
            name=settings.state_dir.parent.name or settings.state_dir.name,
            number=0,
            key_file=settings.key_file,
            state_dir=settings.state_dir,
            private_data=settings.private_data,
            public_data=settings.public_data,
            test_data=settings.test_data,
        )
    ]


def _lock(state_dir: Path) -> TextIO | None:
    """The open, locked file; None while another process holds it."""
    path = state_dir / "lock"
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("w")
        except OSError:
            # What is on a disk that takes nothing any more may still have to be revealed.
            if not path.is_file():
                raise
            file = path.open()
    except OSError as error:
        raise JournalError(
            f"cannot write the state folder {state_dir} ({error.strerror}); a worker must keep its "
            "journal there before it commits"
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
