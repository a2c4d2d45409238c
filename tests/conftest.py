"""A real chain for the tests, and federations on it."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from services import membership, wire
from services.chain import Chain, Deployment, Federation, deploy
from services.task import Task

ROOT = Path(__file__).parents[1]
ETHER = 10**18


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass(frozen=True)
class Anvil:
    """A development node of this test run."""

    url: str
    process: subprocess.Popen[bytes]

    def rpc(self, method: str, *params: Any) -> Any:
        """One raw JSON-RPC call."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = httpx.post(self.url, json=body, timeout=30).json()
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def pass_time(self, seconds: int) -> None:
        """Let the chain's clock go on and make a block."""
        self.rpc("evm_increaseTime", seconds)
        self.rpc("evm_mine")

    def mine_together(self, *calls: Callable[[], Any]) -> list[Future[Any]]:
        """Run calls that send a transaction each, and put all of these into one block."""
        self.rpc("evm_setAutomine", False)
        with ThreadPoolExecutor(len(calls)) as threads:
            futures = [threads.submit(call) for call in calls]
            until = time.monotonic() + 30
            while int(self.rpc("txpool_status")["pending"], 16) < len(calls):
                assert time.monotonic() < until, [future.done() for future in futures]
                time.sleep(0.02)
            self.rpc("evm_mine")
        self.rpc("evm_setAutomine", True)
        return futures

    def new_account(self, balance_wei: int = 100 * ETHER) -> LocalAccount:
        """An account of its own, with ether."""
        account: LocalAccount = Account.create()
        self.rpc("anvil_setBalance", account.address, hex(balance_wei))
        return account

    def chain(self, **options: Any) -> Chain:
        """A client of this node that polls often."""
        return Chain(self.url, **{"poll_s": 0.02, **options})


@pytest.fixture(scope="session")
def start_anvil() -> Iterator[Callable[..., Anvil]]:
    """Start further nodes with options of their own, e.g. ``start_anvil("--block-time", "1")``."""
    started: list[Anvil] = []

    def start(*options: str) -> Anvil:
        port = free_port()
        process = subprocess.Popen(
            [
                ROOT / "node_modules/.bin/anvil",
                "--silent",
                "--enable-tx-gas-limit",
                "--port",
                str(port),
                *options,
            ]
        )
        node = Anvil(f"http://127.0.0.1:{port}", process)
        started.append(node)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with suppress(httpx.TransportError):
                node.rpc("eth_chainId")
                return node
            time.sleep(0.05)
        raise TimeoutError(f"anvil does not answer at {node.url}")

    yield start
    for node in started:
        node.process.terminate()
    for node in started:
        node.process.wait(timeout=30)


@pytest.fixture(scope="session")
def anvil(start_anvil: Callable[..., Anvil]) -> Anvil:
    """One node for the whole test run; it makes a block for every transaction."""
    return start_anvil()


@dataclass(frozen=True)
class Opening:
    """What a worker keeps to itself between commit and reveal."""

    labels: bytes
    label_count: list[int]
    salt: bytes
    commitment: bytes


@dataclass(frozen=True)
class Deployed:
    """A federation on the test chain, with the keys of its members."""

    chain: Chain
    task: Task
    members: list[str]
    deployment: Deployment
    deployer: Federation
    workers: list[Federation]

    def register_all(self) -> None:
        """Register every member, which opens round 1 if they are ``max_workers``."""
        for worker in self.workers:
            assert worker.account is not None
            proof = membership.membership_proof(self.members, worker.account.address)
            worker.register(proof, self.task.deposit_wei)

    def assigned_chunks(self, worker: Federation) -> list[int]:
        """The chunks that a worker labels in the round now."""
        assert worker.account is not None
        address = worker.account.address
        return [chunk for chunk in range(worker.chunks()) if address in worker.committee_of(chunk)]

    def label(self, worker: Federation, rng: np.random.Generator) -> Opening:
        """Random labels for a worker's chunks, nine in ten alike among workers, some abstained."""
        assert worker.account is not None
        classes, round_number = self.task.classes, worker.round()
        parts, counted = [], []
        for chunk in self.assigned_chunks(worker):
            size = wire.chunk_sizes(self.task.samples_per_round, self.task.chunk_samples)[chunk]
            labels = np.random.default_rng(chunk).integers(classes, size=size, dtype=np.uint16)
            noise = rng.integers(classes, size=size, dtype=np.uint16)
            labels = np.where(rng.random(size) < 0.1, noise, labels)
            labels[rng.random(size) < 0.05] = wire.abstain(classes)
            parts.append(wire.pack(labels, classes))
            counted.append(labels)
        data, salt = b"".join(parts), rng.bytes(32)
        label_count = wire.count_labels(np.concatenate(counted), classes)
        return Opening(
            data, label_count, salt, self.commitment(worker, round_number, data, label_count, salt)
        )

    def commitment(
        self,
        worker: Federation,
        round_number: int,
        labels: bytes,
        label_count: list[int],
        salt: bytes,
    ) -> bytes:
        """A worker's commitment to any labels, well formed or not."""
        assert worker.account is not None
        return wire.commitment(
            self.chain.chain_id(),
            worker.address,
            round_number,
            worker.account.address,
            labels,
            label_count,
            salt,
        )

    def commit_all(self, seed: int = 0) -> list[Opening]:
        """Label and commit for every worker; the last commit opens Reveal."""
        rng = np.random.default_rng(seed)
        openings = [self.label(worker, rng) for worker in self.workers]
        for worker, opening in zip(self.workers, openings, strict=True):
            worker.commit(opening.commitment)
        return openings

    def reveal(self, worker: Federation, opening: Opening) -> None:
        """Reveal one worker's labels."""
        worker.reveal(opening.labels, opening.label_count, opening.salt)


@pytest.fixture
def federation(anvil: Anvil) -> Callable[..., Deployed]:
    """Deploy a federation: ``federation(n_workers, node, **task_fields)``."""

    def build(n_workers: int = 4, node: Anvil = anvil, **fields: Any) -> Deployed:
        accounts = [node.new_account() for _ in range(n_workers)]
        members = [account.address for account in accounts]
        values: dict[str, Any] = {
            "members_root": membership.members_root(members),
            "dataset_hash": "0x" + "11" * 32,
            "samples_per_round": 600,
            "chunk_samples": 256,
            "classes": 10,
            "max_workers": n_workers,
            "uri": membership.describe(members),
        }
        task = Task(**(values | fields))
        chain, deployer = node.chain(), node.new_account()
        deployment = deploy(chain, deployer, task)
        return Deployed(
            chain=chain,
            task=task,
            members=members,
            deployment=deployment,
            deployer=Federation(chain, deployment.contract, deployer),
            workers=[Federation(chain, deployment.contract, account) for account in accounts],
        )

    return build
