"""A round by processes: orchestrator and workers, with nothing but a node between them."""

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import Deployed
from local import (
    PRIVATE_SAMPLES,
    SAMPLES,
    Command,
    commands,
    save_source,
    wait_until,
)
from nodes import ETHER, Node, free_port
from party import Party

from demo.prepare import fund, prepare
from services.chain import Deployment, Federation, Phase, load_account
from services.settings import DemoSettings
from services.task import Task

N_WORKERS = 4
STAKE_WEI = ETHER // 2  # the task's deposit times its reward scale


@dataclass
class Host:
    """A prepared folder on this host, and its orchestrator."""

    node: Node
    home: Path
    make: Callable[..., Command]
    orchestrator: Command
    url: str

    def get(self, path: str) -> Any:
        """What the orchestrator answers."""
        return httpx.get(self.url + path, timeout=10).raise_for_status().json()

    def start_orchestrator(self) -> None:
        """Start the orchestrator and wait until it is ready."""
        self.orchestrator.start()

        def is_ready() -> bool:
            assert self.orchestrator.is_running(), self.orchestrator.said()
            with suppress(httpx.TransportError):
                return httpx.get(f"{self.url}/ready", timeout=10).is_success
            return False

        wait_until(is_ready, self.orchestrator.said)

    def federation(self) -> Federation:
        """The contract that the orchestrator named."""
        return Federation(self.node.chain(), self.get("/federation")["contract"])

    def party(self, folder: Path) -> Party:
        """The workers' side of it, to have processes for some members and play the others."""
        view, chain = self.get("/federation"), self.node.chain()
        keys = [self.home / "workers" / str(index) / "key" for index in range(N_WORKERS)]
        accounts = [load_account(key) for key in keys]
        contract = view["contract"]
        stage = Deployed(
            chain=chain,
            task=Task(**view["task"]),
            members=[account.address for account in accounts],
            deployment=Deployment(contract, view["deploy_block"], "", 0),
            deployer=Federation(chain, contract),
            workers=[Federation(chain, contract, account) for account in accounts],
        )
        return Party(self.node, stage, self.home, folder, self.make)


@pytest.fixture(scope="module")
def prepared(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `fedserum prepare` leaves: keys with funds, data, task."""
    source = str(save_source(tmp_path_factory.mktemp("source")))
    home = tmp_path_factory.mktemp("prepared") / "home"
    settings = DemoSettings(
        home=home,
        rpc_url=node.url,
        poll_s=0.05,
        workers=N_WORKERS,
        samples=SAMPLES,
        private=source,
        public=source,
        private_samples=PRIVATE_SAMPLES,
    )
    prepare(settings)
    fund(home, settings)
    return home


@pytest.fixture
def host(node: Node, prepared: Path, tmp_path: Path) -> Iterator[Host]:
    """A host with a fresh copy of the prepared folder."""
    home, port = tmp_path / "home", free_port()
    shutil.copytree(prepared, home)
    with commands(tmp_path) as make:
        orchestrator = make(
            "orchestrator",
            "orchestrator",
            rpc_url=node.url,
            key_file=home / "orchestrator" / "key",
            state_dir=home / "orchestrator",
            task_file=home / "task.json",
            port=port,
            poll_s=0.2,
        )
        yield Host(node, home, make, orchestrator, f"http://127.0.0.1:{port}")


def test_a_round_by_processes_pays_everyone_who_worked(host: Host) -> None:
    """Workers claim an identity each, and are told only an orchestrator, a node and a folder."""
    workers = [
        host.make(
            f"replica-{index}",
            "worker",
            rpc_url=host.node.url,
            orchestrator_url=host.url,
            home=host.home,
            poll_s=0.2,
            epochs=20,
            distill_epochs=20,
        )
        for index in range(N_WORKERS)
    ]
    for worker in workers:
        worker.start()
    host.start_orchestrator()
    for worker in workers:
        assert worker.end() == 0, worker.said()

    answer = host.get("/rounds/1")
    parts = answer["workers"]
    keys = [host.home / "workers" / str(index) / "key" for index in range(N_WORKERS)]
    assert {p["address"] for p in parts} == {load_account(key).address for key in keys}
    assert answer["phase"] == "settled"
    assert all(part["committed"] and part["revealed"] for part in parts)
    assert [part["slashed"] for part in parts] == [None] * N_WORKERS
    assert [sum(part["label_counts"]) for part in parts] == [SAMPLES] * N_WORKERS

    rewards = [int(part["reward_wei"]) for part in parts]
    assert all(int(part["score"]) > 0 for part in parts)
    assert int(answer["pool_wei"]) == N_WORKERS * STAKE_WEI
    assert 0 <= N_WORKERS * STAKE_WEI - sum(rewards) < N_WORKERS  # but for the division's rest
    for part, reward in zip(parts, rewards, strict=True):
        assert int(part["balance_wei"]) == ETHER - STAKE_WEI + reward

    assert sum(part["private_samples"] for part in parts) == PRIVATE_SAMPLES
    assert {part["model"] for part in parts} == {"lenet"}
    gains = [part["top1_accuracy_after"] - part["top1_accuracy_before"] for part in parts]
    assert sum(gains) > 0, gains

    federation = host.federation()
    assert federation.phase() is Phase.CLOSED
    assert [federation.balance_of(part["address"]) for part in parts] == [0] * N_WORKERS
    assert federation.chain.balance_wei(federation.address) == federation.pot() < N_WORKERS
    host.orchestrator.send(signal.SIGTERM)
    assert host.orchestrator.end() == 0


def test_without_the_orchestrator_workers_settle_the_round(host: Host, tmp_path: Path) -> None:
    """Killed after the commits, it is missed for the grace time only, and finds all later on."""
    host.start_orchestrator()
    party = host.party(tmp_path)
    workers = [
        party.worker(index, orchestrator_url=host.url, keeper_grace_s=1) for index in range(2)
    ]
    for worker in workers:
        worker.start()
    party.register()
    party.await_commit(0)
    party.await_commit(1)
    host.orchestrator.kill()
    party.commit()
    party.reveal()
    for worker in workers:
        assert worker.end() == 0, worker.said()
        assert len(worker.events("report_failed")) == 1
    assert party.stage.deployer.phase() is Phase.CLOSED
    keepers = {event["keeper"] for event in party.events("ChunkAggregated")}
    assert keepers <= {party.address(0), party.address(1)}
    assert len(party.events("RoundSettled")) == 1
    assert party.events("Slashed") == []

    host.start_orchestrator()
    assert host.get("/federation")["contract"] == party.stage.deployment.contract
    answer = host.get("/rounds/1")
    assert answer["phase"] == "settled"
    assert [part["revealed"] for part in answer["workers"]] == [True] * N_WORKERS

    # A worker that is started once more has nothing left to do but to report.
    workers[0].start()
    assert workers[0].end() == 0, workers[0].said()
    parts = {part["address"]: part for part in host.get("/rounds/1")["workers"]}
    assert parts[party.address(0)]["model"] == "lenet"
    assert parts[party.address(1)]["model"] is None


def test_a_worker_whose_node_is_on_another_chain_stops(
    host: Host, tmp_path: Path, start_node: Callable[..., Node]
) -> None:
    """The orchestrator's chain and the worker's are compared before the contract is believed."""
    host.start_orchestrator()
    other = start_node(chain_id=424242)
    worker = host.party(tmp_path).worker()
    del worker.settings["contract"]
    worker.start(rpc_url=other.url, orchestrator_url=host.url)
    assert "serves another chain: expected chain 31337" in worker.fail()
