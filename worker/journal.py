"""What a worker must not lose: salt and labels, on disk before the commitment is sent.

One folder per federation, so that a state folder can outlive a chain, also one that is wiped and
starts again with the same contract at the same address. Every file is written whole or not at all:
to a temporary name, synced, renamed. No entry is ever thrown away: a reorganisation of the chain
may bring back any commitment that was sent.
"""

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.errors import JournalError
from services.membership import Description, read_own_description
from services.task import Task

SALT_BYTES = 32


@dataclass(frozen=True)
class Entry:
    """What a worker committed to in one round.

    Attributes:
        labels: its packed chunks, as they will be revealed.
        label_count: labels per class.
        salt: 32 random bytes; shown in no log, not even in an error.
        chunks: which chunks these are, ascending; None in a file of a release that did not say.
    """

    labels: bytes
    label_count: list[int]
    salt: bytes = field(repr=False)
    chunks: list[int] | None = None


class Journal:
    """The journal of one worker in one federation.

    Raises:
        JournalError: a file cannot be written, or what is there cannot be read.
    """

    def __init__(self, state_dir: Path, chain_id: int, genesis_hash: str, contract: str) -> None:
        self.folder = state_dir / f"{chain_id}-{genesis_hash[:10]}-{contract.lower()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    @property
    def model_file(self) -> Path:
        """Where the model is kept."""
        return self.folder / "model.pt"

    @property
    def order_key_file(self) -> Path:
        """Where the key of a sealed order is kept."""
        return self.folder / "order.key"

    def description(self, task: Task, source: str | None = None) -> Description:
        """The task's description as this worker first read it: later it may be gone, or changed.

        Args:
            task: the task, from the contract.
            source: where the description is; None: where ``task.uri`` says.

        Raises:
            MembershipError: there is none, or it is not the contract's.
            JournalError: what was kept cannot be read.
        """
        path = self.folder / "description.json"
        try:
            if path.exists():
                return Description.model_validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise JournalError(f"{path} is corrupt ({error}); delete it to read it anew") from error
        if not (source or task.uri):
            return Description.model_validate({"members": []})
        description = read_own_description(task, source)
        write_whole(path, description.model_dump_json().encode())
        return description

    def write(
        self, round_number: int, labels: bytes, label_count: list[int], chunks: list[int]
    ) -> Entry:
        """Draw a salt and add the entry to its round; returns it once it is on disk."""
        entry = Entry(labels, label_count, secrets.token_bytes(SALT_BYTES), chunks)
        latest, *earlier = [_content(each) for each in [entry, *self.read(round_number)]]
        content = latest | ({"earlier": earlier} if earlier else {})
        write_whole(self._entry_file(round_number), json.dumps(content).encode())
        return entry

    def read(self, round_number: int) -> list[Entry]:
        """The entries of a round, the latest first; none if nothing was written."""
        path = self._entry_file(round_number)
        try:
            content = json.loads(path.read_bytes())
            return [_entry(each) for each in [content, *content.get("earlier", [])]]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise JournalError(f"cannot read {path} ({error.strerror})") from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise JournalError(
                f"{path} is corrupt; restore it from a backup. Without it a commitment made from "
                "it cannot be revealed, and the deposit will be slashed; if nothing was committed, "
                "delete it"
            ) from error

    def has_entries(self) -> bool:
        """Whether this worker ever labelled a round of this federation."""
        return any(self.folder.glob("round-*.json"))

    def _entry_file(self, round_number: int) -> Path:
        return self.folder / f"round-{round_number}.json"


def _content(entry: Entry) -> dict[str, Any]:
    return {
        "labels": entry.labels.hex(),
        "label_count": entry.label_count,
        "salt": entry.salt.hex(),
        "chunks": entry.chunks,
    }


def _entry(content: dict[str, Any]) -> Entry:
    salt, chunks = bytes.fromhex(content["salt"]), content.get("chunks")
    if len(salt) != SALT_BYTES:
        raise ValueError(f"{len(salt)} bytes of salt")
    return Entry(
        labels=bytes.fromhex(content["labels"]),
        label_count=[int(count) for count in content["label_count"]],
        salt=salt,
        chunks=None if chunks is None else [int(chunk) for chunk in chunks],
    )


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file by new content: after a crash either the old or the new one is there.

    Raises:
        JournalError: it cannot be written.
    """
    temporary = path.with_name(path.name + ".new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> JournalError:
    return JournalError(
        f"cannot write {path} ({error.strerror}); without it a commitment could not be revealed, "
        "so nothing was committed: free space or change the permissions, then start again"
    )
