"""What the paper's Algorithm 3 costs as printed, from `AlgorithmThree.sol` on a node."""

import json
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from bench.node import Node
from cost.labels import draw_labels, draw_truth
from services import wire

SOURCE = Path(__file__).parent / "AlgorithmThree.sol"
SOLC = Path("contracts/tools/solc")
SMALL, LARGE = 32, 64  # samples: two sizes, of which the difference is what a label costs
NULL = 255


def gas_per_label(workers: int, classes: int, abstention: float) -> float:
    """What one more sample costs a worker, everything included.

    Labels are counted as in `gas.py`: places, abstained ones among them.
    """
    small, large = (_round(workers, classes, abstention, m) for m in (SMALL, LARGE))
    return (large - small) / (LARGE - SMALL) / workers


def _round(workers: int, classes: int, abstention: float, samples: int) -> int:
    """Gas of a round with drawn labels."""
    random = np.random.default_rng(0)
    truth = draw_truth(random, samples, classes)
    labels = [draw_labels(random, truth, classes, abstention) for _ in range(workers)]
    with Node(1, is_bound=False) as node:
        return run(node, labels, classes)[1]


def run(node: Node, labels: Sequence[wire.Labels], classes: int) -> tuple[int, int]:
    """Submit everybody's labels [samples] and run the algorithm.

    Returns:
        the contract's address, and the gas of all submissions and the run.
    """
    sender = int(node.members[0], 16)
    init = _creation_code() + encode(["uint256"], [classes])
    contract, gas = node.transact(sender, None, init).created, 0
    for row in labels:
        codes = np.where(row < classes, row, NULL).tolist()
        data = selector("submit(uint8[],uint32[])") + encode(
            ["uint8[]", "uint32[]"], [codes, wire.count_labels(row, classes)]
        )
        gas += node.transact(sender, contract, data).gas_used
    return contract, gas + node.transact(sender, contract, selector("run()")).gas_used


def selector(signature: str) -> bytes:
    """The first bytes of a call."""
    return keccak(text=signature)[:4]


@cache
def _creation_code() -> bytes:
    """Compile it as the federation is compiled."""
    request = {
        "language": "Solidity",
        "sources": {SOURCE.name: {"content": SOURCE.read_text()}},
        "settings": {
            "evmVersion": "prague",
            "viaIR": True,
            "optimizer": {"enabled": True, "runs": 1000},
            "outputSelection": {"*": {"*": ["evm.bytecode.object"]}},
        },
    }
    ended = subprocess.run(
        [SOLC, "--standard-json"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
    )
    contracts = json.loads(ended.stdout)["contracts"]
    return bytes.fromhex(contracts[SOURCE.name]["AlgorithmThree"]["evm"]["bytecode"]["object"])
