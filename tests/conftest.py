"""A real chain for the tests, and federations on it."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nodes
import numpy as np
import pytest
from nodes import Node

from services import membership, wire
from services.chain import Chain, Deployment, Federation, deploy
from services.task import Task

if TYPE_CHECKING:
    from orchestrators import Prepare
    from party import Home, Party


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets that FEDSERUM_REAL_DATA names: emnist-47, usps, as idx files."""
    folder = os.environ.get("FEDSERUM_REAL_DATA")
    if not folder:
        pytest.skip("FEDSERUM_REAL_DATA names no folder of real data sets")
    if not Path(folder).is_dir():
        pytest.skip(f"FEDSERUM_REAL_DATA is {folder}, and there is no such folder")
    return Path(folder)


@pytest.fixture(scope="session")
def start_node() -> Iterator[Callable[..., Node]]:
    """Start further nodes, with options of ``nodes.start_node``."""
    started: list[Node] = []

    def start(**options: Any) -> Node:
        started.append(nodes.start_node(**options))
        return started[-1]

    yield start
    for node in started:
        node.process.terminate()
    for node in started:
        node.process.wait(timeout=30)


@pytest.fixture(scope="session")
def node(start_node: Callable[..., Node]) -> Node:
    """One node for the whole test run."""
    return start_node()


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
def federation(node: Node) -> Callable[..., Deployed]:
    """Deploy a federation: ``federation(n_workers, node, described, **task_fields)``.

    ``described`` are fields of the task's description.
    """

    def build(
        n_workers: int = 4,
        node: Node = node,
        described: dict[str, Any] | None = None,
        **fields: Any,
    ) -> Deployed:
        accounts = [node.new_account() for _ in range(n_workers)]
        members = [account.address for account in accounts]
        values: dict[str, Any] = {
            "members_root": membership.members_root(members),
            "dataset_hash": "0x" + "11" * 32,
            "samples_per_round": 600,
            "chunk_samples": 256,
            "classes": 10,
            "max_workers": n_workers,
            "uri": membership.describe(members, **described or {}),
        }
        task = Task(**(values | fields))
        chain, deployer = node.chain(), node.new_account()
        node.put_kernels()
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


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> "Home":
    """Real samples for a federation of four."""
    from party import prepare_home

    return prepare_home(tmp_path_factory.mktemp("home"))


@pytest.fixture
def build(
    node: Node, federation: Callable[..., Deployed], home: "Home", tmp_path: Path
) -> Iterator[Callable[..., "Party"]]:
    """Federations with worker processes among the members: ``build(n_workers, **task_fields)``."""
    from party import parties  # beside the tests that ask for this

    with parties(node, federation, home, tmp_path) as build:
        yield build


@pytest.fixture
def prepare(node: Node, tmp_path: Path) -> Iterator["Prepare"]:
    """Orchestrators as processes: ``prepare(node, **task_fields)`` makes the folder of one."""
    from orchestrators import orchestrators

    with orchestrators(node, tmp_path) as prepare:
        yield prepare
