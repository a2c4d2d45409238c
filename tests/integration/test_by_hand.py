"""The verbs by hand on a real contract: what each does, what it refuses, what may be repeated.

The test plays the other members. `test_by_hand_round.py` has the same as processes.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Deployed, Opening
from nodes import ETHER, Node

from hand import verbs
from hand.predictions import NO_LABEL
from hand.standing import ether
from hand.status import status
from services import wire
from services.chain import Federation, Phase
from services.errors import (
    ChainError,
    FedserumError,
    JournalError,
    LabelsError,
    MembershipError,
    RoundError,
)
from services.keeper import due, perform
from services.task import WAD
from worker.journal import Journal
from worker.steps import Steps

Build = Callable[..., Deployed]


def steps_of(stage: Deployed, folder: Path, index: int = 0) -> Steps:
    """A member's steps, with a journal in a folder."""
    federation, chain = stage.workers[index], stage.chain
    assert federation.account is not None
    journal = Journal(folder, chain.chain_id(), chain.genesis_hash(), federation.address)
    return Steps(federation, federation.account, stage.task, journal)


def keep(stage: Deployed) -> None:
    """Make every call that is due."""
    while (duty := due(stage.deployer)) is not None:
        perform(stage.deployer, duty)


def some_codes(stage: Deployed, seed: int = 0) -> Any:
    """Predictions of a round, some of them abstentions."""
    m, classes = stage.task.samples_per_round, stage.task.classes
    return np.random.default_rng(seed).integers(NO_LABEL, classes, size=m)


def others_commit(stage: Deployed) -> dict[int, Opening]:
    """Commit for all members but the first."""
    rng = np.random.default_rng(1)
    openings = {}
    for index, worker in list(enumerate(stage.workers))[1:]:
        openings[index] = stage.label(worker, rng)
        worker.commit(openings[index].commitment)
    return openings


def others_reveal(stage: Deployed, openings: dict[int, Opening]) -> None:
    """Reveal them."""
    for index, opening in openings.items():
        stage.reveal(stage.workers[index], opening)


def refused(kind: type[FedserumError], verb: Callable[..., str], *arguments: Any) -> str:
    """Why a verb refuses."""
    with pytest.raises(kind) as caught:
        verb(*arguments)
    return str(caught.value)


def nonce(steps: Steps) -> int:
    """How many transactions an account has sent."""
    return steps.federation.chain.w3.eth.get_transaction_count(steps.account.address)


def test_every_step_of_a_round_may_be_repeated(federation: Build, tmp_path: Path) -> None:
    """Registered, committed, revealed and paid once, and each verb says what comes next."""
    stage = federation()
    steps, me = steps_of(stage, tmp_path), stage.members[0]
    codes = some_codes(stage)
    assert status(steps).endswith("next        fedserum register")

    def repeated(verb: Callable[..., str], *arguments: Any) -> tuple[str, str]:
        first, n_sent = verb(*arguments), nonce(steps)
        second = verb(*arguments)
        assert nonce(steps) == n_sent
        return first, second

    first, second = repeated(verbs.register, steps, None)
    assert f"{me} is registered with a deposit of 1 ether" in first
    assert "registered already" in second
    for worker in stage.workers[1:]:
        steps_of(stage, tmp_path / "others", stage.workers.index(worker)).register(None)
    assert "fedserum commit predictions.npy" in status(steps)

    first, second = repeated(verbs.commit, steps, codes, None)
    n_labels = int((codes != NO_LABEL).sum())
    assert f"{n_labels} labels and {len(codes) - n_labels} abstentions" in first
    assert "already committed to these labels" in second
    assert "already committed" in verbs.commit(steps, None, None)
    assert "next: wait for the reveals: from 20" in second
    openings = others_commit(stage)
    assert "already committed" in verbs.commit(steps, codes, None)  # also in the next phase
    assert "next        fedserum reveal, before 20" in status(steps)

    first, second = repeated(verbs.reveal, steps)
    assert "round 1: revealed in 0x" in first
    assert "revealed already" in second
    others_reveal(stage, openings)
    assert "the round can be settled and waits for aggregate" in status(steps)
    assert verbs.keep(stage.workers[0]) == "made: aggregate 0, aggregate 1, aggregate 2, settle"
    assert verbs.keep(stage.workers[0]) == "nothing is due; nothing was sent"

    balance = stage.deployer.balance_of(me)
    assert "closed after round 1" in status(steps)
    reward = ether(stage.deployer.reward_of(1, me))
    assert f"reward      {reward} ether in round 1" in status(steps)
    first, second = repeated(verbs.withdraw, steps)
    assert f"withdrew {ether(balance)} ether" in first
    assert "withdrawn already" in second
    assert stage.deployer.balance_of(me) == 0


