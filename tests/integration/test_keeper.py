"""Keepers carry a real round from commits to closing, whoever else does the same."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
from local import wait_until
from nodes import refusing
from party import wait_for_transaction, without_blocks

from services import wire
from services.chain import Chain, Federation, Phase, Receipt
from services.errors import InsufficientFundsError
from services.keeper import Duty, due, perform


def keep(federation: Federation) -> list[Receipt]:
    """Do what is due until nothing is."""
    receipts = []
    while (duty := due(federation)) is not None:
        receipt = perform(federation, duty)
        assert receipt is not None
        receipts.append(receipt)
    return receipts


def majority(rows: list[Any], classes: int) -> Any:
    """The global labels, counted plainly: most votes, then lowest class, ABSTAIN without votes."""
    votes = np.array(
        [[(row == label).sum() for label in range(classes)] for row in np.array(rows).T]
    )
    return np.where(votes.sum(1) > 0, votes.argmax(1), wire.abstain(classes))


def test_a_keeper_carries_a_round_to_its_end(node: Any, federation: Callable[..., Any]) -> None:
    """From the reveals on, one keeper with nothing but node and address closes the federation."""
    stage = federation(5, samples_per_round=1100, chunk_samples=512)
    stage.register_all()
    assert due(stage.deployer) is None
    openings = stage.commit_all()
    for worker, opening in zip(stage.workers, openings, strict=True):
        stage.reveal(worker, opening)

    keeper = Federation(node.chain(), stage.deployment.contract, node.new_account())
    receipts = keep(keeper)

    assert [receipt.function for receipt in receipts] == ["aggregate"] * 3 + ["settle"]
    assert keeper.phase() is Phase.CLOSED
    aggregated = keeper.round_events(1, ["ChunkAggregated"])
    for event, size in zip(aggregated, [512, 512, 76], strict=True):
        chunk = event.args["chunk"]
        start = sum(wire.packed_bytes(10, size) for size in [512, 512, 76][:chunk])
        end = start + wire.packed_bytes(10, size)
        rows = [wire.unpack(opening.labels[start:end], 10, size) for opening in openings]
        found = wire.unpack(event.args["globalLabels"], 10, size)
        assert found.tolist() == majority(rows, 10).tolist()
    rewards = [keeper.reward_of(1, member) for member in stage.members]
    balances = [keeper.balance_of(member) for member in stage.members]
    assert min(rewards) > 0
    assert sum(balances) + keeper.pot() == 5 * stage.task.deposit_wei
    settled = keeper.round_events(1, ["RoundSettled"])[0].args
    # What integer division leaves of a pool goes to the pot: less than a wei per worker.
    assert 0 <= settled["pool"] - sum(rewards) < 5


def test_a_keeper_ends_phases_whose_deadline_passed(
    node: Any, federation: Callable[..., Any]
) -> None:
    """Registration, Commit and Reveal end by `advance`; who withheld is slashed and skipped."""
    stage = federation(6, max_workers=8, committee=2, samples_per_round=2100)
    stage.register_all()
    duty = Duty("advance", 0, Phase.REGISTRATION)
    assert due(stage.deployer) is None
    node.pass_time(stage.task.registration_seconds)
    assert due(stage.deployer) == duty
    assert perform(stage.deployer, duty) is not None

    idler, *active = stage.workers
    rng = np.random.default_rng(1)
    openings = [stage.label(worker, rng) for worker in active]
    for worker, opening in zip(active, openings, strict=True):
        worker.commit(opening.commitment)
    assert due(stage.deployer) is None
    node.pass_time(stage.task.commit_seconds)
    assert [receipt.function for receipt in keep(stage.deployer)] == ["advance"]

    withholder, *honest = active
    for worker, opening in zip(honest, openings[1:], strict=True):
        stage.reveal(worker, opening)
    node.pass_time(stage.task.reveal_seconds)
    functions = [receipt.function for receipt in keep(stage.deployer)]

    assert functions == ["advance"] + ["aggregate"] * 9 + ["settle"]
    assert stage.deployer.is_excluded(withholder.account.address)
    assert not stage.deployer.is_excluded(idler.account.address)
    assert stage.deployer.reward_of(1, idler.account.address) == 0


def test_two_keepers_in_one_block_are_no_error(
    start_node: Callable[..., Any], federation: Callable[..., Any]
) -> None:
    """Their nodes do not tell what waits for a block: one succeeds, the other sees that it did."""
    node = start_node()

    def refusal(request: dict[str, Any]) -> dict[str, Any] | None:
        is_it = request["method"] == "eth_call" and request["params"][1] == "pending"
        return {"code": -32000, "message": "no pending state"} if is_it else None

    stage = federation(4, node)
    stage.register_all()
    for worker, opening in zip(stage.workers, stage.commit_all(), strict=True):
        stage.reveal(worker, opening)
    duty = due(stage.deployer)
    assert duty is not None
    # Chains of their own, as separate processes have.
    accounts = [node.new_account() for _ in range(2)]
    with refusing(node.url, refusal) as url:
        keepers = [
            Federation(Chain(url, poll_s=0.02), stage.deployment.contract, account)
            for account in accounts
        ]
        calls = [partial(perform, keeper, duty) for keeper in keepers]
        receipts = [future.result() for future in node.mine_together(*calls)]

    assert sorted(receipt is None for receipt in receipts) == [False, True]
    assert due(stage.deployer) == Duty("aggregate", 1, Phase.AGGREGATE, 1)
    assert perform(stage.deployer, duty) is None


def test_a_keeper_leaves_alone_what_another_has_sent(
    start_node: Callable[..., Any], federation: Callable[..., Any]
) -> None:
    """While it waits for a block; but not for ever."""
    node = start_node()
    stage = federation(4, node)
    stage.register_all()
    for worker, opening in zip(stage.workers, stage.commit_all(), strict=True):
        stage.reveal(worker, opening)
    duty = due(stage.deployer)
    assert duty is not None
    chain = node.chain(transaction_timeout_s=4.0)
    second = Federation(chain, stage.deployment.contract, node.new_account())
    with without_blocks(node), ThreadPoolExecutor(2) as threads:
        sent = threads.submit(perform, stage.deployer, duty)
        wait_for_transaction(node)
        assert [perform(second, duty) for _ in range(2)] == [None, None]
        assert len(node.pending()) == 1
        time.sleep(1.0)  # a quarter of the time for a transaction
        overtaking = threads.submit(perform, second, duty)
        wait_until(lambda: len(node.pending()) == 2, lambda: "it waits for ever")
        node.rpc("evm_mine")
        assert sorted([sent.result() is None, overtaking.result() is None]) == [False, True]


def test_what_was_done_long_ago_is_no_error(federation: Callable[..., Any]) -> None:
    """A duty of a phase that is over is found done, without a transaction."""
    stage = federation(4)
    stage.register_all()
    assert perform(stage.deployer, Duty("advance", 0, Phase.REGISTRATION)) is None


def test_a_keeper_that_cannot_pay_says_so(node: Any, federation: Callable[..., Any]) -> None:
    """What is still due and fails is an error, not a lost race."""
    stage = federation(4, max_workers=5)
    stage.register_all()
    node.pass_time(stage.task.registration_seconds)
    poor = Federation(node.chain(), stage.deployment.contract, node.new_account(balance_wei=1))
    duty = due(poor)
    assert duty == Duty("advance", 0, Phase.REGISTRATION)
    with pytest.raises(InsufficientFundsError):
        perform(poor, duty)
