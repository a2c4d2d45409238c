"""The worker's journal: whole or not at all, for its owner's eyes, one folder per federation."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.errors import JournalError
from services.membership import description_json, members_root
from services.task import Task
from worker import journal as journal_module
from worker.journal import Entry, Journal, write_whole

GENESIS = "0x" + "ab" * 32
CONTRACT = "0x000000000000000000000000000000000000dEaD"
LABELS, LABEL_COUNT, CHUNKS = bytes(range(256)), [7, 0, 249], [0, 2]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """An empty journal."""
    return Journal(tmp_path, 31337, GENESIS, CONTRACT)


def test_an_entry_is_read_as_it_was_written(journal: Journal, tmp_path: Path) -> None:
    """Also by a later process, and only in its own round."""
    assert journal.read(1) == []
    assert not journal.has_entries()
    entry = journal.write(1, LABELS, LABEL_COUNT, CHUNKS)
    assert (entry.labels, entry.label_count, len(entry.salt)) == (LABELS, LABEL_COUNT, 32)
    assert entry.chunks == CHUNKS
    later = Journal(tmp_path, 31337, GENESIS, CONTRACT.lower())
    assert later.read(1) == [entry]
    assert later.read(2) == []
    assert later.has_entries()


def test_the_description_is_kept_as_it_was_first_read(journal: Journal, tmp_path: Path) -> None:
    """A worker that has deposited can go on when the page is gone, and sees the same pixels."""
    members = ["0x" + "11" * 20]
    page = tmp_path / "page.json"
    page.write_text(description_json(members, preprocessing="box", threshold=0.5))
    task = Task(
        members_root=members_root(members),
        dataset_hash="0x" + "00" * 32,
        samples_per_round=256,
        chunk_samples=256,
        classes=10,
        max_workers=4,
        uri=str(page),
    )
    first = journal.description(task)
    assert (first.preprocessing, first.threshold) == ("box", 0.5)
    page.write_text(description_json(members))
    assert journal.description(task) == first
    page.unlink()
    assert Journal(tmp_path, 31337, GENESIS, CONTRACT).description(task) == first

    (journal.folder / "description.json").write_text("{")
    with pytest.raises(JournalError, match="delete it to read it anew"):
        journal.description(task)
    (journal.folder / "description.json").unlink()
    assert journal.description(task.model_copy(update={"uri": ""})).preprocessing is None


def test_a_later_entry_of_a_round_replaces_no_earlier_one(journal: Journal) -> None:
    """A commitment that a reorganisation brings back can still be opened."""
    entries = [journal.write(1, LABELS, LABEL_COUNT, [chunk]) for chunk in range(3)]
    assert journal.read(1) == entries[::-1]


def test_an_entry_of_an_earlier_release_is_read(journal: Journal) -> None:
    """It does not say which chunks it is about."""
    content = {"labels": LABELS.hex(), "label_count": LABEL_COUNT, "salt": "5a" * 32}
    (journal.folder / "round-1.json").write_text(json.dumps(content))
    old = Entry(LABELS, LABEL_COUNT, b"Z" * 32)
    assert journal.read(1) == [old]
    new = journal.write(1, LABELS, LABEL_COUNT, CHUNKS)
    assert journal.read(1) == [new, old]


def test_no_salt_is_drawn_twice(journal: Journal) -> None:
    """Two rounds with the same labels have different salts."""
    salts = {journal.write(number, LABELS, LABEL_COUNT, CHUNKS).salt for number in range(1, 6)}
    assert len(salts) == 5


@pytest.mark.parametrize(
    ("chain_id", "genesis_hash", "contract"),
    [
        (1, GENESIS, CONTRACT),
        (31337, "0x" + "cd" * 32, CONTRACT),
        (31337, GENESIS, "0x" + "11" * 20),
    ],
)
def test_no_federation_sees_the_journal_of_another(
    journal: Journal, tmp_path: Path, chain_id: int, genesis_hash: str, contract: str
) -> None:
    """A wiped chain has the same contract address again, but another genesis: salts stay fresh."""
    journal.write(1, LABELS, LABEL_COUNT, CHUNKS)
    assert Journal(tmp_path, chain_id, genesis_hash, contract).read(1) == []


def test_only_the_owner_may_read_it(journal: Journal) -> None:
    """Salts and unrevealed labels have mode 0600, whatever the umask."""
    before = os.umask(0)
    try:
        journal.write(1, LABELS, LABEL_COUNT, CHUNKS)
    finally:
        os.umask(before)
    (path,) = journal.folder.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_salt_is_shown() -> None:
    """An entry in a log or a traceback keeps its secret."""
    salt = bytes(range(32))
    shown = repr(Entry(LABELS, LABEL_COUNT, salt))
    assert repr(salt) not in shown
    assert salt.hex() not in shown


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b'{"labels": "00", "label_',
        b"5",
        b"[]",
        b'{"labels": "00", "label_count": [1]}',
        b'{"labels": "0g", "label_count": [1], "salt": "' + b"00" * 32 + b'"}',
        b'{"labels": "00", "label_count": [1], "salt": "' + b"00" * 31 + b'"}',
        b'{"labels": "00", "label_count": ["x"], "salt": "' + b"00" * 32 + b'"}',
    ],
)
def test_a_corrupt_entry_is_named_and_not_replaced(journal: Journal, content: bytes) -> None:
    """A new salt in its place would lose a commitment that the old one opens."""
    path = journal.folder / "round-1.json"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=rf"{path} is corrupt; restore it"):
        journal.read(1)
    assert path.read_bytes() == content


def test_an_entry_that_cannot_be_read_is_no_missing_one(journal: Journal) -> None:
    """Only a file that is not there means that nothing was written."""
    (journal.folder / "round-1.json").mkdir()
    with pytest.raises(JournalError, match=r"cannot read .*round-1\.json"):
        journal.read(1)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file is in the folder's place, or it went away: nothing may be committed."""
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"cannot write .*file.*Not a directory"):
        Journal(tmp_path / "file", 31337, GENESIS, CONTRACT)
    journal = Journal(tmp_path / "gone", 31337, GENESIS, CONTRACT)
    journal.folder.rmdir()
    with pytest.raises(JournalError, match=r"cannot write .*round-1\.json.*nothing was committed"):
        journal.write(1, LABELS, LABEL_COUNT, CHUNKS)


