"""The containers carry a whole round; they are confined, and they come back after a kill."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from compose_project import Stack, find_engine, logged, pause, removed_afterwards, wait_for
from docker.models.containers import Container

from services.chain import Chain, Federation
from services.task import WAD

# The first build downloads torch.
pytestmark = [pytest.mark.stack, pytest.mark.timeout(1800)]


N_WORKERS = 10
SAMPLES = 1024
SETTINGS = {
    "WORKERS": N_WORKERS,
    "SAMPLES": SAMPLES,
    "PRIVATE_SAMPLES": 4000,
    "EPOCHS": 8,
    "DISTILL_EPOCHS": 4,
    "BATCH_SIZE": 32,
    "SEALED_ORDER": 1,
}


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Ten workers, just started; their logs are printed if a test fails."""
    stack = Stack(find_engine(), SETTINGS)
    with removed_afterwards(stack, request.session):
        stack.compose("up", "--detach", "--scale", f"worker={N_WORKERS}")
        yield stack


@pytest.fixture(scope="module")
def killed(stack: Stack) -> Container:
    """A worker whose process was killed after it had committed, while the round was in Commit."""
    workers = stack.containers("worker")

    def first_with(event: str) -> Callable[[], Container | None]:
        return lambda: next(
            (each for each in workers if event in [line["event"] for line in logged(each)]), None
        )

    def restarted() -> bool:
        victim.reload()
        return bool(victim.attrs["RestartCount"]) and victim.status == "running"

    # Paused before it has trained, so that the round cannot leave Commit.
    straggler = wait_for("a registration", first_with("worker_registered"), 120)
    pause(straggler)
    try:
        workers.remove(straggler)
        victim = wait_for("a commit", first_with("labels_committed"), 300)
        # Below the init process; the engine restarts nothing that it killed itself.
        victim.exec_run(["sh", "-c", "kill -9 $(cat /proc/1/task/1/children)"])
        wait_for("the restart", restarted, 30)
        assert stack.get("/rounds/1")["phase"] == "commit"
    finally:
        straggler.unpause()
    return victim


@pytest.fixture(scope="module")
def settled(stack: Stack, killed: Container) -> dict[str, Any]:
    """What `GET /rounds/1` answers when the round is settled and every worker has reported."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = stack.get("/rounds/1")
        reported = [w for w in found["workers"] if w["top1_accuracy_after"] is not None]
        return found if found["phase"] == "settled" and len(reported) == N_WORKERS else None

    return wait_for("the settlement and ten reports", look, 240)


def test_every_container_is_confined(stack: Stack) -> None:
    """Not root, a read-only root, no capabilities, no new privileges, a memory limit."""
    containers = stack.containers()
    assert len(containers) == N_WORKERS + 3
    for container in containers:
        host = container.attrs["HostConfig"]
        assert container.attrs["Config"]["User"] == "fedserum"
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert not host["CapAdd"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert host["Privileged"] is False
        assert 0 < host["Memory"] <= 2 << 30


@pytest.mark.parametrize("service", ["chain", "orchestrator"])
def test_the_kernel_agrees_that_it_is_confined(stack: Stack, service: str) -> None:
    """The process has no capability and no user id 0, and cannot write beside its source."""
    (container,) = stack.containers(service)
    status = container.exec_run(["cat", "/proc/1/status"]).output.decode()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["10001"] * 4
    assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 0
    assert fields["NoNewPrivs"] == "1"
    written = container.exec_run(["touch", "/written"])
    assert written.exit_code != 0
    assert b"Read-only file system" in written.output


def test_ports_are_published_on_loopback_only(stack: Stack) -> None:
    """Nobody outside the host reaches chain or orchestrator."""
    published = {
        (port, binding["HostIp"])
        for container in stack.containers()
        for port, bindings in container.attrs["NetworkSettings"]["Ports"].items()
        for binding in bindings or []
    }
    assert published == {("8545/tcp", "127.0.0.1"), ("8000/tcp", "127.0.0.1")}


def test_no_container_sees_what_is_not_its_own(stack: Stack) -> None:
    """No Docker socket; private data and worker keys only where workers and `prepare` are."""
    volumes: dict[str, set[str]] = {}
    for container in stack.containers():
        service = container.labels["com.docker.compose.service"]
        for mount in container.attrs["Mounts"]:
            assert mount["Type"] == "volume" or mount["Source"] == "/dev/null", mount
            if mount["Type"] == "volume":
                name = mount["Name"].removeprefix(f"{stack.project}_")
                volumes.setdefault(name, set()).add(service)
    assert volumes == {
        "chain": {"chain"},
        "federation": {"prepare", "orchestrator", "worker"},
        "orchestrator": {"prepare", "orchestrator"},
        "workers": {"prepare", "worker"},
    }


def test_no_key_is_in_an_image_a_setting_or_a_log(stack: Stack, settled: dict[str, Any]) -> None:
    """Neither in how images were made nor in what the engine shows of containers."""
    keys: set[str] = set()
    shown = [stack.compose("config")]
    read = ["sh", "-c", "cat /federation/workers/*/key /federation/orchestrator/*key 2>/dev/null"]
    for container in stack.containers():
        container.reload()
        if container.status == "running":
            keys |= set(container.exec_run(read).output.decode(errors="replace").split())
            shown.append(str(container.top()))
        shown += [str(container.attrs), container.logs().decode()]
        shown += [str(container.image.attrs), str(container.image.history())]
    keys = {key for key in keys if len(key) == 64}
    # The orchestrator's and the order's, and all workers' as long as one of them runs.
    assert len(keys) >= 2
    for key in keys:
        assert not [text for text in shown if key in text.lower()]


def test_the_orchestrator_has_no_torch(stack: Stack) -> None:
    """Its image answers without the training framework."""
    (container,) = stack.containers("orchestrator")
    done = container.exec_run(["python", "-c", "import torch"])
    assert b"ModuleNotFoundError: No module named 'torch'" in done.output


def test_a_killed_worker_reveals_under_the_same_identity(
    killed: Container, settled: dict[str, Any]
) -> None:
    """Killed between commit and reveal, it takes up its key and journal; nobody is slashed."""
    events = logged(killed)
    starts = [event for event in events if event["event"] == "worker_started"]
    assert len(starts) == 2
    assert starts[0]["address"] == starts[1]["address"]
    assert starts[0]["worker"] == starts[1]["worker"]
    assert [event["event"] for event in events].count("labels_committed") == 1
    (own,) = [w for w in settled["workers"] if w["address"] == starts[0]["address"]]
    assert own["revealed"] is True
    assert {worker["slashed"] for worker in settled["workers"]} == {None}


def test_ten_workers_are_revealed_scored_and_paid(stack: Stack, settled: dict[str, Any]) -> None:
    """The round that users see with curl; every wei of the stakes is in a reward or in the pot."""
    assert settled["committed"] == settled["revealed"] == N_WORKERS
    workers = settled["workers"]
    assert len({worker["address"] for worker in workers}) == N_WORKERS
    for worker in workers:
        assert sum(worker["label_counts"]) <= SAMPLES
        assert int(worker["score"]) > 0
        assert int(worker["reward_wei"]) > 0
    task = stack.get("/federation")["task"]
    stake_wei = int(task["deposit_wei"]) * int(task["reward_scale_wad"]) // WAD
    rewards_wei = sum(int(worker["reward_wei"]) for worker in workers)
    assert int(settled["pool_wei"]) == N_WORKERS * stake_wei
    # Both leagues were paid, so the pot holds what the divisions left.
    assert 0 <= N_WORKERS * stake_wei - rewards_wei < N_WORKERS


def test_every_worker_got_the_key_of_the_sealed_order(
    stack: Stack, settled: dict[str, Any]
) -> None:
    """From the chain: the file that has it is in the orchestrator's volume, which they have not."""
    for container in stack.containers("worker"):
        assert "order_key_received" in [event["event"] for event in logged(container)]


