"""Secrets stay where they are: planted in a whole round of real processes, and searched for."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account
from local import Command, command_line, commands, descendants, save_source, wait_until
from nodes import Node, free_port
from recorder import Recorder

from demo.prepare import fund, order_key_file, prepare
from services.interface import encode_call
from services.settings import DemoSettings

N_WORKERS = 4
ENCRYPTED = 0  # the worker whose key is a keystore
PASSWORD = "planted-password-7f3a"  # noqa: S105
TOKEN = "planted-token-91c4"  # noqa: S105
RPC_USER, RPC_PASSWORD, RPC_PATH = "planted-user", "planted-rpc-password", "planted-access-key"
REVEAL = encode_call("reveal", [b"", [], bytes(32)])[:4].hex().encode()


@dataclass
class Stage:
    """A federation that was played, and everything that left its processes.

    Attributes:
        home: keys, states and data.
        said: what each process printed and logged.
        sent: what each process sent to the node and to the orchestrator.
        answered: what the orchestrator answered to anybody.
        shown: the command lines, as any user of the host sees them.
    """

    home: Path
    said: dict[str, bytes] = field(default_factory=dict)
    sent: dict[str, list[bytes]] = field(default_factory=dict)
    answered: list[bytes] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)

    def salts(self) -> list[str]:
        """What the workers opened their commitments with, from their journals."""
        journals = sorted(self.home.glob("workers/*/state/*/round-1.json"))
        return [str(json.loads(path.read_text())["salt"]).removeprefix("0x") for path in journals]

    def keys(self) -> list[str]:
        """Every private key; the encrypted one is kept aside by `encrypt`."""
        files = [*self.home.glob("workers/*/key"), *self.home.glob("*.plain")]
        texts = [path.read_text().strip() for path in files]
        return [text for text in texts if not text.startswith("{")]


def encrypt(file: Path, aside: Path) -> None:
    """Make a keystore of a plain key file."""
    key = file.read_text().strip()
    aside.write_text(key)
    file.write_text(json.dumps(Account.encrypt(key, PASSWORD, kdf="pbkdf2", iterations=1_000)))


def ask_everything(url: str, address: str) -> Iterator[bytes]:
    """What the API answers, right and wrong questions, with and without the token."""
    paths = ["/health", "/ready", "/federation", "/rounds", "/rounds/1", "/rounds/9", "/workers"]
    paths += [f"/workers/{address}", "/rounds/1/labels", "/metrics", "/openapi.json", "/docs"]
    with httpx.Client(base_url=url, timeout=20) as client:
        for path in paths:
            answer = client.get(path)
            yield str(answer.headers).encode() + answer.content
        for header in (f"Bearer {TOKEN}", f"Bearer {TOKEN}x", f"Basic {TOKEN}"):
            answer = client.post("/rounds/advance", headers={"Authorization": header})
            yield str(answer.headers).encode() + answer.content
        with client.stream("GET", "/events") as stream:
            lines = stream.iter_lines()
            yield "\n".join(next(lines) for _ in range(12)).encode()


@pytest.fixture(scope="module")
def stage(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Four workers and an orchestrator play a round in a sealed order, at log level debug."""
    folder = tmp_path_factory.mktemp("secrets")
    source = str(save_source(folder / "source"))
    settings = DemoSettings(
        home=folder / "home",
        rpc_url=node.url,
        poll_s=0.05,
        workers=N_WORKERS,
        samples=256,
        private=source,
        public=source,
        private_samples=400,
        sealed_order=True,
    )
    prepare(settings)
    fund(settings.home, settings)
    home, servers = settings.home, []
    (folder / "password").write_text(PASSWORD + "\n")
    (folder / "token").write_text(TOKEN + "\n")
    encrypt(home / "orchestrator" / "key", home / "orchestrator.plain")
    encrypt(home / "workers" / str(ENCRYPTED) / "key", home / "worker.plain")
    stage = Stage(home)
    with commands(folder) as make:
        try:
            play(stage, node, folder, make, servers)
        finally:
            for server in servers:
                server.shutdown()
                server.server_close()
    stage.said = {path.stem: path.read_bytes() for path in folder.glob("*.log")}
    return stage


def play(
    stage: Stage, node: Node, folder: Path, make: Any, servers: list[ThreadingHTTPServer]
) -> None:
    """One round, and what goes wrong before it."""
    recorders: list[Recorder] = []

    def common(name: str) -> dict[str, object]:
        recorder = Recorder(node.url, prefix=f"/{RPC_PATH}")
        recorders.append(recorder)
        servers.append(recorder.start())
        stage.sent[name] = recorder.bodies
        place = recorder.url.removeprefix("http://")
        return {
            "rpc_url": f"http://{RPC_USER}:{RPC_PASSWORD}@{place}/{RPC_PATH}",
            "rpc_timeout_s": 30,
            "key_password_file": folder / "password",
            "log_level": "debug",
            "poll_s": 0.3,
        }

    own, port = stage.home / "orchestrator", free_port()
    url = f"http://127.0.0.1:{port}"
    orchestrator = make(
        "orchestrator",
        "orchestrator",
        **common("orchestrator"),
        key_file=own / "key",
        state_dir=own,
        task_file=stage.home / "task.json",
        order_key_file=order_key_file(stage.home),
        token_file=folder / "token",
        port=port,
    )
    [gate] = recorders
    gate.is_up = False
    orchestrator.start()
    # Before it reaches the node it has the more to complain of.
    orchestrator.wait_for("chain_unready")
    stage.answered += [httpx.get(url + path, timeout=20).content for path in ("/ready", "/rounds")]
    gate.is_up = True
    workers: list[Command] = []
    for index in range(N_WORKERS):
        api = Recorder(url)
        servers.append(api.start())
        mine = stage.home / "workers" / str(index)
        stage.sent[f"worker-{index} to orchestrator"] = api.bodies
        workers.append(
            make(
                f"worker-{index}",
                "worker",
                **common(f"worker-{index}"),
                orchestrator_url=api.url,
                key_file=mine / "key",
                state_dir=mine / "state",
                private_data=mine / "private",
                public_data=stage.home / "public",
                test_data=stage.home / "test",
                model="mlp",
                epochs=1,
                keeper_grace_s=600,
            )
        )
    failing(stage, workers[ENCRYPTED], folder, make)
    for worker in workers:
        worker.start()
    watched = [orchestrator, *workers]

    def is_over() -> bool:
        for command in watched:
            stage.shown |= {command_line(command.pid), *descendants(command.pid).values()}
        return not any(worker.is_running() for worker in workers)

    for _ in range(3):  # each wait is as long as a part of the round may take
        try:
            wait_until(is_over, lambda: workers[0].said())
            break
        except AssertionError:
            continue
    for worker in workers:
        assert worker.end() == 0, worker.said()
    address = httpx.get(url + "/workers", timeout=20).json()[0]["address"]
    stage.answered += ask_everything(url, address)


