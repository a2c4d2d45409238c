"""A round's votes, read from a real chain after it settled."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from services import wire
from services.keeper import due, perform
from worker.revealed import peer_frequencies, revealed_labels

SIZES = [512, 512, 76]
NONE = wire.abstain(10)


def settle(stage: Any) -> None:
    """Do what is due until the round, or the federation, is over."""
    round_number = stage.deployer.round()
    while (duty := due(stage.deployer)) is not None and duty.round_number == round_number:
        assert perform(stage.deployer, duty) is not None


def play(stage: Any, n_revealing: int, seed: int) -> tuple[dict[str, list[int]], dict[str, Any]]:
    """One round in which the first workers reveal; chunks and openings of those, by address."""
    openings = stage.commit_all(seed)
    chunks, revealed = {}, {}
    for worker, opening in list(zip(stage.workers, openings, strict=True))[:n_revealing]:
        address = worker.account.address
        chunks[address], revealed[address] = stage.assigned_chunks(worker), opening
        stage.reveal(worker, opening)
    return chunks, revealed


def given(opening: Any, chunks: list[int]) -> np.ndarray:
    """A worker's labels [m], ABSTAIN in the chunks that it was not dealt."""
    labels, data = np.full(sum(SIZES), NONE), opening.labels
    for chunk in chunks:
        end, first = wire.packed_bytes(10, SIZES[chunk]), sum(SIZES[:chunk])
        labels[first : first + SIZES[chunk]] = wire.unpack(data[:end], 10, SIZES[chunk])
        data = data[end:]
    return labels


@pytest.mark.parametrize("committee", [0, 2])
def test_the_votes_are_what_was_revealed(
    federation: Callable[..., Any], node: Any, committee: int
) -> None:
    """Of a round that is over, while the next has other committees; one worker withheld."""
    stage = federation(
        6, committee=committee, rounds=2, samples_per_round=sum(SIZES), chunk_samples=512
    )
    stage.register_all()
    chunks, revealed = play(stage, len(stage.workers) - 1, seed=0)
    node.pass_time(stage.task.reveal_seconds)
    settle(stage)
    assert stage.deployer.round() == 2

    votes = revealed_labels(stage.deployer, stage.task, 1)
    expected = [given(revealed[address], chunks[address]) for address in revealed]
    assert votes.tolist() == [row.tolist() for row in expected]
    assert (votes == NONE).any()


def test_frequencies_are_those_of_the_others_labels(federation: Callable[..., Any]) -> None:
    """Without the worker's own; none before anybody revealed."""
    stage = federation(4, rounds=2, samples_per_round=sum(SIZES), chunk_samples=512)
    stage.register_all()
    me = stage.workers[0].account.address
    assert peer_frequencies(stage.deployer, 1, me, 10) is None
    _, revealed = play(stage, 4, seed=1)
    counts = sum(np.array(one.label_count) for who, one in revealed.items() if who != me)
    found = peer_frequencies(stage.deployer, 1, me, 10)
    assert found is not None
    assert found.tolist() == (counts / counts.sum()).tolist()
