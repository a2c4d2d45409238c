"""One Compose project under test: its commands, containers, logs and published ports."""

import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import docker
import httpx
import pytest
from docker.errors import APIError, DockerException
from docker.models.containers import Container
from nodes import ROOT, free_port

from services.errors import ChainError

T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T | None], timeout_s: float) -> T:
    """Look again until there is something to see."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        with suppress(httpx.HTTPError, ChainError):
            if found := look():
                return found
        time.sleep(0.2)
    raise TimeoutError(f"waited {timeout_s:.0f} s for {what}")


@dataclass
class Stack:
    """One Compose project with ports and a name of its own.

    Attributes:
        settings: what its environment has besides the ports, as `FEDSERUM_<name>`.
    """

    engine: docker.DockerClient
    settings: dict[str, object]
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
        """Run `docker compose`; returns what it printed."""
        settings = self.settings | {"PORT": self.port, "CHAIN_PORT": self.chain_port}
        done = subprocess.run(
            ["docker", "compose", "--project-name", self.project, *arguments],
            cwd=ROOT,
            env=os.environ | {f"FEDSERUM_{name}": str(each) for name, each in settings.items()},
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


def find_engine() -> docker.DockerClient:
    """The Docker engine; without one the tests are skipped, or fail where one is required."""
    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        reason = f"no Docker engine answers ({error}); start one, or set DOCKER_HOST"
        if os.environ.get("FEDSERUM_REQUIRE_DOCKER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return client


@contextmanager
def removed_afterwards(stack: Stack, session: pytest.Session) -> Iterator[None]:
    """Build the images; afterwards remove the project, and print its logs if a test failed."""
    n_failed = session.testsfailed
    is_well = False
    try:
        stack.compose("build")
        yield
        is_well = session.testsfailed == n_failed
    finally:
        if not is_well:
            print(stack.compose("ps", "--all", check=False))  # noqa: T201
            print(stack.compose("logs", "--tail", "40", check=False))  # noqa: T201
        stack.compose("down", "--volumes", "--timeout", "5", check=False)


def pause(container: Container) -> None:
    """Freeze it; on a busy machine the engine may not get hold of all threads at once."""

    def is_paused() -> bool:
        try:
            container.pause()
        except APIError as error:
            if "unable to freeze" not in str(error):
                raise
            return False
        return True

    wait_for(f"the pause of {container.name}", is_paused, 30)
