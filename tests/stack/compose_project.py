"""One Compose project under test: its commands, containers, logs and published ports."""

import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import docker
import httpx
from docker.models.containers import Container
from nodes import ROOT, free_port

N_WORKERS = 10
SAMPLES = 1024
T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T | None], timeout_s: float) -> T:
    """Look again until there is something to see."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        with suppress(httpx.HTTPError):
            if found := look():
                return found
        time.sleep(0.3)
    raise TimeoutError(f"waited {timeout_s:.0f} s for {what}")


@dataclass
class Stack:
    """One Compose project with ports and a name of its own."""

    engine: docker.DockerClient
    project: str = field(default_factory=lambda: f"fedserum-test-{secrets.token_hex(4)}")
    port: int = field(default_factory=free_port)
    chain_port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        """The orchestrator, as the host sees it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def rpc_url(self) -> str:
        """The chain, as the host sees it."""
        return f"http://127.0.0.1:{self.chain_port}"

    def get(self, path: str) -> Any:
        """A JSON answer of the orchestrator."""
        return httpx.get(self.url + path, timeout=10).raise_for_status().json()

    def rpc(self, method: str, *params: Any) -> Any:
        """A raw JSON-RPC call to the chain."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = httpx.post(self.rpc_url, json=body, timeout=10).json()
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run `docker compose` with small sizes; returns what it printed."""
        settings = {
            "FEDSERUM_PORT": self.port,
            "FEDSERUM_CHAIN_PORT": self.chain_port,
            "FEDSERUM_WORKERS": N_WORKERS,
            "FEDSERUM_SAMPLES": SAMPLES,
            "FEDSERUM_PRIVATE_SAMPLES": 4000,
            "FEDSERUM_EPOCHS": 8,
            "FEDSERUM_DISTILL_EPOCHS": 4,
            "FEDSERUM_BATCH_SIZE": 32,
            "FEDSERUM_SEALED_ORDER": 1,
        }
        done = subprocess.run(
            ["docker", "compose", "--project-name", self.project, *arguments],
            cwd=ROOT,
            env=os.environ | {name: str(value) for name, value in settings.items()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert not check or done.returncode == 0, done.stdout[-5000:]
        return done.stdout

    def containers(self, service: str | None = None) -> list[Container]:
        """The containers of one service, or of all, ended ones too."""
        labels = [f"com.docker.compose.project={self.project}"]
        if service:
            labels.append(f"com.docker.compose.service={service}")
        found: list[Container] = self.engine.containers.list(all=True, filters={"label": labels})
        return found


def logged(container: Container) -> list[dict[str, Any]]:
    """The events in a container's log, oldest first."""
    lines = container.logs().decode().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]
