"""Which chunk size to choose: among those that the contract accepts, what comes out cheapest."""

import math
from collections.abc import Callable, Iterator

from cost.play import play, why_refused
from services.errors import ContractRevertError, CostError
from services.task import Task
from services.wire import GROUP_SAMPLES

# The kernel works on eight groups at a time.
BLOCK_SAMPLES = 8 * GROUP_SAMPLES

Refusal = Callable[[Task], ContractRevertError | None]


def cheapest(task: Task, abstention: float, refusal: Refusal = why_refused) -> Task:
    """The task with the chunk size that makes a round cheapest.

    Args:
        task: its own chunk size does not matter.
        abstention: share of samples that a worker does not label.
        refusal: what the contract has against a task.

    Raises:
        CostError: the contract accepts no chunk size for it.
    """
    candidates = permitted(task, refusal)
    if len(candidates) == 1:
        return candidates[0]
    return min(candidates, key=lambda candidate: _estimate(candidate, abstention))


def permitted(task: Task, refusal: Refusal = why_refused) -> list[Task]:
    """The task with as few chunks as the contract accepts: even ones, and those of whole blocks.

    Raises:
        CostError: there are none.
    """
    samples, refused = task.samples_per_round, None
    n_chunks = -(-task.max_workers // task.committee) if task.committee else 1
    most = math.ceil(samples / GROUP_SAMPLES)
    while n_chunks <= most:
        found = []
        for size in _sizes(samples, n_chunks):
            candidate = task.model_copy(update={"chunk_samples": size})
            why = refusal(candidate)
            if why is None:
                found.append(candidate)
            else:
                refused = why
        if any(-(-samples // each.chunk_samples) == n_chunks for each in found):
            return found
        n_chunks = _more_chunks(refused, n_chunks)
    raise CostError(_advice(task, refused))


def _sizes(samples: int, n_chunks: int) -> Iterator[int]:
    """Chunk sizes that make about that many chunks: even ones, then whole blocks, more and less."""
    even = math.ceil(samples / n_chunks / GROUP_SAMPLES) * GROUP_SAMPLES
    less = even // BLOCK_SAMPLES * BLOCK_SAMPLES
    yield even
    if even > less:
        yield less + BLOCK_SAMPLES
        if less > 0:
            yield less


def _more_chunks(refused: ContractRevertError | None, n_chunks: int) -> int:
    """How many chunks to try next: what a refused `aggregate` lacks says how far it is off.

    Raises:
        CostError: no number of chunks will help.
    """
    if refused is not None and refused.name == "TooFewSeats":
        return n_chunks + 1
    if refused is None or not refused.name.startswith("Transaction"):
        raise CostError(f"the contract accepts no such task: {refused}")
    if refused.args_by_name["name"] == "reveal":
        return n_chunks + 1 + n_chunks // 8
    *_, most, needed = refused.args_by_name.values()
    return max(n_chunks + 1, int(0.7 * n_chunks * int(str(needed)) / int(str(most))))


def _advice(task: Task, refused: ContractRevertError | None) -> str:
    return (
        f"no chunk size fits {task.max_workers} workers that label {task.samples_per_round} "
        f"samples of {task.classes} classes: {refused}; take fewer samples per round, fewer "
        "workers, or a committee (--committee), where only so many workers label a chunk"
    )


def _estimate(task: Task, abstention: float) -> float:
    """Gas of a round, the first chunk standing for all."""
    used = 0.0
    for transaction in play(task, 1, abstention):
        if transaction.function == "aggregate":
            return used + transaction.gas * task.samples_per_round / task.chunk_samples
        used += transaction.gas
    return used
