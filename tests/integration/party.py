"""A federation on the test chain of which some members are worker processes.

The test plays the other members, so that it decides how far a round goes while a process is killed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from conftest import Deployed, Opening
from local import PRIVATE_SAMPLES, SAMPLES, Command, commands, save_source, wait_until
from nodes import Node

from demo.data import prepare_data
from services.chain import Federation
from services.keeper import due, perform
from services.membership import membership_proof


@dataclass
class Party:
    """A federation of which some members are worker processes and the test plays the others.

    Attributes:
        node: the chain.
        stage: the contract and all the members' keys.
        home: data, as `fedserum prepare` lays them out.
        folder: for keys, states and logs.
        make: what makes commands.
        processes: members that are processes, by index.
    """

    node: Node
    stage: Deployed
    home: Path
    folder: Path
    make: Callable[..., Command]
    processes: dict[int, Command] = field(default_factory=dict)
    openings: dict[int, Opening] = field(default_factory=dict)

    def worker(self, index: int = 0, **settings: object) -> Command:
        """The command of a member, not started yet."""
        account = self.stage.workers[index].account
        assert account is not None
        own = self.folder / f"worker-{index}"
        own.mkdir(exist_ok=True)
        (own / "key").write_text(account.key.hex() + "\n")
        defaults: dict[str, object] = {
            "rpc_url": self.node.url,
            "contract": self.stage.deployment.contract,
            "key_file": own / "key",
            "state_dir": own / "state",
            "private_data": self.home / "workers" / str(index) / "private",
            "public_data": self.home / "public",
            "poll_s": 0.2,
            "epochs": 1,
            "distill_epochs": 1,
            "keeper_grace_s": 600,
        }
        command = self.make(f"worker-{index}", "worker", **(defaults | settings))
        self.processes[index] = command
        return command

    @property
    def played(self) -> dict[int, Federation]:
        """The members whom the test plays."""
        return {i: w for i, w in enumerate(self.stage.workers) if i not in self.processes}

    def address(self, index: int) -> str:
        """A member's address."""
        return self.stage.members[index]

    def register(self) -> None:
        """Register the played members."""
        for index, worker in self.played.items():
            proof = membership_proof(self.stage.members, self.address(index))
            worker.register(proof, self.stage.task.deposit_wei)

    def commit(self) -> None:
        """Commit for the played members."""
        rng = np.random.default_rng(0)
        for index, worker in self.played.items():
            self.openings[index] = self.stage.label(worker, rng)
            worker.commit(self.openings[index].commitment)

    def reveal(self) -> None:
        """Reveal what `commit` committed to."""
        for index, worker in self.played.items():
            self.stage.reveal(worker, self.openings[index])

    def keep(self) -> None:
        """Make every call that is due."""
        while (duty := due(self.stage.deployer)) is not None:
            perform(self.stage.deployer, duty)

    def await_chain(self, view: Callable[[], Any], index: int = 0) -> Any:
        """Wait for what a worker process is to do on the chain; what the view returned."""
        worker = self.processes[index]

        def look() -> Any:
            running, found = worker.is_running(), view()
            assert found or running, f"ended with {worker.end()}: {worker.said()}"
            return found

        return wait_until(look, lambda: f"waited in vain: {worker.said()}")

    def await_commit(self, index: int = 0, round_number: int = 1) -> None:
        """Wait until a worker process has committed."""
        view, me = self.stage.deployer.commitment_of, self.address(index)
        self.await_chain(lambda: any(view(round_number, me)), index)

    def await_reveal(self, index: int = 0, round_number: int = 1) -> None:
        """Wait until a worker process has revealed."""
        view, me = self.stage.deployer.labels_root_of, self.address(index)
        self.await_chain(lambda: any(view(round_number, me)), index)

    def journal(self, index: int = 0, round_number: int = 1) -> Path | None:
        """A worker's journal of a round, if there is one."""
        state = self.folder / f"worker-{index}" / "state"
        return next(state.glob(f"*/round-{round_number}.json"), None)

    def events(self, name: str) -> list[dict[str, Any]]:
        """Arguments of the contract's events of that name."""
        start = self.stage.deployment.deploy_block
        return [event.args for event in self.stage.deployer.events(start, names=[name])]


@dataclass(frozen=True)
class Home:
    """Data for a federation of four."""

    folder: Path
    dataset_hash: str


def prepare_home(folder: Path) -> Home:
    """Deal out real samples as `fedserum prepare` does."""
    source = str(save_source(folder / "source"))
    data = prepare_data(
        folder,
        workers=4,
        samples=SAMPLES,
        rounds=3,
        alpha=100.0,
        private_source=source,
        public_source=source,
        private_samples=PRIVATE_SAMPLES,
    )
    return Home(folder, data.dataset_hash)


@contextmanager
def parties(
    node: Node, federation: Callable[..., Deployed], home: Home, folder: Path
) -> Iterator[Callable[..., Party]]:
    """Deploy federations of four, ``build(**task_fields)``; at the end no command runs."""
    with commands(folder) as make:

        def build(n_workers: int = 4, **fields: Any) -> Party:
            values = {
                "dataset_hash": home.dataset_hash,
                "samples_per_round": SAMPLES,
                "chunk_samples": 256,
            }
            stage = federation(n_workers, node, **(values | fields))
            return Party(node, stage, home.folder, folder, make)

        yield build


@contextmanager
def without_blocks(node: Node) -> Iterator[None]:
    """Transactions wait in the node's pool; at the end a block takes them."""
    node.rpc("evm_setAutomine", False)
    try:
        yield
    finally:
        node.rpc("evm_mine")
        node.rpc("evm_setAutomine", True)


def wait_for_transaction(node: Node) -> None:
    """Wait until a transaction is in the node's pool."""
    wait_until(lambda: len(node.pending()), lambda: "no transaction was sent")
