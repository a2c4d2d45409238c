"""What a federation waits for, and doing it: end a phase, score a chunk, settle.

Permissionless, so the orchestrator and every worker may run it side by side; whoever comes second
has lost nothing but a transaction fee. All it needs is a node and the contract's address.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import structlog

from services.chain import Federation, Phase, Receipt
from services.errors import ContractRevertError, TransactionError
from services.wire import chunk_sizes, labels_leaf, merkle_proof, packed_bytes

log = structlog.get_logger()


@dataclass(frozen=True)
class Duty:
    """One call that is due: in which round and phase, and for ``aggregate`` which chunk."""

    call: Literal["advance", "aggregate", "settle"]
    round_number: int
    phase: Phase
    chunk: int | None = None


def due(federation: Federation) -> Duty | None:
    """What anyone may do now; None where the federation waits for workers, or is closed."""
    phase, round_number = federation.phase(), federation.round()
    if phase is Phase.CLOSED:
        return None
    if federation.chain.now() >= federation.deadline():
        return Duty("advance", round_number, phase)
    if phase is not Phase.AGGREGATE:
        return None
    progress, n_chunks = _progress(federation, round_number), federation.chunks()
    while progress.chunk < n_chunks:
        if not any(federation.global_labels_hash(round_number, progress.chunk)):
            return Duty("aggregate", round_number, phase, progress.chunk)
        progress.chunk += 1
    return Duty("settle", round_number, phase)


def perform(federation: Federation, duty: Duty) -> Receipt | None:
    """Do it; None if someone else was faster.

    Raises:
        ChainError: it is still due and the chain refuses it.
    """
    try:
        if duty.chunk is not None:
            receipt = _aggregate(federation, duty.round_number, duty.chunk)
        elif duty.call == "settle":
            receipt = federation.settle()
        else:
            receipt = federation.advance()
    except (ContractRevertError, TransactionError) as error:
        # The chain may have taken back what was remembered of it.
        _openings.cache_clear()
        _progress.cache_clear()
        if due(federation) == duty:
            raise
        log.info("duty_done_by_another", call=duty.call, round=duty.round_number, why=str(error))
        return None
    log.info(
        "duty_performed",
        call=duty.call,
        round=duty.round_number,
        chunk=duty.chunk,
        tx=receipt.transaction_hash,
        gas=receipt.gas_used,
    )
    return receipt


@dataclass
class _Progress:
    """All chunks before this one are aggregated."""

    chunk: int = 0


@lru_cache(maxsize=2)
def _progress(federation: Federation, round_number: int) -> _Progress:
    """How far the round's chunks are known to be, so that no chunk is asked for twice."""
    return _Progress()


def _aggregate(federation: Federation, round_number: int, chunk: int) -> Receipt:
    """Re-supply one chunk's labels from the `Revealed` events, with their Merkle proofs."""
    committees, revealed = _openings(federation, round_number)
    labels: list[bytes] = []
    proofs: list[list[bytes]] = []
    for worker in committees[chunk]:
        parts = revealed.get(worker)
        if parts is None:
            labels.append(b"")
            proofs.append([])
            continue
        leaves = [labels_leaf(number, data) for number, data in parts.items()]
        labels.append(parts[chunk])
        proofs.append(merkle_proof(leaves, list(parts).index(chunk)))
    return federation.aggregate(chunk, labels, proofs)


@lru_cache(maxsize=2)
def _openings(
    federation: Federation, round_number: int
) -> tuple[list[list[str]], dict[str, dict[int, bytes]]]:
    """The round's committee per chunk, and what each worker revealed, by chunk.

    Read once per round: when chunks are due, reveals are over.
    """
    task = federation.task()
    sizes = chunk_sizes(task.samples_per_round, task.chunk_samples)
    committees = [federation.committee_of(chunk) for chunk in range(len(sizes))]
    revealed = {}
    for event in federation.round_events(round_number, ["Revealed"]):
        worker, data = event.args["worker"], event.args["labels"]
        parts, start = {}, 0
        for chunk, size in enumerate(sizes):
            if worker in committees[chunk]:
                end = start + packed_bytes(task.classes, size)
                parts[chunk] = data[start:end]
                start = end
        revealed[worker] = parts
    return committees, revealed
