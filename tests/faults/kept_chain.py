"""The chain of the containers as a process of its own, which may be killed: its state is kept.

What came after the last save, a fraction of a second, is lost with it.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from nodes import ROOT, Node, free_port

START_S = 30.0


class KeptChain:
    """A chain with a block a second, on a folder that outlives its process.

    Attributes:
        node: it, under the same URL after every start.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        folder.mkdir()
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        process = subprocess.Popen(
            ["node", ROOT / "containers/chain.mjs", "--silent", "--enable-tx-gas-limit"],
            env=os.environ
            | {
                "PATH": f"{ROOT / 'node_modules/.bin'}:{os.environ['PATH']}",
                "CHAIN_HOME": str(self._folder),
                "CHAIN_PORT": str(self._port),
            },
            start_new_session=True,
        )
        self.node = Node(f"http://127.0.0.1:{self._port}", process)
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            with suppress(httpx.TransportError):
                self.node.rpc("eth_chainId")
                return
            time.sleep(0.05)
        raise TimeoutError(f"no chain answers at {self.node.url}")

    def kill(self) -> None:
        """SIGKILL for it and for what it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self.node.process.pid, signal.SIGKILL)
        self.node.process.wait()


@contextmanager
def kept_chain(folder: Path) -> Iterator[KeptChain]:
    """A chain that runs; at the end it does not."""
    chain = KeptChain(folder)
    try:
        yield chain
    finally:
        chain.kill()
