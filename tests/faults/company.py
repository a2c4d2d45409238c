"""A federation all of whose programs are processes: the orchestrator and four workers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from conftest import Deployed
from local import SAMPLES, Command, commands
from nodes import Node
from orchestrators import Prepare, Process
from party import Home, Party

from services.datasets import load_idx

MEMBERS = range(4)


@dataclass
class Company:
    """Four workers and their orchestrator, on a node of their own.

    Attributes:
        node: the chain.
        orchestrator: which has deployed the federation.
        party: the workers; none is started yet.
    """

    node: Node
    orchestrator: Process
    party: Party

    @property
    def stage(self) -> Deployed:
        """The contract and the members' keys."""
        return self.party.stage

    @property
    def workers(self) -> dict[int, Command]:
        """The workers' processes, by index."""
        return self.party.processes

    def start(self, **settings: object) -> None:
        """Start all workers."""
        for index in MEMBERS:
            self.party.worker(index, **settings).start()

    def end(self) -> None:
        """Wait until every worker has ended well."""
        for worker in self.workers.values():
            assert worker.end() == 0, worker.said()


@contextmanager
def company(
    node: Node, prepare: Prepare, home: Home, folder: Path
) -> Iterator[Callable[..., Company]]:
    """Set up companies, ``build(**task_fields)``; at the end no worker runs."""
    with commands(folder) as make:

        def make_worker(name: str, verb: str, **settings: object) -> Command:
            model = predictions_of(home, folder / f"{name}-predictions")
            return make(name, verb, **({"model": model} | settings))

        def build(**fields: Any) -> Company:
            task = {
                "dataset_hash": home.dataset_hash,
                "samples_per_round": SAMPLES,
                "chunk_samples": 256,
            }
            orchestrator = prepare(node, **(task | fields))
            orchestrator.start_ready()
            stage = orchestrator.deployed(node)
            return Company(node, orchestrator, Party(node, stage, home.folder, folder, make_worker))

        yield build


def predictions_of(home: Home, folder: Path) -> str:
    """A learner that is a file: it labels a sample with its number modulo ten, without torch."""
    folder.mkdir(exist_ok=True)
    np.save(folder / "public.npy", np.arange(len(load_idx(home.folder / "public"))) % 10)
    return f"files:{folder}"