def test_other_labels_than_those_committed_or_journalled_are_refused(
    federation: Build, tmp_path: Path
) -> None:
    """A commitment may be on its way from the moment that there is a journal."""
    stage = federation()
    stage.register_all()
    steps, n_sent = steps_of(stage, tmp_path), nonce(steps_of(stage, tmp_path))
    mine, other = some_codes(stage, 0), some_codes(stage, 1)
    assert "the journal has no labels yet" in refused(LabelsError, verbs.commit, steps, None, None)
    assert "299 rows" in refused(LabelsError, verbs.commit, steps, mine[:299], None)
    assert not steps.journal.has_entries()

    # What a process leaves that is killed before its commit is sent.
    of_round = np.where(mine == NO_LABEL, wire.abstain(10), mine).astype(np.uint16)
    chunks = steps.assigned_chunks()
    packed = steps.pack([of_round[rows] for rows in steps.rows(chunks)])
    entry = steps.journal.write(1, *packed, chunks)
    message = refused(RoundError, verbs.commit, steps, other, None)
    assert "the journal holds other labels than this file" in message
    assert str(steps.journal.folder / "round-1.json") in message
    assert "fedserum commit: labels are in the journal" in status(steps)
    assert nonce(steps) == n_sent

    verbs.commit(steps, mine, None)
    assert steps.federation.commitment_of(1, steps.account.address) == steps.commitment(1, entry)
    message = refused(RoundError, verbs.commit, steps, other, None)
    assert "already committed, to other labels than this file's" in message
    elsewhere = steps_of(stage, tmp_path / "elsewhere")
    assert "does not open our commitment" in refused(
        JournalError, verbs.commit, elsewhere, mine, None
    )


def test_what_is_too_early_or_too_late_says_when_and_what_else(
    federation: Build, node: Node, tmp_path: Path
) -> None:
    """No verb sends anything that the contract would refuse."""
    stage = federation(5, registration_seconds=300, commit_seconds=60)
    steps, late = steps_of(stage, tmp_path / "0"), steps_of(stage, tmp_path / "4", 4)
    account = node.new_account()
    own = Federation(stage.chain, stage.deployment.contract, account)
    stranger = replace(steps, account=account, federation=own)
    assert "is not a member" in refused(MembershipError, verbs.register, stranger, None)
    for index in range(4):
        verbs.register(steps_of(stage, tmp_path / str(index), index), None)
    codes = some_codes(stage)
    for verb, arguments in (
        (verbs.commit, (codes, None)),
        (verbs.reveal, ()),
        (verbs.withdraw, ()),
    ):
        assert "(registration until 20" in refused(RoundError, verb, steps, *arguments)
    assert "next: fedserum register" in refused(RoundError, verbs.reveal, late)
    assert "round 1 is not settled; 0 of 1" in refused(
        RoundError, verbs.labels, stage.deployer, None, tmp_path / "global.npy", None
    )

    node.pass_time(300)
    assert "registration is closed" in refused(RoundError, verbs.register, late, None)
    assert "the phase is over and waits for advance" in status(steps)
    assert verbs.keep(steps.federation) == "made: advance"
    for verb, arguments in (
        (verbs.register, (None,)),
        (verbs.commit, (codes, None)),
        (verbs.reveal, ()),
        (verbs.leave, ()),
    ):
        message = refused(RoundError, verb, late, *arguments)
        assert f"{stage.members[4]} is not registered and registration is closed" in message

    verbs.commit(steps, codes, None)
    message = refused(RoundError, verbs.reveal, steps)
    assert "round 1 of 1, commit until 20" in message
    assert "next: wait for the reveals: from 20" in message
    message = refused(RoundError, verbs.leave, steps)
    assert "a worker may leave before round 1, and at the start of later rounds" in message
    assert "`fedserum leave` is for earlier" in refused(RoundError, verbs.withdraw, steps)


def test_who_reveals_too_late_is_told_so(federation: Build, node: Node, tmp_path: Path) -> None:
    """First that it is over, then that the deposit is gone."""
    stage = federation(5, min_workers=4, reveal_seconds=60)
    stage.register_all()
    steps = steps_of(stage, tmp_path)
    verbs.commit(steps, some_codes(stage), None)
    others_reveal(stage, others_commit(stage))
    node.pass_time(60)
    assert "revealed in a round's reveal phase only" in refused(RoundError, verbs.reveal, steps)
    keep(stage)
    for verb in (verbs.reveal, verbs.withdraw):
        assert "was slashed and is excluded" in refused(RoundError, verb, steps)
    assert "slashed and excluded for good" in status(steps)


