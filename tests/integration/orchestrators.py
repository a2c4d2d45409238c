"""The orchestrator as a process of its own, on a chain of the test's: started, asked, killed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from conftest import Deployed
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount
from nodes import ROOT, Node, free_port

from services import wire
from services.chain import Deployment, Federation
from services.task import Task

TOKEN = "0123456789abcdef"  # noqa: S105
TASK: dict[str, Any] = {
    "dataset_hash": "0x" + "11" * 32,
    "samples_per_round": 600,
    "chunk_samples": 256,
    "classes": 10,
    "max_workers": 4,
    "rounds": 2,
}


@dataclass
class Process:
    """One orchestrator: its folder, its environment and, while it runs, the process."""

    home: Path
    environment: dict[str, str]
    port: int
    members: list[LocalAccount]
    running: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def record(self) -> Path:
        """The deployment record."""
        return self.home / "state" / "deployment.json"

    def start(self, **settings: str) -> None:
        """Start it, without waiting for anything."""
        self.running = subprocess.Popen(
            [sys.executable, "-m", "orchestrator"],
            cwd=ROOT,
            env=os.environ | self.environment | settings,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start_ready(self, **settings: str) -> None:
        """Start it and wait until it is ready."""
        self.start(**settings)
        self.wait_for("/ready", lambda answer: answer.status_code == 200)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """One GET."""
        return httpx.get(self.url + path, headers=headers, timeout=10)

    def wait_for(self, path: str, condition: Callable[[httpx.Response], bool]) -> httpx.Response:
        """GET until the answer is as it should be."""
        until, answer = time.monotonic() + 30, None
        while time.monotonic() < until:
            assert self.running is not None
            if self.running.poll() is not None:
                raise AssertionError(f"the orchestrator ended: {self.fail()}")
            with suppress(httpx.TransportError):
                answer = self.get(path)
                if condition(answer):
                    return answer
            time.sleep(0.05)
        raise AssertionError(f"{path} still answers {answer and answer.text}")

    def wait_for_round(self, number: int, phase: str) -> dict[str, Any]:
        """Wait until a round is in a phase; the round."""
        answer = self.wait_for(
            f"/rounds/{number}", lambda found: bool(found.json().get("phase") == phase)
        )
        return dict(answer.json())

    def stop(self) -> float:
        """SIGTERM; the seconds it took to exit with 0."""
        assert self.running is not None
        begin = time.monotonic()
        self.running.terminate()
        _, errors = self.running.communicate(timeout=20)
        assert self.running.returncode == 0, errors
        return time.monotonic() - begin

    def kill(self) -> None:
        """SIGKILL."""
        assert self.running is not None
        self.running.kill()
        self.running.communicate(timeout=20)

    def fail(self) -> str:
        """Wait for it to end with a failure; the last line that it wrote."""
        assert self.running is not None
        _, errors = self.running.communicate(timeout=30)
        assert self.running.returncode == 1, errors
        return errors.splitlines()[-1]

    def deployed(self, node: Node) -> Deployed:
        """The workers' side of the federation that it deployed."""
        view = self.get("/federation").json()
        chain, contract = node.chain(), view["contract"]
        return Deployed(
            chain=chain,
            task=Task(**view["task"]),
            members=[member.address for member in self.members],
            deployment=Deployment(contract, view["deploy_block"], "", 0),
            deployer=Federation(chain, contract),
            workers=[Federation(chain, contract, member) for member in self.members],
        )


Prepare = Callable[..., Process]


@contextmanager
def orchestrators(node: Node, folder: Path) -> Iterator[Prepare]:
    """Make orchestrators' folders, ``prepare(node, **task_fields)``; at the end none runs."""
    made: list[Process] = []

    def prepare(node: Node = node, **fields: Any) -> Process:
        home = folder / str(len(made))
        home.mkdir()
        members = [node.new_account() for _ in range(4)]
        task = {"task": TASK | fields, "members": [member.address for member in members]}
        (home / "task.json").write_text(json.dumps(task))
        (home / "key").write_text(node.new_account().key.hex())
        (home / "token").write_text(TOKEN + "\n")
        port = free_port()
        environment = {
            "FEDSERUM_RPC_URL": node.url,
            "FEDSERUM_KEY_FILE": str(home / "key"),
            "FEDSERUM_STATE_DIR": str(home / "state"),
            "FEDSERUM_TASK_FILE": str(home / "task.json"),
            "FEDSERUM_TOKEN_FILE": str(home / "token"),
            "FEDSERUM_PORT": str(port),
            "FEDSERUM_POLL_S": "0.05",
        }
        made.append(Process(home, environment, port, members))
        return made[-1]

    try:
        yield prepare
    finally:
        for process in made:
            if process.running is not None and process.running.poll() is None:
                process.kill()


def signed(member: LocalAccount, report: dict[str, Any]) -> dict[str, Any]:
    """A report as its worker posts it."""
    message = encode_defunct(text=wire.report_message(report))
    return {"report": report, "signature": "0x" + member.sign_message(message).signature.hex()}


def is_problem(answer: httpx.Response, status: int) -> str:
    """The detail of an RFC 9457 document with that status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"] == "about:blank"
    assert problem["title"]
    return str(problem["detail"])
