"""One identity is for one process: claimed under a lock that ends with whoever holds it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from services.errors import JournalError, SettingsError
from services.settings import WorkerSettings
from worker import identity as identity_module
from worker.identity import claim

HOLD = """
import sys, time
from pathlib import Path
from services.settings import WorkerSettings
from worker.identity import claim
with claim(WorkerSettings(home=Path(sys.argv[1]))) as identity:
    print(identity.name, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home of twelve workers, so that the order of names is not that of numbers."""
    for index in range(12):
        (tmp_path / "workers" / str(index)).mkdir(parents=True)
    (tmp_path / "workers" / "notes").mkdir()
    return tmp_path


@contextmanager
def held_by_another(home: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Another process claims an identity; its name, and the process."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(identity_module.__file__).parents[1])},
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.communicate()


def test_each_claim_takes_the_next_free_identity(home: Path) -> None:
    """By number; every path is inside the identity's own folder, but for what all share."""
    settings = WorkerSettings(home=home)
    with ExitStack() as stack:
        taken = [stack.enter_context(claim(settings)) for _ in range(12)]
        assert [identity.name for identity in taken] == [str(index) for index in range(12)]
        third = taken[2]
        own = home / "workers" / "2"
        assert third.key_file == own / "key"
        assert third.private_data == own / "private"
        assert third.state_dir == own / "state"
        assert (third.public_data, third.test_data) == (home / "public", home / "test")
        with pytest.raises(SettingsError, match=r"every identity in .*workers is taken"):
            stack.enter_context(claim(settings))


def test_an_identity_is_free_again_when_its_process_is_killed(home: Path) -> None:
    """No lock file has to be removed by hand, and the journal's folder is taken up again."""
    with held_by_another(home) as (name, process):
        assert name == "0"
        with claim(WorkerSettings(home=home)) as mine:
            assert mine.name == "1"
        process.kill()
        process.wait()
        with claim(WorkerSettings(home=home)) as mine:
            assert mine.name == "0"


def test_a_claim_ends_with_its_context(home: Path) -> None:
    """Also after an error inside."""
    with pytest.raises(RuntimeError), claim(WorkerSettings(home=home)):
        raise RuntimeError
    with claim(WorkerSettings(home=home)) as identity:
        assert identity.name == "0"


def test_a_home_without_identities_is_named(tmp_path: Path) -> None:
    """Nothing was prepared there."""
    with (
        pytest.raises(SettingsError, match="taken or none was prepared"),
        claim(WorkerSettings(home=tmp_path)),
    ):
        pass


def named(folder: Path) -> WorkerSettings:
    """Settings of a worker that names its files."""
    return WorkerSettings(
        key_file=folder / "key",
        state_dir=folder / "state",
        private_data=folder / "private",
        public_data=folder / "public",
    )


def test_files_that_are_named_are_one_identity(tmp_path: Path) -> None:
    """A second process with the same state folder is refused; another folder is another worker."""
    with claim(named(tmp_path / "a")) as identity:
        assert identity.name == "a"
        assert identity.test_data is None
        with (
            pytest.raises(JournalError, match="another worker runs with the state folder"),
            claim(named(tmp_path / "a")),
        ):
            pass
        with claim(named(tmp_path / "b")) as other:
            assert other.name == "b"


def test_settings_that_are_missing_are_named_all_at_once() -> None:
    """Every variable that has to be set is in the message, and none that is set."""
    with (
        pytest.raises(SettingsError) as caught,
        claim(WorkerSettings(key_file=Path("key"), public_data=Path("public"))),
    ):
        pass
    message = str(caught.value)
    assert "FEDSERUM_STATE_DIR, FEDSERUM_PRIVATE_DATA" in message
    assert "FEDSERUM_HOME" in message
    assert "FEDSERUM_KEY_FILE" not in message


def test_a_state_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A worker without a journal must not commit."""
    (tmp_path / "state").write_text("")
    with (
        pytest.raises(JournalError, match=f"cannot write the state folder {tmp_path / 'state'}"),
        claim(named(tmp_path)),
    ):
        pass