def test_between_rounds_one_may_leave_with_the_balance(federation: Build, tmp_path: Path) -> None:
    """Before the first round, and in a later one before committing; not after it."""
    stage = federation(5, rounds=2, reward_scale_wad=WAD // 10)
    steps, me = steps_of(stage, tmp_path), stage.members[0]
    verbs.register(steps, None)
    assert f"{me} left with 1 ether" in verbs.leave(steps)
    assert "is not registered, so it cannot leave" in refused(RoundError, verbs.leave, steps)
    stage.register_all()
    verbs.commit(steps, some_codes(stage), None)
    openings = others_commit(stage)
    assert "may leave before round 1" in refused(RoundError, verbs.leave, steps)
    verbs.reveal(steps)
    others_reveal(stage, openings)
    keep(stage)

    other = steps_of(stage, tmp_path / "other", 1)
    verbs.commit(other, some_codes(stage), None)
    assert "committed already; leave after it" in refused(RoundError, verbs.leave, other)
    balance, before = stage.deployer.balance_of(me), stage.chain.balance_wei(me)
    verbs.leave(steps)
    assert 0 < balance - (stage.chain.balance_wei(me) - before) < ETHER // 100  # the gas
    assert "has left" in refused(RoundError, verbs.commit, steps, some_codes(stage), None)


@pytest.mark.parametrize("committee", [0, 2])
def test_labels_and_votes_are_what_was_revealed(
    federation: Build, tmp_path: Path, committee: int
) -> None:
    """The majority with -1 where nobody voted, and the votes that it is of; also by committees."""
    stage = federation(6, committee=committee)
    stage.register_all()
    steps, task = steps_of(stage, tmp_path), stage.task
    codes = some_codes(stage)
    codes[:50] = NO_LABEL
    chunks = stage.assigned_chunks(stage.workers[0])
    verbs.commit(steps, codes, None)
    openings = others_commit(stage)
    expected = np.zeros((task.samples_per_round, task.classes), int)

    def count(worker: Federation, data: bytes) -> None:
        for chunk in stage.assigned_chunks(worker):
            size = wire.chunk_sizes(task.samples_per_round, task.chunk_samples)[chunk]
            n_bytes = wire.packed_bytes(task.classes, size)
            for row, label in enumerate(wire.unpack(data[:n_bytes], task.classes, size)):
                if label < task.classes:
                    expected[chunk * task.chunk_samples + row, label] += 1
            data = data[n_bytes:]

    for index, opening in openings.items():
        count(stage.workers[index], opening.labels)
    (entry,) = steps.journal.read(1)
    assert sum(entry.label_count) == sum(
        (codes[chunk * 256 : (chunk + 1) * 256] != NO_LABEL).sum() for chunk in chunks
    )
    count(stage.workers[0], entry.labels)
    verbs.reveal(steps)
    others_reveal(stage, openings)
    keep(stage)
    assert stage.deployer.phase() is Phase.CLOSED

    files = tmp_path / "global.npy", tmp_path / "votes.npy"
    said = verbs.labels(Federation(stage.chain, stage.deployment.contract), None, *files)
    assert "round 1: 600 global labels" in said
    labels, votes = (np.load(file) for file in files)
    assert votes.dtype == np.uint16
    assert (votes == expected).all()
    assert labels.dtype == np.int16
    is_voted = expected.any(1)
    assert (labels[is_voted] == expected.argmax(1)[is_voted]).all()
    assert (labels[~is_voted] == NO_LABEL).all()


def test_labels_that_a_node_forges_are_not_written(
    federation: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither majority nor votes are believed that do not hash to what the contract keeps."""
    stage = federation()
    stage.register_all()
    for worker, opening in zip(stage.workers, stage.commit_all(), strict=True):
        stage.reveal(worker, opening)
    keep(stage)
    honest = Federation.round_events

    def forge(name: str, field: str) -> None:
        def round_events(self: Federation, *arguments: Any) -> Any:
            events = honest(self, *arguments)
            event = next((event for event in events if event.name == name), None)
            if event is not None:
                event.args[field] = bytes(len(event.args[field]))
            return events

        monkeypatch.setattr(Federation, "round_events", round_events)

    files = tmp_path / "global.npy", tmp_path / "votes.npy"
    forge("ChunkAggregated", "globalLabels")
    assert "the node shows other global labels for chunk 0" in refused(
        ChainError, verbs.labels, stage.deployer, 1, *files
    )
    forge("Revealed", "labels")
    assert "the node shows other labels of 0x" in refused(
        RoundError, verbs.labels, stage.deployer, 1, *files
    )
    assert not any(file.exists() for file in files)
