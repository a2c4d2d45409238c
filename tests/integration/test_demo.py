"""`fedserum demo` as a user has it: one command, a record, a cause when it fails, nothing left."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from local import (
    PRIVATE_SAMPLES,
    SAMPLES,
    Command,
    command_line,
    commands,
    descendants,
    save_source,
    wait_until,
)
from nodes import ETHER, ROOT, free_port

N_WORKERS = 4


@dataclass
class Demo:
    """A demo command, and every process that it was seen to start."""

    command: Command
    runs: Path
    started: dict[int, str] = field(default_factory=dict)

    def look(self) -> dict[int, str]:
        """Its processes now."""
        now = descendants(self.command.pid)
        self.started |= now
        return now

    def await_process(self, words: str) -> int:
        """Wait until it has started a process with these words in its command; the pid."""

        def find() -> list[int]:
            assert self.command.is_running(), self.command.said()
            return [pid for pid, line in self.look().items() if words in line]

        return wait_until(find, self.command.said)[0]

    def await_log(self, name: str, word: str) -> None:
        """Wait until one of its processes says something."""

        def find() -> bool:
            assert self.command.is_running(), self.command.said()
            self.look()
            return any(word in log.read_text() for log in self.runs.glob(f"*/logs/{name}.log"))

        wait_until(find, self.command.said)

    def end(self) -> int:
        """Wait until it ends, watching its processes; the exit code."""
        wait_until(lambda: self.look() is None or not self.command.is_running(), self.command.said)
        return self.command.end()

    def left(self) -> dict[int, str]:
        """Its processes that still run. A pid counts only with the command that had it."""
        return {pid: line for pid, line in self.started.items() if command_line(pid) == line}

    def require_nothing_left(self) -> None:
        """No process, no listener, no keys."""
        assert self.started, "the demo was not seen to start anything"
        assert self.left() == {}
        for name in ("port", "chain_port"):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", int(str(self.command.settings[name]))))
        assert list(self.runs.glob("*/home")) == []


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few real samples as a user's own idx folder."""
    return save_source(tmp_path_factory.mktemp("source"))


@pytest.fixture
def demo(source: Path, tmp_path: Path) -> Iterator[Demo]:
    """A small demo, not started yet."""
    with commands(tmp_path) as make:
        command = make(
            "demo",
            "demo",
            runs=tmp_path / "runs",
            workers=N_WORKERS,
            samples=SAMPLES,
            private=source,
            public=source,
            private_samples=PRIVATE_SAMPLES,
            epochs=1,
            distill_epochs=1,
            port=free_port(),
            chain_port=free_port(),
        )
        made = Demo(command, tmp_path / "runs")
        yield made
        if command.is_running():
            made.look()
            command.kill()
        for pid in made.left():
            os.kill(pid, signal.SIGKILL)


def test_a_demo_shows_the_round_and_leaves_its_record_and_nothing_running(demo: Demo) -> None:
    """Exit code 0, the table with every worker, what the API answered, all logs, no process."""
    demo.command.start()
    assert demo.end() == 0, demo.command.said()
    demo.require_nothing_left()

    (record,) = demo.runs.iterdir()
    assert json.loads((record / "settings.json").read_text())["workers"] == N_WORKERS
    answer = json.loads((record / "rounds" / "1.json").read_text())
    assert answer["phase"] == "settled"
    balances = sum(int(worker["balance_wei"]) for worker in answer["workers"])
    assert 0 <= N_WORKERS * ETHER - balances < N_WORKERS
    names = {"chain", "orchestrator", *(f"worker-{index}" for index in range(N_WORKERS))}
    assert {log.stem for log in (record / "logs").iterdir()} == names

    said = demo.command.said()
    for worker in range(N_WORKERS):
        assert f"worker-{worker}" in said
    for words in ("agreement ", "global labels ", "% correct", "aggregate ", "seconds "):
        assert words in said


def test_a_demo_of_two_rounds_shows_and_records_the_accuracy_after_each(demo: Demo) -> None:
    """One table with a column per round, and the same figures in the record; lambda decays.

    The order of the samples is sealed, which the true labels follow.
    """
    demo.command.start(
        rounds=2, reward_decay="0.5", samples=300, epochs=10, batch_size=8, sealed_order=1
    )
    assert demo.end() == 0, demo.command.said()
    (record,) = demo.runs.iterdir()
    collected = json.loads((record / "accuracies.json").read_text())
    rounds = [json.loads((record / "rounds" / f"{n}.json").read_text()) for n in (1, 2)]
    for index, worker in enumerate(rounds[1]["workers"]):
        assert worker["top1_accuracy_after"] in [
            figures["after"][1] for figures in collected["workers"].values()
        ], index
    assert all(each["global_labels_accuracy"] > 0.4 for each in collected["rounds"])
    for worker in range(N_WORKERS):
        assert "order_key_received" in (record / "logs" / f"worker-{worker}.log").read_text()
    assert int(rounds[1]["pool_wei"]) < int(rounds[0]["pool_wei"])
    table = demo.command.said().partition("Accuracy after each round")[2]
    for words in ("trained", "round 1", "round 2", "gain", "worker-0", "worker-3", "mean"):
        assert words in table


def test_a_demo_closes_once_the_workers_agree(demo: Demo) -> None:
    """Of the five rounds that it might have had it plays one."""
    demo.command.start(rounds=5, stop_agreement="0.01", samples=200)
    assert demo.end() == 0, demo.command.said()
    (record,) = demo.runs.iterdir()
    assert [path.name for path in (record / "rounds").iterdir()] == ["1.json"]


