"""An anvil of the bench's own, where `cost.play` plays rounds and signs every transaction."""

import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from cost.machine import CallRefused, Result
from services.errors import ContractRevertError
from services.interface import decode_revert, encode_deployment
from services.task import Task
from services.transactions import MAX_GAS

ANVIL = Path("node_modules/.bin/anvil")
FEE_WEI = 10**10
UNBOUND_GAS = 10**11


class Node:
    """A node, and what was sent to it.

    Attributes:
        members: addresses [n] of accounts that can pay.
        sent_bytes: length of every signed transaction so far.
        floors: the least gas that EIP-7623 lets every transaction so far pay for its data.
    """

    def __init__(self, n_members: int, *, is_bound: bool = True) -> None:
        """Start it. `is_bound`: with the cap on a transaction's gas (EIP-7825)."""
        self.gas = MAX_GAS if is_bound else UNBOUND_GAS // 2
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = int(listener.getsockname()[1])
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=600)
        command = [str(ANVIL), "--silent", "--accounts", "1", "--port", str(port)]
        command += ["--enable-tx-gas-limit"] if is_bound else ["--disable-block-gas-limit"]
        self._process = subprocess.Popen(command)
        self.chain_id = int(self._await_answer(), 16)
        self._accounts = {
            int(account.address, 16): account
            for account in (Account.from_key(keccak(b"key %d" % i)) for i in range(n_members))
        }
        self.members = [account.address for account in self._accounts.values()]
        for member in self.members:
            self.rpc("anvil_setBalance", member, hex(10**26))
        self._nonces: dict[int, int] = {}
        self.sent_bytes: list[int] = []
        self.floors: list[int] = []

    def __enter__(self) -> "Node":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._client.close()
        self._process.terminate()
        self._process.wait(timeout=30)

    def _await_answer(self) -> str:
        until = time.monotonic() + 30
        while True:
            try:
                return str(self.rpc("eth_chainId"))
            except httpx.TransportError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise
                time.sleep(0.05)

    def rpc(self, method: str, *params: Any) -> Any:
        """One JSON-RPC call.

        Raises:
            CallRefused: the contract reverted.
        """
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = self._client.post("/", json=body).json()
        if "error" in answer:
            data = answer["error"].get("data")
            if not isinstance(data, str):
                raise RuntimeError(f"{method}: {answer['error']}")
            raise CallRefused(bytes.fromhex(data[2:]))
        return answer["result"]

    def transact(self, sender: int, to: int | None, data: bytes, value: int = 0) -> Result:
        """Sign, send and wait; asks for all the gas that there may be."""
        account: LocalAccount = self._accounts[sender]
        nonce = self._nonces.get(sender, 0)
        fields: Any = {
            "type": 2,
            "chainId": self.chain_id,
            "nonce": nonce,
            "data": data,
            "value": value,
            "gas": self.gas,
            "maxFeePerGas": FEE_WEI,
            "maxPriorityFeePerGas": 0,
        }
        if to is not None:
            fields["to"] = to.to_bytes(20)
        raw = account.sign_transaction(fields).raw_transaction
        key = self.rpc("eth_sendRawTransaction", "0x" + raw.hex())
        self._nonces[sender] = nonce + 1
        while (receipt := self.rpc("eth_getTransactionReceipt", key)) is None:
            time.sleep(0.002)
        if receipt["status"] != "0x1":
            self.rpc("eth_call", {"from": account.address, "data": "0x" + data.hex()}, "latest")
            raise RuntimeError(f"a transaction failed: {receipt}")
        self.sent_bytes.append(len(raw))
        self.floors.append(21_000 + 10 * (4 * len(data) - 3 * data.count(0)))
        created = receipt["contractAddress"]
        return Result(int(receipt["gasUsed"], 16), b"", int(created, 16) if created else to or 0)

    def call(self, to: int, data: bytes) -> bytes:
        """What a view answers."""
        request = {"to": f"0x{to:040x}", "data": "0x" + data.hex()}
        return bytes.fromhex(self.rpc("eth_call", request, "latest")[2:])

    def why_refused(self, task: Task) -> ContractRevertError | None:
        """What the contract's constructor has against a task; None if it accepts it."""
        data = "0x" + encode_deployment(task.to_abi()).hex()
        try:
            self.rpc("eth_call", {"data": data, "gas": hex(MAX_GAS)}, "latest")
        except CallRefused as refused:
            return decode_revert(refused.data)
        return None
