"""kill -9 of the chain, the orchestrator, and of everything at once, in every phase.

The chain's state is kept, but for its last fraction of a second; nobody is there to help.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import aftermath
import pytest
from company import Company, company
from kept_chain import KeptChain, kept_chain
from local import wait_until
from orchestrators import orchestrators
from party import Home

DOWN_S = 1.0
# What begins each phase: an event of which so many must have come.
PHASES = [("Registered", 2), ("Committed", 2), ("Revealed", 2), ("ChunkAggregated", 1)]
SETTINGS = {"transaction_timeout_s": 30, "patience_s": 120}


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[KeptChain]:
    """A chain that may be killed."""
    with kept_chain(tmp_path / "chain") as chain:
        yield chain


@pytest.fixture
def build(chain: KeptChain, home: Home, tmp_path: Path) -> Iterator[Callable[..., Company]]:
    """Companies on that chain: ``build(**task_fields)``."""
    with (
        orchestrators(chain.node, tmp_path) as prepare,
        company(chain.node, prepare, home, tmp_path) as build,
    ):
        yield build


def await_events(played: Company, name: str, n_events: int) -> None:
    """Wait until the chain has so many events of a name."""
    start = played.stage.deployment.deploy_block

    def has_come() -> bool:
        running = [
            w.is_running() or "balance_withdrawn" in w.said() for w in played.workers.values()
        ]
        assert all(running), "".join(worker.said() for worker in played.workers.values())
        return len(played.stage.deployer.events(start, names=[name])) >= n_events

    wait_until(has_come, lambda: "".join(worker.said() for worker in played.workers.values()))


def test_a_chain_that_is_killed_in_every_phase_is_waited_for(
    chain: KeptChain, build: Callable[..., Company]
) -> None:
    """Workers and orchestrator go on by themselves, and do again what was lost."""
    played = build(rounds=1)
    played.start(**SETTINGS)
    for name, n_events in PHASES:
        await_events(played, name, n_events)
        chain.kill()
        time.sleep(DOWN_S)
        chain.start()
    played.end()
    aftermath.check(played.stage, set())
    for worker in played.workers.values():
        assert "node_did_not_answer" in worker.said()
    assert played.orchestrator.wait_for_round(1, "settled")["revealed"] == 4


def test_an_orchestrator_that_is_killed_in_every_phase_goes_on(
    chain: KeptChain, build: Callable[..., Company]
) -> None:
    """It finds its federation on the chain; once it is killed for good, workers keep."""
    played = build(rounds=1)
    played.start(**SETTINGS, keeper_grace_s=3)
    for name, n_events in PHASES[:2]:
        await_events(played, name, n_events)
        played.orchestrator.kill()
        played.orchestrator.start()
    await_events(played, "Revealed", 1)
    played.orchestrator.kill()  # for good
    played.end()
    aftermath.check(played.stage, set())
    assert any(worker.events("keeper_missing") for worker in played.workers.values())


def test_everything_killed_at_once_in_every_phase_starts_again(
    chain: KeptChain, build: Callable[..., Company]
) -> None:
    """Chain, orchestrator and workers, in any order; no deposit is lost."""
    played = build(rounds=1)
    played.start(**SETTINGS)

    def kill_all() -> None:
        for worker in played.workers.values():
            if worker.is_running():
                worker.kill()
        played.orchestrator.kill()
        chain.kill()

    def start_all() -> None:
        for worker in played.workers.values():
            worker.start()
        played.orchestrator.start()
        chain.start()

    for name, n_events in PHASES:
        await_events(played, name, n_events)
        kill_all()
        start_all()
    played.end()
    aftermath.check(played.stage, set())
