"""Development nodes for the tests: anvil, or Hardhat's with ``FEDSERUM_TEST_NODE=hardhat``.

Tests ask of a node only what both have; for what they share, anvil answers to Hardhat's names.
"""

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from eth_account import Account
from eth_account.signers.local import LocalAccount

from services.chain import Chain, put_kernels

ROOT = Path(__file__).parents[1]
ETHER = 10**18
KIND = os.environ.get("FEDSERUM_TEST_NODE", "anvil")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


Say = Callable[[dict[str, Any]], bytes | None]  # the answer to a request; None: the real node's


@contextmanager
def served(reply: Callable[[bytes], bytes | None]) -> Iterator[str]:
    """A server that answers POSTs with what ``reply`` makes of their bodies; None: it hangs up."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = reply(self.rfile.read(int(self.headers["Content-Length"])))
            if body is None:
                return
            with suppress(OSError):  # the other side may have given up
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def lying(say: Say, url: str | None = None) -> Iterator[str]:
    """A node that says what ``say`` makes of a request; None: what the node at ``url`` says."""
    client = httpx.Client(timeout=30, headers={"Content-Type": "application/json"})

    def reply(content: bytes) -> bytes:
        body = say(json.loads(content))
        return client.post(str(url), content=content).content if body is None else body

    with served(reply) as place:
        yield place


def answer(request: dict[str, Any], **content: Any) -> bytes:
    """A JSON-RPC answer."""
    return json.dumps({"jsonrpc": "2.0", "id": request["id"]} | content).encode()


@contextmanager
def refusing(url: str, refusal: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Iterator[str]:
    """URL of a node that passes calls on to another, but for those that it has an error for.

    Args:
        url: the other node's.
        refusal: the JSON-RPC error for a request; None passes it on.
    """

    def say(request: dict[str, Any]) -> bytes | None:
        error = refusal(request)
        return None if error is None else answer(request, error=error)

    with lying(say, url) as place:
        yield place


@dataclass(frozen=True)
class Node:
    """A development node of this test run; it makes a block for every transaction."""

    url: str
    process: subprocess.Popen[bytes]

    def rpc(self, method: str, *params: Any) -> Any:
        """One raw JSON-RPC call."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = httpx.post(self.url, json=body, timeout=30).json()
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def pass_time(self, seconds: int) -> None:
        """Let the chain's clock go on and make a block."""
        self.rpc("evm_increaseTime", seconds)
        self.rpc("evm_mine")

    def pending(self) -> list[str]:
        """Hashes of the transactions that the next block would take."""
        return list(self.rpc("eth_getBlockByNumber", "pending", False)["transactions"])

    def drop_pending(self) -> None:
        """Forget the transactions that wait for a block."""
        for transaction_hash in self.pending():
            self.rpc("hardhat_dropTransaction", transaction_hash)

    def mine_together(self, *calls: Callable[[], Any]) -> list[Future[Any]]:
        """Run calls that send a transaction each, and put all of these into one block."""
        self.rpc("evm_setAutomine", False)
        with ThreadPoolExecutor(len(calls)) as threads:
            futures = [threads.submit(call) for call in calls]
            until = time.monotonic() + 30
            while len(self.pending()) < len(calls):
                assert time.monotonic() < until, [future.done() for future in futures]
                time.sleep(0.02)
            self.rpc("evm_mine")
        self.rpc("evm_setAutomine", True)
        return futures

    def set_balance(self, address: str, balance_wei: int) -> None:
        """Give an account this much ether."""
        self.rpc("hardhat_setBalance", address, hex(balance_wei))

    def set_code(self, address: str, code: str) -> None:
        """Put runtime code, as hex text, at an address."""
        self.rpc("hardhat_setCode", address, code)

    def set_base_fee(self, base_fee_wei: int) -> None:
        """Set the next block's base fee, in wei per gas."""
        self.rpc("hardhat_setNextBlockBaseFeePerGas", hex(base_fee_wei))

    def new_account(self, balance_wei: int = 100 * ETHER) -> LocalAccount:
        """An account of its own, with ether."""
        account: LocalAccount = Account.create()
        self.set_balance(account.address, balance_wei)
        return account

    def put_kernels(self) -> None:
        """Make sure of the kernels, at somebody else's expense."""
        put_kernels(self.chain(), self.new_account())

    def chain(self, **options: Any) -> Chain:
        """A client of this node that polls often."""
        return Chain(self.url, **{"poll_s": 0.02, **options})


def start_node(
    chain_id: int = 31337, born: int | None = None, mines: bool = True, bare: bool = False
) -> Node:
    """Start a node and wait until it answers.

    Args:
        chain_id: of its chain.
        born: time of block 0, in unix seconds; None: now.
        mines: whether it makes blocks.
        bare: without the deployment proxy, which anvil puts on every chain, and Hardhat on none.
    """
    starts = {"anvil": _anvil, "hardhat": _hardhat}
    assert KIND in starts, f"FEDSERUM_TEST_NODE: expected one of {list(starts)}, found {KIND!r}"
    port = free_port()
    process = starts[KIND](port, chain_id, born, mines, bare)
    node = Node(f"http://127.0.0.1:{port}", process)
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        with suppress(httpx.TransportError):
            node.rpc("eth_chainId")
            return node
        time.sleep(0.05)
    process.kill()
    raise TimeoutError(f"{KIND} does not answer at {node.url}")


def _anvil(
    port: int, chain_id: int, born: int | None, mines: bool, bare: bool
) -> subprocess.Popen[bytes]:
    command = [ROOT / "node_modules/.bin/anvil", "--silent", "--enable-tx-gas-limit"]
    command += ["--port", str(port), "--chain-id", str(chain_id)]
    command += [] if born is None else ["--timestamp", str(born)]
    command += [] if mines else ["--no-mining"]
    command += ["--disable-default-create2-deployer"] if bare else []
    return subprocess.Popen(command)


def _hardhat(
    port: int, chain_id: int, born: int | None, mines: bool, _bare: bool
) -> subprocess.Popen[bytes]:
    folder = ROOT / "tests/hardhat"
    assert (folder / "node_modules/.ready").exists(), "Hardhat is missing: run `make hardhat`"
    options: dict[str, Any] = {"chainId": chain_id, "mining": {"auto": mines}}
    if born is not None:
        options["initialDate"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(born))
    # Not by `npx`, which would leave the node behind when it is told to end.
    command = [folder / "node_modules/.bin/node", folder / "node_modules/hardhat/dist/src/cli.js"]
    return subprocess.Popen(
        [*command, "node", "--hostname", "127.0.0.1", "--port", str(port)],
        cwd=folder,
        env=os.environ | {"HARDHAT_NODE": json.dumps(options)},
        stdout=subprocess.DEVNULL,  # it logs every request
    )
