"""What `fedserum cost` says is what a node charges."""

from collections.abc import Callable
from typing import Any

import pytest
from conftest import Deployed
from nodes import Node

from cost.machine import Machine
from services.keeper import due, perform


def _play(played: Deployed, n_rounds: int = 1) -> None:
    """Play rounds in which everybody reveals, the last worker perhaps excepted."""
    played.register_all()
    for number in range(n_rounds):
        openings = played.commit_all(seed=number)
        for worker, opening in zip(played.workers, openings, strict=True):
            played.reveal(worker, opening)
        while (duty := due(played.deployer)) is not None:
            assert perform(played.deployer, duty) is not None


@pytest.mark.parametrize(
    "fields",
    [
        {"n_workers": 10, "samples_per_round": 5_000, "chunk_samples": 4_096, "rounds": 2},
        {"n_workers": 5, "samples_per_round": 700, "classes": 47, "peering": 0},
        {"n_workers": 9, "samples_per_round": 256 * 12, "committee": 2, "rounds": 2},
        {"n_workers": 4, "samples_per_round": 300, "chunk_samples": 512, "classes": 300},
    ],
)
def test_every_transaction_uses_the_gas_that_the_machine_says(
    node: Node, federation: Callable[..., Deployed], fields: dict[str, Any]
) -> None:
    """A federation is played on the node, then its transactions once more on the machine."""
    first = node.chain().block_number() + 1
    played = federation(**fields)
    _play(played, fields.get("rounds", 1))
    machine, contract = Machine(), int(played.deployment.contract, 16)
    machine.chain_id = node.chain().chain_id()
    functions = set()
    for number in range(first, node.chain().block_number() + 1):
        block = node.rpc("eth_getBlockByNumber", hex(number), True)
        machine.timestamp = int(block["timestamp"], 16)
        machine.prevrandao = int(block["mixHash"], 16)
        for sent in block["transactions"]:
            receipt = played.chain.receipt(sent["hash"])
            result = machine.transact(
                int(sent["from"], 16),
                contract if sent["to"] else None,
                bytes.fromhex(sent["input"][2:]),
                int(sent["value"], 16),
            )
            assert (receipt.function, result.gas_used) == (receipt.function, receipt.gas_used)
            functions.add(receipt.function)
    assert functions == {"constructor", "register", "commit", "reveal", "aggregate", "settle"}
