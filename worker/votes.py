"""A settled round's votes as the chain shows them: who gave which sample which label.

Anyone can read them from the ``Revealed`` events; this worker learns from more than the majority.
"""

import numpy as np
import numpy.typing as npt

from services import assignment, scoring, wire
from services.chain import Federation
from services.errors import LabelsError, RoundError
from services.task import Task

FloatArray = npt.NDArray[np.floating]


def read_votes(
    federation: Federation, task: Task, round_number: int, global_labels: wire.Labels
) -> scoring.Labels:
    """The labels of a settled round, uint16 [n, m]: one row for each worker that revealed.

    ABSTAIN where a worker abstained, or was not asked. Which chunks a worker was dealt is asked of
    the contract as it was when the first of them revealed.

    Args:
        federation: the contract.
        task: its task.
        round_number: a round that is settled.
        global_labels: its majority labels uint16 [m], which the votes must lead to.

    Raises:
        RoundError: the node shows labels that are malformed, or have another majority.
        ChainError: the node cannot answer, such as for a committee from state it no longer keeps.
    """
    events = federation.round_events(round_number, ["RoundOpened", "Revealed"])
    revealed = [event for event in events if event.name == "Revealed"]
    sizes = wire.chunk_sizes(task.samples_per_round, task.chunk_samples)
    committees: list[list[str]] | None = None
    if revealed and not assignment.is_everyone(events[0].args["workers"], task.committee):
        then = Federation(federation.chain, federation.address, at_block=revealed[0].block_number)
        committees = [then.committee_of(chunk) for chunk in range(len(sizes))]
    no_label = wire.abstain(task.classes)
    votes = np.full((len(revealed), task.samples_per_round), no_label, np.uint16)
    for row, event in zip(votes, revealed, strict=True):
        data, first = event.args["labels"], 0
        for chunk, size in enumerate(sizes):
            if committees is None or event.args["worker"] in committees[chunk]:
                end = wire.packed_bytes(task.classes, size)
                try:
                    row[first : first + size] = wire.unpack(data[:end], task.classes, size)
                except LabelsError as error:
                    raise _other_votes(round_number, str(error)) from error
                data = data[end:]
            first += size
    found = scoring.majority(scoring.vote(votes, task.classes), no_label)
    n_other = int((found != global_labels).sum())
    if n_other:
        raise _other_votes(round_number, f"another majority for {n_other} samples")
    return votes


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


def _other_votes(round_number: int, found: str) -> RoundError:
    return RoundError(
        f"round {round_number}: the node shows other votes than the contract settled: expected "
        f"those that lead to its global labels, found {found}; use another node (FEDSERUM_RPC_URL)"
    )