def failing(stage: Stage, worker: Command, folder: Path, make: Any) -> None:
    """Start what cannot work: each failure has something to say about a secret."""
    (folder / "wrong").write_text(f"not-{PASSWORD}")
    unreachable = worker.settings | {
        "rpc_url": f"http://{RPC_USER}:{RPC_PASSWORD}@127.0.0.1:{free_port()}/{RPC_PATH}",
        "contract": "0x" + "11" * 20,
        "patience_s": 1,
    }
    wrong = {
        "wrong-password": worker.settings | {"key_password_file": folder / "wrong"},
        "no-password": worker.settings | {"key_password_file": ""},
        "password-as-key": worker.settings | {"key_file": folder / "password"},
        "no-node": unreachable,
        "no-scheme": unreachable | {"rpc_url": f"{RPC_USER}:{RPC_PASSWORD}@127.0.0.1:1/{RPC_PATH}"},
    }
    started = {name: make(name, "worker", **settings) for name, settings in wrong.items()}
    for command in started.values():
        command.start()
        command.fail()


def forms(secret: str) -> set[bytes]:
    """How a secret may be written down, case aside."""
    found = {secret.encode(), base64.b64encode(secret.encode()).rstrip(b"=")}
    if len(secret) == 64:
        raw = bytes.fromhex(secret)
        found |= {raw, base64.b64encode(raw).rstrip(b"="), str(int(secret, 16)).encode()}
        found |= {repr(raw)[2:-1].encode()}
    return {form.lower() for form in found}


def is_in(secret: str, content: bytes) -> bool:
    """Whether it can be read there."""
    return any(form in content.lower() for form in forms(secret))


def everything(stage: Stage) -> dict[str, bytes]:
    """All that left the processes, by where it went."""
    return {
        **{f"log of {name}": content for name, content in stage.said.items()},
        **{f"requests of {name}": b"\n".join(bodies) for name, bodies in stage.sent.items()},
        "answers of the orchestrator": b"\n".join(stage.answered),
        "command lines": "\n".join(stage.shown).encode(),
    }


@pytest.mark.timeout(900)
def test_the_round_was_played(stage: Stage) -> None:
    """Otherwise nothing could have leaked: labels committed and revealed, money back, all said."""
    for index in range(N_WORKERS):
        events = stage.said[f"worker-{index}"]
        for event in (b"labels_committed", b"labels_revealed", b"order_key_received"):
            assert event in events, (index, event)
    assert len(stage.salts()) == N_WORKERS
    assert len(set(stage.keys())) == N_WORKERS + 1
    assert b'"phase":"settled"' in b"".join(stage.answered)
    assert any("worker" in line for line in stage.shown)
    assert b"not ready" in stage.answered[0]


@pytest.mark.timeout(900)
def test_no_key_password_or_token_leaves_its_process(stage: Stage) -> None:
    """Not printed, logged, sent, answered or on a command line, in no form."""
    secrets = {
        "password": PASSWORD,
        "token": TOKEN,
        "order key": order_key_file(stage.home).read_text().strip(),
        "rpc user": RPC_USER,
        "rpc password": RPC_PASSWORD,
        "rpc path": RPC_PATH,
        **{f"key {number}": key for number, key in enumerate(stage.keys())},
    }
    found = [
        (name, place)
        for name, secret in secrets.items()
        for place, content in everything(stage).items()
        if is_in(secret, content)
    ]
    assert not found


@pytest.mark.timeout(900)
def test_a_salt_leaves_its_worker_with_the_reveal(stage: Stage) -> None:
    """The node gets it in calls of `reveal`, and nobody else at all."""
    everywhere = everything(stage)
    for index, salt in enumerate(stage.salts()):
        for place, content in everywhere.items():
            if place != f"requests of worker-{index}":
                assert not is_in(salt, content), (index, place)
        own = [body for body in stage.sent[f"worker-{index}"] if is_in(salt, body)]
        assert own
        assert all(REVEAL in body for body in own)


def test_the_search_would_find_a_secret() -> None:
    """In hex, raw, as a number, in base64 or escaped, whatever the case."""
    key = "ab" * 31 + "01"
    raw = bytes.fromhex(key)
    for form in (
        key,
        "0x" + key.upper(),
        str(int(key, 16)),
        repr(raw),
        f"[{base64.b64encode(raw)!r}]",
    ):
        assert is_in(key, f"<{form}>".encode())
    assert is_in(key, b"<" + raw + b">")
    assert is_in(TOKEN, base64.b64encode(TOKEN.encode()))
    assert not is_in(key, b"ab" * 30)
