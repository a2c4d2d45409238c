"""Containers are starved, paused, cut off, killed and lost, and nobody loses anything by it.

One federation of four plays all of it, a few faults a round, so the tests build on one another.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest
from compose_project import Stack, find_engine, logged, pause, removed_afterwards, wait_for
from docker.errors import APIError
from docker.models.containers import Container
from staged import (
    WORKER_LIMIT,
    Staged,
    await_said,
    has_restarted,
    limit,
    n_said,
    restarts,
    starve,
    state,
)

from audit.__main__ import audit
from services.chain import Phase
from services.settings import AuditSettings
from services.task import WAD

# The first build downloads torch.
pytestmark = [pytest.mark.stack, pytest.mark.timeout(1800)]

N_WORKERS = 4
N_ROUNDS = 4
SETTINGS = {
    "WORKERS": N_WORKERS,
    "ROUNDS": N_ROUNDS,
    "SAMPLES": 256,
    "PRIVATE_SAMPLES": 2000,
    "EPOCHS": 40,  # long enough to be killed in
    "DISTILL_EPOCHS": 1,
    "REWARD_DECAY": 0.5,
    "POLL_S": 0.5,
    "RPC_TIMEOUT_S": 2,
    "KEEPER_GRACE_S": 3,
}
TOO_LITTLE = 64 << 20  # bytes in which no worker can start
BLOCKS_LOST = 2  # at most, by a kill of the chain


@pytest.fixture(scope="module")
def staged(request: pytest.FixtureRequest) -> Iterator[Staged]:
    """Four workers, just started; the first of them has too little memory."""
    stack = Stack(find_engine(), SETTINGS)
    with removed_afterwards(stack, request.session):
        stack.compose("up", "--no-start")
        staged = Staged(stack)
        staged.find_workers()
        limit(staged.workers[0], TOO_LITTLE)
        stack.compose("up", "--detach")
        staged.find_contract()
        yield staged
        for container in stack.containers():
            with suppress(APIError):
                container.unpause()


def test_killed_for_want_of_memory_or_by_hand_a_worker_goes_on(staged: Staged) -> None:
    """By the kernel at its start, again and again, and in training; another one in Commit."""
    starved, killed, *_ = staged.workers
    wait_for("two kills", lambda: staged.n_killed_for_memory(starved) >= 2, 60)
    limit(starved, WORKER_LIMIT)

    await_said(starved, "training_started")
    n_restarts, n_kills = restarts(starved), staged.n_killed_for_memory(starved)
    starve(starved)
    wait_for("a kill more", lambda: staged.n_killed_for_memory(starved) > n_kills, 30)

    await_said(killed, "labels_committed")
    killed.kill()
    staged.require_commit(1)  # the other one trains
    assert state(killed) == ("exited", 137)
    assert restarts(killed) == 0  # what was asked for is not undone
    killed.start()
    await_said(killed, "worker_started", 2)

    staged.hold_next(1)
    staged.require_settled(1)
    for container in (starved, killed):
        starts = [line for line in logged(container) if line["event"] == "worker_started"]
        assert len({line["address"] for line in starts}) == 1
        assert n_said(container, "labels_committed") == 1
    assert restarts(starved) == n_restarts + 1
    assert (n_said(starved, "training_started"), n_said(starved, "model_trained")) == (2, 1)


def test_a_worker_or_the_orchestrator_is_cut_off(staged: Staged) -> None:
    """A worker commits once it has the network again; without the orchestrator workers keep."""
    cut, *_, straggler = staged.workers
    with (
        staged.without_network(cut),
        staged.everybody_says("node_did_not_answer", [cut]),
    ):
        pass
    staged.await_committed(2, straggler)

    with staged.without_network(staged.orchestrator):
        straggler.unpause()
        staged.hold_next(2)
        staged.require_settled(2)
    assert sum(n_said(worker, "keeper_missing", round=2) for worker in staged.workers) > 0
    wait_for("the index", lambda: staged.stack.get("/rounds/2")["phase"] == "settled", 60)


def test_the_chain_is_cut_off_and_a_worker_is_paused_in_reveal(staged: Staged) -> None:
    """Everybody waits for the chain, and the round for the paused one until its deadline."""
    *others, straggler = staged.workers
    orchestrator, paused = staged.orchestrator, others[0]
    with (
        staged.without_network(staged.chain),
        staged.everybody_says("chain_unready", [*others, orchestrator]),
    ):
        pass
    staged.await_committed(3, straggler)
    # As when the host goes down: asked to, both end with 0.
    for container in (orchestrator, staged.chain):
        n_restarts = restarts(container)
        container.exec_run(["sh", "-c", "kill $(cat /proc/1/task/1/children)"])
        wait_for("its restart", partial(has_restarted, container, n_restarts), 30)
    pause(paused)

    straggler.unpause()
    staged.hold_next(3)
    wait_for("the others' reveals", lambda: len(staged.named("Revealed", 3)) == 3, 60)
    assert staged.federation.phase() is Phase.REVEAL
    paused.unpause()
    staged.require_settled(3)


def test_orchestrator_chain_and_then_everything_is_killed(staged: Staged) -> None:
    """The chain keeps its blocks, a lost container's identity is another's, and all go on."""
    stack, (*others, straggler) = staged.stack, staged.workers
    staged.await_committed(4, straggler)
    staged.orchestrator.kill()
    kept = hex(int(stack.rpc("eth_blockNumber"), 16) - BLOCKS_LOST)
    block = stack.rpc("eth_getBlockByNumber", kept, True)
    staged.chain.kill()
    staged.chain.start()
    assert block == wait_for("the chain", lambda: stack.rpc("eth_getBlockByNumber", kept, True), 30)
    staged.orchestrator.start()
    staged.require_commit(4)

    straggler.unpause()
    wait_for("a reveal", lambda: staged.named("Revealed", 4), 60)
    everything = [*staged.workers, staged.orchestrator, staged.chain]
    with ThreadPoolExecutor(len(everything)) as pool:
        list(pool.map(Container.kill, everything))
    assert {state(each) for each in everything} == {("exited", 137)}
    new = staged.replace(others[1])
    staged.orchestrator.start()
    staged.chain.start()
    staged.require_settled(4)
    assert n_said(new, "model_trained") == 0  # nor is the model lost


def test_all_are_paid_and_end_and_the_audit_agrees(staged: Staged) -> None:
    """Every wei of the deposits is withdrawn or in the pot, and no finished worker is restarted."""

    def states() -> set[tuple[str, int]]:
        return {state(worker) for worker in staged.workers}

    wait_for("the workers' end", lambda: states() == {("exited", 0)}, 120)
    federation = staged.federation
    withdrawn = federation.events(0, names=["Withdrawn"])
    assert sorted(event.args["worker"] for event in withdrawn) == staged.addresses
    taken_wei = sum(event.args["amount"] for event in withdrawn)
    assert taken_wei + federation.pot() == N_WORKERS * WAD
    assert federation.chain.balance_wei(federation.address) == federation.pot()
    report = audit(AuditSettings(rpc_url=staged.stack.rpc_url, contract=federation.address))
    assert report.endswith("everything agrees\n")
    assert states() == {("exited", 0)}
