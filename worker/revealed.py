"""What everybody revealed in a round, as labels, checked against what the contract keeps."""

from collections.abc import Sequence

import numpy as np

from services import assignment, wire
from services.chain import Federation
from services.errors import RoundError
from services.samples import FloatArray
from services.task import Task


def revealed_labels(federation: Federation, task: Task, round_number: int) -> wire.Labels:
    """The labels of a round, uint16 [n, m]: a row for each worker that revealed.

    ABSTAIN where a worker abstained or was not asked. Labels come from the contract's events and
    are checked against the Merkle roots that it keeps. A root also tells which chunks its worker
    was dealt, so that no node has to remember the committees of a round that is over.

    Raises:
        RoundError: the node shows other labels than were revealed.
    """
    sizes = wire.chunk_sizes(task.samples_per_round, task.chunk_samples)
    opened, *revealed = federation.round_events(round_number, ["RoundOpened", "Revealed"])
    shares = possible_shares(opened.args["workers"], task.committee, len(sizes))
    shape = len(revealed), task.samples_per_round
    labels = np.full(shape, wire.abstain(task.classes), np.uint16)
    for row, event in zip(labels, revealed, strict=True):
        worker = event.args["worker"]
        root = federation.labels_root_of(round_number, worker)
        parts = _parts(event.args["labels"], shares, sizes, task.classes, root)
        if parts is None:
            raise RoundError(
                f"round {round_number}: the node shows other labels of {worker} than it revealed; "
                "use another node (FEDSERUM_RPC_URL)"
            )
        for chunk, part in parts.items():
            start = chunk * task.chunk_samples
            row[start : start + sizes[chunk]] = part
    return labels


def peer_frequencies(
    federation: Federation, round_number: int, me: str, classes: int
) -> FloatArray | None:
    """R(x) of a round, [C]: how often each class is among the labels that others revealed (Eq. 3).

    None where nobody else revealed a label.
    """
    counts = np.zeros(classes)
    for event in federation.round_events(round_number, ["Revealed"]):
        if event.args["worker"] != me:
            counts += event.args["labelCount"]
    return counts / counts.sum() if counts.any() else None


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
