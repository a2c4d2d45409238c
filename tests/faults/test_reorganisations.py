"""The chain takes blocks back: what was in them is done again, and what is on the chain counts.

Anvil forgets the transactions of blocks that it takes back; where they are to come back, as other
nodes have them do, the test puts them into the new blocks.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aftermath
import numpy as np
import pytest
from company import Company, company, predictions_of
from conftest import Deployed
from local import wait_until
from nodes import Node
from orchestrators import Prepare
from party import Home, Party, parties

from services import wire
from services.chain import Event
from worker.journal import Entry, Journal

DEEPEST = 5
SOON = {"transaction_timeout_s": 9}  # a transaction that no node knows is sent anew after a third

# (how many events of a name make the moment, the name, blocks to take back, whether they come back)
MOMENTS = [
    (4, "Registered", 1, False),
    (4, "Committed", 2, False),
    (4, "Revealed", 3, True),
    (2, "ChunkAggregated", 4, False),
    (1, "RoundSettled", 5, False),
    (8, "Committed", 5, True),
    (8, "Revealed", 4, False),
    (4, "ChunkAggregated", 3, False),
    (2, "RoundSettled", 2, False),
]


def events_of(stage: Deployed) -> list[Event]:
    """All events of the federation that the chain has now."""
    return stage.deployer.events(stage.deployment.deploy_block)


def raw_transactions(node: Node, hashes: list[str]) -> list[str]:
    """Signed transactions, for `anvil_reorg`."""
    return [node.rpc("eth_getRawTransactionByHash", each) for each in hashes]


def undo(node: Node, stage: Deployed, depth: int, come_back: bool) -> int:
    """Replace the last blocks, while no other is made; how many events were undone."""
    node.rpc("evm_setAutomine", False)
    undone = [e for e in events_of(stage) if e.block_number > stage.chain.block_number() - depth]
    hashes = list(dict.fromkeys(event.transaction_hash for event in undone))
    # The first new block has the randomness of the old one; the second has its own.
    place = min(1, depth - 1)
    back = [[raw, place] for raw in raw_transactions(node, hashes)] if come_back else []
    node.rpc("anvil_reorg", depth, back)
    left = {event.transaction_hash for event in events_of(stage)}
    assert left.isdisjoint(hashes) is not come_back
    node.rpc("evm_setAutomine", True)
    node.rpc("evm_mine")
    return len(undone)


def shown(played: Company) -> list[Any]:
    """What the orchestrator tells of the whole federation."""
    rounds = range(1, played.stage.task.rounds + 1)
    paths = ["/federation", "/workers", *(f"/rounds/{n}" for n in rounds)]
    paths += [f"/rounds/{n}/labels" for n in rounds]
    return [played.orchestrator.get(path).json() for path in paths]


def test_whatever_is_undone_is_done_again(
    start_node: Callable[..., Node], prepare: Prepare, home: Home, tmp_path: Path
) -> None:
    """Right after each step of two rounds; the index has the new chain only, as if built anew."""
    node = start_node()
    with company(node, prepare, home, tmp_path) as build:
        played = build(rounds=2)
        stage, orchestrator = played.stage, played.orchestrator
        for _ in range(DEEPEST):
            node.rpc("evm_mine")
        played.start(**SOON)
        for n_events, name, depth, come_back in MOMENTS:

            def has_come(n_events: int = n_events, name: str = name) -> bool:
                return sum(event.name == name for event in events_of(stage)) >= n_events

            wait_until(has_come, lambda: "".join(w.said() for w in played.workers.values()))
            assert undo(node, stage, depth, come_back) > 0
        played.end()
        orchestrator.wait_for_round(2, "settled")
        # Whose withdrawal was undone when it had ended need only be started again.
        for index, worker in played.workers.items():
            if stage.deployer.balance_of(played.party.address(index)):
                worker.start()
                assert worker.end() == 0, worker.said()
        assert not any(stage.deployer.balance_of(member) for member in stage.members)
        aftermath.check(stage, set())
        for worker in played.workers.values():
            told = map(json.loads, worker.log_file.read_text().splitlines())
            learnt = [event["round"] for event in told if event["event"] == "round_learnt"]
            assert learnt == [1, 2]  # though round 1 was settled twice
        head = stage.chain.block_number()
        orchestrator.wait_for("/ready", lambda found: found.json().get("indexed_block") == head)
        before = shown(played)
        orchestrator.kill()
        orchestrator.start_ready()
        assert shown(played) == before


@pytest.fixture
def alone(
    start_node: Callable[..., Node],
    federation: Callable[..., Deployed],
    home: Home,
    tmp_path: Path,
) -> Any:
    """One worker process that labels one of two chunks, and three members whom the test plays."""
    with parties(start_node(), federation, home, tmp_path) as build:
        party = build(committee=2)
        party.worker(model=predictions_of(home, tmp_path / "predictions"), **SOON)
        yield party


def chunks_of(party: Party) -> list[int]:
    """What the worker labels in the round that is on."""
    return party.stage.assigned_chunks(party.stage.workers[0])


def entries(party: Party) -> list[Entry]:
    """The worker's journal of round 1, the latest entry first."""
    path = party.journal()
    assert path is not None
    chain, contract = party.stage.chain, party.stage.deployment.contract
    state = path.parents[1]
    return Journal(state, chain.chain_id(), chain.genesis_hash(), contract).read(1)


def committed(party: Party) -> list[str]:
    """The transactions by which the worker is in, and has committed."""
    names, me = ("Registered", "Committed"), party.address(0)
    return [
        event.transaction_hash
        for event in events_of(party.stage)
        if event.name in names and event.args["worker"] == me
    ]


def test_other_chunks_are_labelled_anew_and_old_commitments_stay_open(alone: Party) -> None:
    """The opening of a round deals out chunks; undone, it deals out others.

    What was committed to for the first ones may still come back, and is revealed then.
    """
    party, stage, node = alone, alone.stage, alone.node
    worker, me = party.processes[0], party.address(0)
    party.register()
    worker.start()
    party.await_commit()
    first_chunks, (first,) = chunks_of(party), entries(party)
    assert first.chunks == first_chunks
    old = raw_transactions(node, committed(party))

    def commitment(entry: Entry) -> bytes:
        return stage.commitment(stage.workers[0], 1, entry.labels, entry.label_count, entry.salt)

    for _ in range(20):  # the ring is a matter of luck
        assert undo(node, stage, 2, come_back=False) == 3  # with the opening of the round
        party.await_commit()
        if chunks_of(party) != first_chunks:
            break
    second, *earlier = entries(party)
    assert second.chunks == chunks_of(party) != first_chunks
    assert earlier == [first]
    assert second.salt != first.salt
    labels = [256 * chunk + np.arange(256) for entry in (second, first) for chunk in entry.chunks]
    for entry, expected in zip((second, first), labels, strict=True):
        assert wire.unpack(entry.labels, 10, 256).tolist() == (expected % 10).tolist()
    assert stage.deployer.commitment_of(1, me) == commitment(second)

    # The first commitment comes back, into a round that deals out the second chunks.
    for _ in range(20):
        node.rpc("anvil_reorg", 3, [[raw, 1] for raw in old])
        assert stage.deployer.commitment_of(1, me) == commitment(first)
        if chunks_of(party) != first_chunks:
            break
    assert chunks_of(party) != first_chunks
    party.commit()
    party.await_reveal()
    party.reveal()
    party.keep()
    assert worker.end() == 0, worker.said()
    (revealed,) = [e for e in party.events("Revealed") if e["worker"] == me]
    assert revealed["labels"] == first.labels
    aftermath.check(party, set())
