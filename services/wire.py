"""Labels <-> bytes, commitments, Merkle roots: protocol sections 2 and 3, to the last bit.

Pure functions, no I/O. In Python the labels of n samples are a uint16 array [n] of classes and
ABSTAIN; on the wire they are bit planes. The worker packs and commits with it, whoever aggregates
proves with it, readers of the chain unpack with it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak

from services.errors import LabelsError

GROUP_SAMPLES = 256  # one sample per bit of an EVM word
WORD_BYTES = 32
MIN_CLASSES = 2
MAX_CLASSES = 1023
NO_LABELS_ROOT = bytes(WORD_BYTES)

Labels = npt.NDArray[np.uint16]


def label_bits(classes: int) -> int:
    """B, the bits of one label: the bit length of the number of classes (protocol section 2).

    Raises:
        LabelsError: the number of classes is outside 2..1023.
    """
    if not MIN_CLASSES <= classes <= MAX_CLASSES:
        raise LabelsError(
            f"labels need {MIN_CLASSES} to {MAX_CLASSES} classes, got {classes}; correct the task"
        )
    return classes.bit_length()


def abstain(classes: int) -> int:
    """The code of ABSTAIN: all B bits set, so never a class (protocol section 2)."""
    return (1 << label_bits(classes)) - 1


def chunk_sizes(samples: int, chunk_samples: int) -> list[int]:
    """Samples of each chunk of a round; only the last may be shorter (protocol section 2).

    Raises:
        LabelsError: no samples, or a chunk size that is not a positive multiple of 256.
    """
    if samples < 1:
        raise LabelsError(f"a round needs at least 1 sample, got {samples}; correct the task")
    if chunk_samples < 1 or chunk_samples % GROUP_SAMPLES:
        raise LabelsError(
            f"chunk size must be a positive multiple of {GROUP_SAMPLES} samples, "
            f"got {chunk_samples}; correct the task"
        )
    return [min(chunk_samples, samples - first) for first in range(0, samples, chunk_samples)]


def packed_bytes(classes: int, n_samples: int) -> int:
    """Length in bytes of one packed chunk of ``n_samples``."""
    return -(-n_samples // GROUP_SAMPLES) * label_bits(classes) * WORD_BYTES


def pack(labels: Labels, classes: int) -> bytes:
    """Pack the labels [n] of one chunk into bit planes, padded with ABSTAIN (protocol section 2).

    Raises:
        LabelsError: a code is neither a class nor ABSTAIN, or ``labels`` is not one row.
    """
    bits, no_label = label_bits(classes), abstain(classes)
    codes = np.asarray(labels)
    if codes.ndim != 1 or not np.issubdtype(codes.dtype, np.integer):
        raise LabelsError(
            f"labels must be one row of integers, got shape {codes.shape} of {codes.dtype}"
        )
    _check_codes(codes, classes)
    padding = -len(codes) % GROUP_SAMPLES
    codes = np.pad(codes.astype(np.uint16), (0, padding), constant_values=no_label)
    groups = codes.reshape(-1, 1, GROUP_SAMPLES)  # [groups, 1, 256]
    shifts = np.arange(bits - 1, -1, -1, dtype=np.uint16)[:, None]  # [B, 1], highest bit first
    planes = (groups >> shifts) & 1  # [groups, B, 256]
    return np.packbits(planes.astype(np.uint8), axis=-1).tobytes()


def unpack(data: bytes, classes: int, n_samples: int) -> Labels:
    """The labels [n_samples] of one packed chunk, the inverse of ``pack`` (protocol section 2).

    Raises:
        LabelsError: wrong length, a code that is neither a class nor ABSTAIN, or other padding.
    """
    bits, no_label = label_bits(classes), abstain(classes)
    expected = packed_bytes(classes, n_samples)
    if len(data) != expected:
        raise LabelsError(
            f"{n_samples} labels of {classes} classes are {expected} bytes, got {len(data)}; "
            "check the chunk number and the task"
        )
    words = np.frombuffer(data, dtype=np.uint8).reshape(-1, bits, WORD_BYTES)
    planes = np.unpackbits(words, axis=-1)  # [groups, B, 256]
    weights = 1 << np.arange(bits - 1, -1, -1, dtype=np.uint16)  # highest bit first
    codes: Labels = np.einsum("gbs,b->gs", planes, weights).reshape(-1)
    labels, padding = codes[:n_samples], codes[n_samples:]
    _check_codes(labels, classes)
    if (padding != no_label).any():
        at = n_samples + int(np.argmax(padding != no_label))
        raise LabelsError(
            f"padding after sample {n_samples} must be ABSTAIN ({no_label}), "
            f"got {codes[at]} at place {at}; these labels are malformed"
        )
    return labels


def _check_codes(codes: npt.NDArray[Any], classes: int) -> None:
    no_label = abstain(classes)
    malformed = (codes != no_label) & ((codes < 0) | (codes >= classes))
    if malformed.any():
        at = int(np.argmax(malformed))
        raise LabelsError(
            f"labels must be below {classes} or ABSTAIN ({no_label}), "
            f"got {codes[at]} at sample {at}; these labels are malformed"
        )


def count_labels(labels: Labels, classes: int) -> list[int]:
    """Per class, how many of the labels are that class; abstentions are not counted."""
    return [int(n) for n in np.bincount(labels[labels < classes], minlength=classes)]


def commitment(
    chain_id: int,
    contract: str,
    round_number: int,
    worker: str,
    labels: bytes,
    label_count: Sequence[int],
    salt: bytes,
) -> bytes:
    """What a worker commits to, 32 bytes (protocol section 3, Algorithm 2).

    Args:
        chain_id: the chain's id.
        contract: the federation's address.
        round_number: rounds count from 1.
        worker: the committing worker's address.
        labels: its packed chunks in ascending order, concatenated.
        label_count: labels per class over the round, one entry per class.
        salt: 32 random bytes, never used twice.

    Raises:
        LabelsError: the salt is not 32 bytes, or a count does not fit 32 bits.
    """
    if len(salt) != WORD_BYTES:
        raise LabelsError(f"a salt is {WORD_BYTES} bytes, got {len(salt)}; draw a new one")
    if any(not 0 <= count < 1 << 32 for count in label_count):
        raise LabelsError(f"label counts must fit 32 bits, got {list(label_count)}")
    return keccak(
        _word(chain_id)
        + to_canonical_address(contract).rjust(WORD_BYTES, b"\0")
        + _word(round_number)
        + to_canonical_address(worker).rjust(WORD_BYTES, b"\0")
        + keccak(labels)
        + keccak(b"".join(map(_word, label_count)))
        + salt
    )


def labels_leaf(chunk: int, data: bytes) -> bytes:
    """The Merkle leaf of one chunk's packed labels (protocol section 3)."""
    return keccak(_word(chunk) + keccak(data))


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The root over a worker's leaves in chunk order; zero without chunks (protocol section 3)."""
    level = list(leaves)
    while len(level) > 1:
        level = _parents(level)
    return level[0] if level else NO_LABELS_ROOT


def merkle_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The siblings that prove ``leaves[index]``, from the leaf upwards (protocol section 3).

    Raises:
        LabelsError: there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise LabelsError(f"there are {len(leaves)} chunks to prove, asked for number {index}")
    proof, level = [], list(leaves)
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):  # an odd last node moves up without one
            proof.append(level[sibling])
        level, index = _parents(level), index // 2
    return proof


def _parents(level: list[bytes]) -> list[bytes]:
    return [
        keccak(b"".join(sorted(pair))) if len(pair) == 2 else pair[0]
        for pair in (level[i : i + 2] for i in range(0, len(level), 2))
    ]


def report_message(report: Mapping[str, object]) -> str:
    """The text that a worker signs (EIP-191) under its report: JSON, keys sorted, no spaces."""
    return json.dumps(
        report, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def _word(value: int) -> bytes:
    """One uint256 as ``abi.encode`` writes it."""
    return value.to_bytes(WORD_BYTES, "big")