def test_a_demo_learns_and_abstains_as_its_settings_say(demo: Demo) -> None:
    """Two rounds: the task's pixels, rational abstention by the chain's counts, corrected votes."""
    demo.command.start(
        preprocessing="box",
        abstention="rational",
        label_cost=2,
        targets="corrected",
        rounds=2,
        epochs=20,
    )
    assert demo.end() == 0, demo.command.said()
    (record,) = demo.runs.iterdir()
    for worker in range(N_WORKERS):
        said = (record / "logs" / f"worker-{worker}.log").read_text().splitlines()
        events = [json.loads(line) for line in said if line.endswith("}")]
        labelled = [e["n_labels"] for e in events if e["event"] == "labels_journalled"]
        assert len(labelled) == 2
        assert max(labelled) < SAMPLES
        compared = [e for e in events if e["event"] == "learner_compared"]
        assert len(compared) == 2
        assert all(e["kept"] == "old" or e["after"] >= e["before"] for e in compared)


@pytest.mark.parametrize(
    ("number", "stage"),
    [
        (signal.SIGINT, "fedserum worker"),
        (signal.SIGTERM, "fedserum orchestrator"),
        (signal.SIGHUP, "anvil"),
    ],
)
def test_an_interrupted_demo_leaves_nothing_running(
    demo: Demo, number: signal.Signals, stage: str
) -> None:
    """Ctrl-C, pressed twice as people do, a polite kill and a closed terminal, at any stage."""
    demo.command.start()
    demo.await_process(stage)
    demo.command.send(number)
    time.sleep(0.05)
    if demo.command.is_running():
        demo.command.send(number)
    assert demo.end() == 130, demo.command.said()
    assert "Traceback" not in demo.command.said()
    demo.require_nothing_left()


@pytest.mark.parametrize(
    ("victim", "number", "cause"),
    [
        ("fedserum worker", signal.SIGKILL, "worker-"),
        ("fedserum orchestrator", signal.SIGTERM, "orchestrator ended with exit code 0"),
        ("anvil-linux", signal.SIGKILL, "chain ended with exit code"),
    ],
)
def test_a_demo_that_fails_says_why_and_leaves_nothing_running(
    demo: Demo, victim: str, number: signal.Signals, cause: str
) -> None:
    """Whichever of its processes ends, however it ends."""
    demo.command.start()
    pid = demo.await_process(victim)
    if victim == "fedserum orchestrator":
        demo.await_log("orchestrator", "orchestrator_ready")
    os.kill(pid, number)
    assert demo.end() == 1, demo.command.said()
    assert demo.command.said().splitlines()[-1].startswith(f"error: {cause}")
    demo.require_nothing_left()


def fail_early(demo: Demo) -> str:
    """Wait until the demo fails before it has started anything; its message."""
    wait_until(lambda: demo.look() is None or not demo.command.is_running(), demo.command.said)
    assert demo.command.end() == 1, demo.command.said()
    assert demo.left() == {}
    assert list(demo.runs.glob("*/logs/*")) == []
    said = demo.command.said()
    assert "Traceback" not in said
    assert list(demo.runs.glob("*/home")) == []
    return said.partition("error: ")[2]


@pytest.mark.parametrize("name", ["port", "chain_port"])
def test_a_port_in_use_is_named_before_anything_starts(demo: Demo, name: str) -> None:
    """With the variable that names another one; whoever has the port keeps it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        demo.command.start(**{name: port})
        message = fail_early(demo)
    assert f"port {port} is in use" in message
    assert f"FEDSERUM_{name.upper()}" in message
    assert not demo.runs.exists()


def test_a_missing_chain_node_is_named(demo: Demo, tmp_path: Path) -> None:
    """Outside the project's folder, or before `make setup`, there is no anvil."""
    demo.command.start(cwd=tmp_path)
    message = fail_early(demo)
    assert "anvil is missing: run `make setup`" in message
    assert "Node 20" in message


def test_a_missing_node_is_named(demo: Demo, tmp_path: Path) -> None:
    """What npm installed does not run without Node."""
    demo.command.start(PATH=tmp_path)
    assert "no `node` on the PATH" in fail_early(demo)


def test_make_without_npm_says_what_is_missing(tmp_path: Path) -> None:
    """A fresh clone on a host without Node is told so, and npm's absence is the exit code."""
    for name in ("Makefile", "package.json", "package-lock.json"):
        shutil.copy(ROOT / name, tmp_path / name)
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sh", "make"):
        found = shutil.which(tool)
        assert found is not None
        (tools / tool).symlink_to(found)
    made = subprocess.run(
        ["make", "node_modules/.ready"],
        cwd=tmp_path,
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode != 0
    assert "Node 20 or newer" in made.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"workers": 3}, ["FEDSERUM_WORKERS", "greater than or equal to 4"]),
        ({"samples": 5_000}, ["5000 samples are needed", "it has"]),
        ({"private_samples": 5_000}, ["5000 samples are needed", "it has"]),
        ({"private": "nowhere"}, ["nowhere", "no such folder"]),
        ({"runs": "/dev/null/runs"}, ["/dev/null/runs", "FEDSERUM_RUNS"]),
    ],
)
def test_a_wrong_setting_is_named(demo: Demo, change: dict[str, object], words: list[str]) -> None:
    """What was expected and found, before any process starts."""
    demo.command.start(**change)
    message = fail_early(demo)
    for word in words:
        assert word in message
