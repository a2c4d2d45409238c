"""Holds what should be against what is, and names the first thing that differs.

Labels are compared sample by sample, so that one wrong bit of 20 kB is found and named.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.chain import Event
from services.errors import AuditError
from services.task import Task
from services.wire import WORD_BYTES, abstain, label_bits

LONGEST_SHOWN = 32  # bytes of a value that a message shows whole


@dataclass(frozen=True)
class Expected:
    """The event that must come next.

    Attributes:
        name: of the event.
        args: as in ``Event``.
        chunks: the chunks that packed labels among the args cover, ascending.
    """

    name: str
    args: dict[str, Any]
    chunks: Sequence[int] = ()


def require(round_number: int, what: str, expected: object, found: object) -> None:
    """Two values must be equal.

    Raises:
        AuditError: they are not.
    """
    if expected != found:
        raise AuditError(round_number, what, show(expected), show(found))


def require_event(task: Task, round_number: int, expected: Expected, found: Event) -> None:
    """An event must be the expected one, to the last bit.

    Raises:
        AuditError: it is another, or one of its arguments differs.
    """
    where = f"transaction {found.transaction_hash}"
    require(round_number, f"next event ({where})", expected.name, found.name)
    who = expected.args.get("worker") or expected.args.get("chunk")
    subject = "" if who is None else f" of {who if isinstance(who, str) else f'chunk {who}'}"
    for name, value in expected.args.items():
        other = found.args[name]
        if value != other and name in ("labels", "globalLabels") and len(value) == len(other):
            _require_labels(task, round_number, f"{subject}, {where}", expected, value, other)
        require(round_number, f"{found.name}.{name}{subject} ({where})", value, other)


def _require_labels(
    task: Task, round_number: int, where: str, expected: Expected, value: bytes, other: bytes
) -> None:
    """Compare packed labels; name the first sample of the round that differs."""
    pairs = zip(_codes(value, task.classes), _codes(other, task.classes), strict=True)
    for place, (ours, theirs) in enumerate(pairs):
        if ours != theirs:
            chunk, offset = divmod(place, task.chunk_samples)
            sample = expected.chunks[chunk] * task.chunk_samples + offset
            what = "global label" if expected.name == "ChunkAggregated" else "label"
            require(
                round_number,
                f"{what} of sample {sample} ({expected.name}{where})",
                _label(ours, task.classes),
                _label(theirs, task.classes),
            )


def _codes(data: bytes, classes: int) -> list[int]:
    """The codes of packed groups, well formed or not, padding included."""
    bits = label_bits(classes)
    words = np.frombuffer(data, dtype=np.uint8).reshape(-1, bits, WORD_BYTES)
    weights = 1 << np.arange(bits - 1, -1, -1, dtype=np.uint16)  # highest bit first
    codes = np.einsum("gbs,b->gs", np.unpackbits(words, axis=-1), weights)
    return [int(code) for code in codes.ravel()]


def _label(code: int, classes: int) -> str:
    return "ABSTAIN" if code == abstain(classes) else f"class {code}"


def show(value: object) -> str:
    """A value for a message: bytes in hex, long ones cut."""
    if not isinstance(value, bytes):
        return str(value)
    cut = f"… ({len(value)} bytes)" if len(value) > LONGEST_SHOWN else ""
    return f"0x{value[:LONGEST_SHOWN].hex()}{cut}"
