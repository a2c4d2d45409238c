"""The processes of the product: one orchestrator and the workers, each with its own command.

Whoever is killed here is started again by whoever killed it. A process that ends though nobody
asked it to should have needed no hand: it is started again, and told of.
"""

import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from demo.prepare import task_file
from demo.processes import ProcessError, Processes
from services.chain import load_account
from services.settings import PREFIX
from soak.memory import Memory

ORCHESTRATOR = "orchestrator"
START_S = 60.0  # for the orchestrator, which deploys the federation
MODELS = ("mlp", "mlp", "mlp", "forest")  # dealt out in turn
MOST_RESCUES = 3  # of one process that ends by itself, again and again

# What all have: short enough that a lost transaction is sent again within a window.
COMMON: dict[str, object] = {
    "rpc_timeout_s": 5,
    "transaction_timeout_s": 15,
    "poll_s": 0.5,
}


@dataclass(frozen=True)
class End:
    """A process that ended by itself: its name, exit code and last words."""

    name: str
    code: int
    words: str


@dataclass
class Crew:
    """The orchestrator and the workers of a run.

    Attributes:
        processes: what starts and ends them.
        home: their keys and data, and where they keep their state.
        rpc_url: the node, as they reach it.
        n_workers: number of workers.
        port: the orchestrator's.
        models: what the workers learn with, dealt out in turn.
        contract: the federation's address, once the orchestrator has deployed it.
        absent: those that are killed and not started again yet, or frozen.
        guilty: workers that withheld, and so are slashed and end with an error.
        ends: of processes that were not asked to end.
    """

    processes: Processes
    home: Path
    rpc_url: str
    n_workers: int
    port: int
    models: tuple[str, ...] = MODELS
    contract: str = ""
    absent: set[str] = field(default_factory=set)
    guilty: set[str] = field(default_factory=set)
    ends: list[End] = field(default_factory=list)
    _over: set[str] = field(default_factory=set)  # ended for good

    @property
    def workers(self) -> list[str]:
        """Names of all workers."""
        return [worker_name(index) for index in range(self.n_workers)]

    def address(self, index: int) -> str:
        """A worker's address."""
        return load_account(self._folder(index) / "key").address

    def start_all(self) -> None:
        """Start the orchestrator, wait until the federation is deployed, and start the workers.

        Raises:
            ProcessError: the orchestrator is not ready in time.
        """
        self.start(ORCHESTRATOR)
        url, until = f"http://127.0.0.1:{self.port}", time.monotonic() + START_S
        while True:
            if self.processes.exit_code(ORCHESTRATOR) is not None or time.monotonic() > until:
                raise ProcessError(
                    f"the orchestrator is not ready; see {self.processes.log_file(ORCHESTRATOR)}"
                )
            try:
                if httpx.get(f"{url}/ready", timeout=5).is_success:
                    break
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
        self.contract = httpx.get(f"{url}/federation", timeout=5).json()["contract"]
        for name in self.workers:
            self.start(name)

    def start(self, name: str) -> None:
        """Start one, or start it again."""
        self.absent.discard(name)
        is_worker = name != ORCHESTRATOR
        settings = self._worker(_index(name)) if is_worker else self._orchestrator()
        # Nothing of the environment but what every command has: a run is to be repeatable.
        environment = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
        environment |= {f"{PREFIX}{k.upper()}": str(v) for k, v in (COMMON | settings).items()}
        verb = "worker" if is_worker else ORCHESTRATOR
        command = [sys.executable, "-m", "fedserum", verb]
        self.processes.start(name, command, environment | {"OMP_NUM_THREADS": "1"})

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self.absent.add(name)
        self.processes.send(name, signal.SIGKILL)
        self.processes.wait(name)

    def freeze(self, name: str) -> None:
        """SIGSTOP."""
        self.absent.add(name)
        self.processes.send(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self.processes.send(name, signal.SIGCONT)
        self.absent.discard(name)

    def can_fail(self, name: str) -> bool:
        """Whether it runs, as far as is known, so that a fault would hit it."""
        return name not in self.absent | self._over

    def supervise(self, is_closed: bool) -> None:
        """Look for processes that have ended by themselves, and start them again.

        Args:
            is_closed: whether the federation is, so that workers may end.
        """
        for name in [ORCHESTRATOR, *self.workers]:
            code = None if name in self.absent else self.processes.exit_code(name)
            if code is None or name in self._over:
                continue
            if name in self.guilty or (is_closed and code == 0 and name != ORCHESTRATOR):
                self._over.add(name)
                continue
            self.ends.append(End(name, code, self.processes.last_words(name)))
            if sum(end.name == name for end in self.ends) > MOST_RESCUES:
                self._over.add(name)
            else:
                self.start(name)

    def are_done(self) -> bool:
        """Whether all workers have ended for good."""
        return not self.running()

    def running(self) -> list[str]:
        """Workers that have not ended for good."""
        return [name for name in self.workers if name not in self._over]

    def look_at_memory(self, memory: Memory, round_number: int) -> None:
        """Take a sample of every process that runs."""
        for name in [ORCHESTRATOR, *self.workers]:
            if self.can_fail(name):
                kind = name if name == ORCHESTRATOR else f"worker ({self._model(_index(name))})"
                memory.take(kind, name, self.processes.pid(name), round_number)

    def _model(self, index: int) -> str:
        return self.models[index % len(self.models)]

    def _folder(self, index: int) -> Path:
        return self.home / "workers" / str(index)

    def _orchestrator(self) -> dict[str, object]:
        folder = self.home / ORCHESTRATOR
        return {
            "rpc_url": self.rpc_url,
            "key_file": folder / "key",
            "state_dir": folder,
            "task_file": task_file(self.home),
            "port": self.port,
        }

    def _worker(self, index: int) -> dict[str, object]:
        folder = self._folder(index)
        return {
            "rpc_url": self.rpc_url,
            "contract": self.contract,
            "orchestrator_url": f"http://127.0.0.1:{self.port}",
            "key_file": folder / "key",
            "state_dir": folder / "state",
            "private_data": folder / "private",
            "public_data": self.home / "public",
            "model": self._model(index),
            "seed": index,
            "keeper_grace_s": 5,
        }


def worker_name(index: int) -> str:
    """What a worker's process is called."""
    return f"worker-{index}"


def _index(name: str) -> int:
    return int(name.rpartition("-")[2])
