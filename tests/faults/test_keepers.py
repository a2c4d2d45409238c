"""Keepers side by side: the orchestrator and every worker, all of them as eager as can be."""

from collections.abc import Callable
from pathlib import Path

import aftermath
from company import company
from nodes import Node
from orchestrators import Prepare
from party import Home

ROUNDS, CHUNKS = 2, 2
# Each worker registers, commits, reveals and withdraws; each chunk and each round wants one call.
NEEDED = 4 * (1 + 2 * ROUNDS + 1) + ROUNDS * (CHUNKS + 1)
MOST_FAILED = 5  # of 24, four for each of the keepers' calls, if they sent without looking


def test_eager_keepers_waste_next_to_nothing(
    start_node: Callable[..., Node], prepare: Prepare, home: Home, tmp_path: Path
) -> None:
    """Who is second sees it before it sends, though blocks are a second apart."""
    node = start_node()
    with company(node, prepare, home, tmp_path) as build:
        played = build(samples_per_round=256 * CHUNKS, rounds=ROUNDS)
        node.rpc("evm_setAutomine", False)
        node.rpc("evm_setIntervalMining", 1)
        played.start(keeper_grace_s=0, poll_s=0.1)
        played.end()
        aftermath.check(played.stage, set())
        first, last = played.stage.deployment.deploy_block, played.stage.chain.block_number()
        receipts = [
            receipt
            for number in range(first, last + 1)
            for receipt in node.rpc("eth_getBlockReceipts", hex(number))
        ]
    failed = [receipt for receipt in receipts if int(receipt["status"], 16) == 0]
    wasted, spent = (sum(int(each["gasUsed"], 16) for each in some) for some in (failed, receipts))
    assert len(receipts) - len(failed) == 1 + NEEDED  # and the deployment
    assert len(failed) <= MOST_FAILED, f"{wasted} of {spent} gas wasted"
    assert wasted < spent / 25