# The process ends without a chance to tidy up at the n-th step of writing, as by SIGKILL.
KILLED = """
import os, sys
from pathlib import Path
from worker.journal import write_whole
step = int(sys.argv[2])
def count(name, function):
    def counted(*arguments, **options):
        global step
        step -= 1
        if step < 0:
            os._exit(9)
        return function(*arguments, **options)
    return counted
os.open, os.fsync = count("open", os.open), count("fsync", os.fsync)
Path.replace = count("replace", Path.replace)
write_whole(Path(sys.argv[1]), b"new" * 100_000)
"""


def test_killed_at_any_step_the_old_or_the_new_content_is_there(tmp_path: Path) -> None:
    """Never a part; the next process writes over what was left behind."""
    path = tmp_path / "round-1.json"
    new, found = b"new" * 100_000, []
    for step in range(10):
        write_whole(path, b"old")
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, str(path), str(step)],
            env=os.environ | {"PYTHONPATH": str(Path(journal_module.__file__).parents[1])},
            check=False,
        )
        assert killed.returncode in (0, 9)
        found.append((killed.returncode, path.read_bytes()))
        if killed.returncode == 0:
            break
    assert {content for _, content in found} == {b"old", new}
    assert found[-1] == (0, new)
    # open, fsync, replace leave the old one; open and fsync of the folder come after it.
    assert [content for _, content in found] == [b"old"] * 3 + [new] * 3
    write_whole(path, b"old")
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["round-1.json"]