def test_workers_learn_from_the_round(settled: dict[str, Any]) -> None:
    """Over all workers, accuracy on the test part is higher after distillation."""
    before = [worker["top1_accuracy_before"] for worker in settled["workers"]]
    after = [worker["top1_accuracy_after"] for worker in settled["workers"]]
    assert sum(after) > sum(before)


def test_workers_withdraw_and_end(stack: Stack, settled: dict[str, Any]) -> None:
    """When the federation is closed every worker takes its money and exits 0."""

    def exit_codes() -> list[int] | None:
        states = []
        for container in stack.containers("worker"):
            container.reload()
            states.append(container.attrs["State"])
        if any(state["Running"] for state in states):
            return None
        return [state["ExitCode"] for state in states]

    assert wait_for("ten workers to end", exit_codes, 60) == [0] * N_WORKERS
    answer = stack.get("/federation")
    chain = Chain(stack.rpc_url)
    federation = Federation(chain, answer["contract"])
    withdrawn = [
        event.args["amount"]
        for event in federation.events(answer["deploy_block"], names=["Withdrawn"])
    ]
    assert len(withdrawn) == N_WORKERS
    deposits_wei = N_WORKERS * int(answer["task"]["deposit_wei"])
    assert sum(withdrawn) + federation.pot() == deposits_wei
    assert chain.balance_wei(answer["contract"]) == federation.pot()


def test_the_chain_survives_kill_and_down(stack: Stack, settled: dict[str, Any]) -> None:
    """Block 0, logs, receipts and what the orchestrator shows are the same afterwards."""

    def memory() -> tuple[Any, ...]:
        logs = stack.rpc("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"})
        hashes = sorted({log["transactionHash"] for log in logs})
        receipts = [stack.rpc("eth_getTransactionReceipt", each) for each in hashes]
        return stack.rpc("eth_getBlockByNumber", "0x0", False)["hash"], logs, receipts

    before = memory()
    (chain,) = stack.containers("chain")
    chain.kill()
    stack.compose("up", "--detach", "orchestrator")
    assert memory() == before
    stack.compose("down")
    stack.compose("up", "--detach", "orchestrator")
    assert memory() == before
    again = wait_for("the index", lambda: stack.get("/rounds/1"), 60)
    assert again["phase"] == "settled"
    assert [w["reward_wei"] for w in again["workers"]] == [
        w["reward_wei"] for w in settled["workers"]
    ]
