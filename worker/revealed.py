"""What everybody revealed in a round, as votes, checked against what the contract keeps."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services import assignment, wire
from services.chain import Federation
from services.errors import RoundError
from services.task import Task


def revealed_votes(federation: Federation, task: Task, round_number: int) -> npt.NDArray[np.uint16]:
    """How many workers gave each class to each sample of a round: uint16 [m, C].

    Labels come from the contract's events and are checked against the Merkle roots that it keeps,
    which also tells, in a round with committees, which chunks a worker labelled.

    Raises:
        RoundError: the node shows other labels than were revealed.
    """
    sizes = wire.chunk_sizes(task.samples_per_round, task.chunk_samples)
    events = federation.round_events(round_number, ["RoundOpened", "Revealed"])
    n = next(event.args["workers"] for event in events if event.name == "RoundOpened")
    shares = possible_shares(n, task.committee, len(sizes))
    votes = np.zeros((task.samples_per_round, task.classes), np.uint16)
    for event in events:
        if event.name != "Revealed":
            continue
        worker = event.args["worker"]
        root = federation.labels_root_of(round_number, worker)
        parts = _parts(event.args["labels"], shares, sizes, task.classes, root)
        if parts is None:
            raise RoundError(
                f"round {round_number}: the node shows other labels of {worker} than it revealed; "
                "use another node (FEDSERUM_RPC_URL)"
            )
        for chunk, labels in parts.items():
            start = chunk * task.chunk_samples
            rows = start + np.flatnonzero(labels < task.classes)
            votes[rows, labels[labels < task.classes]] += 1
    return votes


def possible_shares(n: int, committee: int, n_chunks: int) -> list[tuple[int, ...]]:
    """The sets of chunks that a worker may have had to label in a round of n workers."""
    if assignment.is_everyone(n, committee):
        return [tuple(range(n_chunks))]
    chunks_of: dict[int, list[int]] = {position: [] for position in range(n)}
    for chunk in range(n_chunks):
        for position in assignment.members(chunk, n, committee):
            chunks_of[position].append(chunk)
    return sorted({tuple(chunks) for chunks in chunks_of.values()})


def _parts(
    data: bytes,
    shares: Sequence[tuple[int, ...]],
    sizes: Sequence[int],
    classes: int,
    root: bytes,
) -> dict[int, wire.Labels] | None:
    """The labels of each chunk, for the share whose Merkle root is the one on chain."""
    for share in shares:
        lengths = [wire.packed_bytes(classes, sizes[chunk]) for chunk in share]
        if sum(lengths) != len(data):
            continue
        ends = np.cumsum(lengths).tolist()
        pieces = [data[end - length : end] for end, length in zip(ends, lengths, strict=True)]
        leaves = [wire.labels_leaf(*each) for each in zip(share, pieces, strict=True)]
        if wire.merkle_root(leaves) == root:
            return {
                chunk: wire.unpack(piece, classes, sizes[chunk])
                for chunk, piece in zip(share, pieces, strict=True)
            }
    return None
