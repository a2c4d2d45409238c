"""Containers are starved, paused, cut off, killed and lost, and nobody loses anything by it.

One federation of four plays all of it, a few faults a round, so the tests build on one another.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from compose_project import Stack, find_engine, logged, pause, removed_afterwards, wait_for
from docker.errors import APIError
from docker.models.containers import Container
from staged import WORKER_LIMIT, Staged, await_said, limit, n_said, restarts, starve, state

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
    "PRIVATE_SAMPLES": 4000,
    "EPOCHS": 20,  # long enough to be killed in
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
    starved, killed, _, straggler = staged.workers
    await_said(straggler, "worker_registered")
    pause(straggler)
    wait_for("two kills", lambda: staged.n_killed_for_memory(starved) >= 2, 60)
    limit(starved, WORKER_LIMIT)

    await_said(starved, "training_started")
    n_restarts, n_kills = restarts(starved), staged.n_killed_for_memory(starved)
    starve(starved)
    await_said(starved, "training_started", 2)
    assert restarts(starved) == n_restarts + 1
    assert staged.n_killed_for_memory(starved) > n_kills

    await_said(killed, "labels_committed")
    killed.kill()
    assert state(killed) == ("exited", 137)
    assert restarts(killed) == 0  # what was asked for is not undone
    killed.start()
    await_said(killed, "worker_started", 2)
    staged.require_commit(1)

    staged.release(1)
    staged.require_settled(1)
    for container in (starved, killed):
        starts = [line for line in logged(container) if line["event"] == "worker_started"]
        assert len({line["address"] for line in starts}) == 1
        assert n_said(container, "labels_committed") == 1
    assert n_said(starved, "model_trained") == 1


def test_a_worker_or_the_orchestrator_is_cut_off(staged: Staged) -> None:
    """A worker commits once it has the network again; without the orchestrator workers keep."""
    cut = staged.workers[0]
    with (
        staged.without_network(cut),
        staged.everybody_says("node_did_not_answer", [cut]),
    ):
        pass
    await_said(cut, "labels_committed", round=2)
    staged.require_commit(2)

    with staged.without_network(staged.orchestrator):
        staged.release(2)
        staged.require_settled(2)
    assert sum(n_said(worker, "keeper_missing", round=2) for worker in staged.workers) > 0
    wait_for("the index", lambda: staged.stack.get("/rounds/2")["phase"] == "settled", 60)


def test_the_chain_is_cut_off_and_a_worker_is_paused_in_reveal(staged: Staged) -> None:
    """All wait for the chain. A container that is lost leaves its identity to the next one."""
    paused, lost, other, _ = staged.workers
    all_awake = [paused, lost, other, staged.orchestrator]
    with (
        staged.without_network(staged.chain),
        staged.everybody_says("node_did_not_answer", all_awake),
    ):
        pass
    for worker in (paused, lost, other):
        await_said(worker, "labels_committed", round=3)
    addresses = {line.get("address") for line in logged(lost)} - {None}
    new = staged.replace(lost)
    # As the engine does it when the host goes down: the orchestrator ends with 0.
    n_restarts = restarts(staged.orchestrator)
    staged.orchestrator.exec_run(["sh", "-c", "kill $(cat /proc/1/task/1/children)"])
    wait_for("its restart", lambda: restarts(staged.orchestrator) > n_restarts, 30)
    pause(paused)
    staged.require_commit(3)

    staged.release(3)
    wait_for("the others' reveals", lambda: len(staged.named("Revealed", 3)) == 3, 60)
    assert staged.federation.phase() is Phase.REVEAL
    paused.unpause()
    staged.require_settled(3)
    assert {line.get("address") for line in logged(new)} - {None} == addresses
    assert n_said(new, "model_trained") == 0  # nor is the model lost


def test_orchestrator_chain_and_then_everything_is_killed(staged: Staged) -> None:
    """The chain keeps its blocks, and who is started again goes on, in whatever order."""
    stack, (*others, straggler) = staged.stack, staged.workers
    for worker in others:
        await_said(worker, "labels_committed", round=4)
    staged.orchestrator.kill()
    latest = int(stack.rpc("eth_blockNumber"), 16)
    kept = hex(latest - BLOCKS_LOST)
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
    for container in everything:
        container.start()
    staged.require_settled(4)


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
