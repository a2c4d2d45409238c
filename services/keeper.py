"""What a federation waits for, and doing it: end a phase, score a chunk, settle.

Permissionless, so the orchestrator and every worker may run it side by side. They look before they
send: who made the last call goes on at once, the others wait a moment and see its next one come.
All it needs is a node and the contract's address.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal

import structlog

from services.chain import Federation, Phase, Receipt
from services.errors import ChainError, ChainUnreachableError, ContractRevertError, TransactionError
from services.wire import chunk_sizes, labels_leaf, merkle_proof, packed_bytes

TURN_POLLS = 8  # looks at the chain that fit into the time until whose turn it is has shown
SHARE_LEFT_TO_OTHERS = 0.25  # of the time for a transaction: so long may another's be under way

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
    known, n_chunks = _outlook(federation, round_number), federation.chunks()
    while known.chunk < n_chunks:
        if not any(federation.global_labels_hash(round_number, known.chunk)):
            return Duty("aggregate", round_number, phase, known.chunk)
        known.chunk += 1
    return Duty("settle", round_number, phase)


def perform(federation: Federation, duty: Duty) -> Receipt | None:
    """Do it; None if someone else was faster, or is at it.

    Raises:
        ChainError: it is still due and the chain refuses it.
    """
    try:
        receipt = _take_turn(federation, duty)
    except (ContractRevertError, TransactionError) as error:
        _forget()
        if due(federation) != duty:
            _leave_to_another(federation, duty, str(error))
            return None
        if isinstance(error, TransactionError):
            raise
        # What was remembered may be of blocks that the chain has taken back.
        receipt = _take_turn(federation, duty)
    if receipt is None:
        return None
    _outlook(federation, duty.round_number).role = "first"
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
class _Outlook:
    """What one keeper knows of a round.

    Attributes:
        chunk: all chunks before this one are aggregated.
        role: whether it made the last call of the round, or another; None before the first.
        left_to_others: what another's transaction is to do, and until when it may take.
    """

    chunk: int = 0
    role: Literal["first", "second"] | None = None
    left_to_others: tuple[Duty, float] | None = None


@lru_cache(maxsize=2)
def _outlook(federation: Federation, round_number: int) -> _Outlook:
    """Kept per round, so that no chunk is asked for twice."""
    return _Outlook()


def _forget() -> None:
    _openings.cache_clear()
    _outlook.cache_clear()


def _take_turn(federation: Federation, duty: Duty) -> Receipt | None:
    """Prepare the call, wait for our turn, look, and only then send."""
    known = _outlook(federation, duty.round_number)
    call = _prepare(federation, duty)
    if known.role != "first":
        least = 0.5 if known.role == "second" else 0.0
        time.sleep(random.uniform(least, 1.0) * TURN_POLLS * federation.chain.poll_s)
    if _is_done(federation, duty):
        _leave_to_another(federation, duty, "found done before anything was sent")
        return None
    if _is_under_way(federation, duty):
        known.role = "second"
        if known.left_to_others is None or known.left_to_others[0] != duty:
            patience_s = SHARE_LEFT_TO_OTHERS * federation.chain.transaction_timeout_s
            known.left_to_others = duty, time.monotonic() + patience_s
        if time.monotonic() < known.left_to_others[1]:
            return None
        log.warning("keeper_overtaken", call=duty.call, round=duty.round_number)
    return call()


def _leave_to_another(federation: Federation, duty: Duty, why: str) -> None:
    _outlook(federation, duty.round_number).role = "second"
    log.info("duty_done_by_another", call=duty.call, round=duty.round_number, why=why)


def _is_done(federation: Federation, duty: Duty) -> bool:
    """Whether the call has been made, in the state that this federation shows."""
    if (federation.phase(), federation.round()) != (duty.phase, duty.round_number):
        return True
    number, chunk = duty.round_number, duty.chunk
    return chunk is not None and any(federation.global_labels_hash(number, chunk))


def _is_under_way(federation: Federation, duty: Duty) -> bool:
    """Whether a transaction that makes the call waits for a block; not every node can tell."""
    try:
        return _is_done(federation.pending(), duty)
    except ChainUnreachableError:
        raise
    except ChainError:
        return False


def _prepare(federation: Federation, duty: Duty) -> Callable[[], Receipt]:
    if duty.chunk is not None:
        return _aggregation(federation, duty.round_number, duty.chunk)
    return federation.settle if duty.call == "settle" else federation.advance


def _aggregation(federation: Federation, round_number: int, chunk: int) -> Callable[[], Receipt]:
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
    return partial(federation.aggregate, chunk, labels, proofs)


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
