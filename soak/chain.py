"""The run's chain: an anvil with a block a second that can be killed, frozen and reorganised.

What it had when it was last saved survives a kill. anvil's own ``--state`` would not do: a kill in
the middle of its writing leaves half a file, and every start would make another block 0.
"""

import gzip
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
from eth_utils.crypto import keccak

from demo.processes import ProcessError, Processes

ANVIL = Path("node_modules/.bin/anvil")
NAME = "chain"
START_S = 30.0
STARTS = 3  # attempts: the port of one that was killed may be taken for a moment longer
ANSWER_S = 30.0


class SoakChain:
    """One chain over all starts of its node.

    Attributes:
        url: where the node listens.
        is_up: whether it runs and is not frozen.
    """

    def __init__(self, processes: Processes, port: int, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.is_up = False
        self._processes = processes
        self._port = port
        self._state = folder / "state.json"
        self._born = int(time.time())  # so that block 0 is the same at every start
        self._first_block = 0  # since the last start: what a reorganisation can take back
        self._client = httpx.Client(base_url=self.url, timeout=ANSWER_S)

    def start(self) -> None:
        """Start the node from what was saved last, or from nothing.

        Raises:
            ProcessError: it does not come up.
        """
        command = [str(ANVIL), "--quiet", "--enable-tx-gas-limit", "--no-mining"]
        command += ["--host", "127.0.0.1", "--port", str(self._port)]
        command += ["--timestamp", str(self._born)]
        command += ["--load-state", str(self._state)] if self._state.exists() else []
        for _ in range(STARTS):
            self._processes.start(NAME, command, dict(os.environ))
            if self._answers():
                break
        else:
            raise ProcessError(f"the chain did not start; see {self._processes.log_file(NAME)}")
        self._first_block = self.block_number()
        self._catch_up()
        self.rpc("evm_setIntervalMining", 1)
        self.is_up = True

    def save(self) -> None:
        """Keep what the chain has now."""
        dump = bytes.fromhex(self.rpc("anvil_dumpState", False)[2:])
        temporary = self._state.with_suffix(".new")
        temporary.write_bytes(gzip.decompress(dump))
        temporary.replace(self._state)

    def kill(self) -> None:
        """SIGKILL; what was not saved is lost."""
        self.is_up = False
        self._processes.send(NAME, signal.SIGKILL)
        self._processes.wait(NAME)

    def freeze(self) -> None:
        """SIGSTOP; what listens for it still connects."""
        self.is_up = False
        self._processes.send(NAME, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._processes.send(NAME, signal.SIGCONT)
        self.is_up = True

    def reorganise(self, depth: int, returning: float, seed: int) -> int:
        """Replace the last blocks by others of the same number.

        Transactions of these blocks are in the new ones, or gone if their sender had bad luck: the
        node forgets them, and who sent them has to notice.

        Args:
            depth: blocks to replace, at most those since the last start.
            returning: share of the senders whose transactions return, 0..1.
            seed: of who has bad luck.

        Returns:
            Blocks that were replaced.
        """
        # A new block in between would make the pairs miss their places.
        self.rpc("evm_setIntervalMining", 0)
        head = self.block_number()
        depth = min(depth, head - self._first_block)
        pairs = []
        for place, number in enumerate(range(head - depth + 1, head + 1)):
            for transaction in self.rpc("eth_getBlockByNumber", hex(number), True)["transactions"]:
                lot = keccak(seed.to_bytes(8) + bytes.fromhex(transaction["from"][2:]))[0]
                if lot < 256 * returning:
                    pairs.append(
                        [self.rpc("eth_getRawTransactionByHash", transaction["hash"]), place]
                    )
        if depth > 0:
            self.rpc("anvil_reorg", depth, pairs)
        self._catch_up()
        self.rpc("evm_setIntervalMining", 1)
        return max(0, depth)

    def block_number(self) -> int:
        """Number of the latest block."""
        return int(self.rpc("eth_blockNumber"), 16)

    def receipts(self) -> list[dict[str, Any]]:
        """Of every transaction that the chain has, in order; raw."""
        return [
            receipt
            for number in range(self.block_number() + 1)
            for receipt in self.rpc("eth_getBlockReceipts", hex(number)) or []
        ]

    def rpc(self, method: str, *params: Any) -> Any:
        """One JSON-RPC call.

        Raises:
            ProcessError: the node refuses it.
            httpx.HTTPError: the node does not answer.
        """
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = self._client.post("/", json=body).json()
        if "error" in answer:
            raise ProcessError(f"the chain refused {method}: {answer['error']}")
        return answer["result"]

    def _catch_up(self) -> None:
        """A new start, and a reorganisation, leave the node's clock behind."""
        self.rpc("evm_setTime", int(time.time()))

    def _answers(self) -> bool:
        until = time.monotonic() + START_S
        while time.monotonic() < until and self._processes.exit_code(NAME) is None:
            try:
                self.rpc("eth_chainId")
            except httpx.HTTPError:
                time.sleep(0.05)
                continue
            return True
        return False
