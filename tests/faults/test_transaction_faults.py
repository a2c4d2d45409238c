"""Transactions that get stuck, dropped, lost or overtaken: what they ask for is done once."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from local import wait_until
from nodes import Node, answer, lying
from proxy import LOSE_ANSWER, proxied

from services.chain import Chain
from services.errors import ChainUnreachableError, TransactionError

EMPTY_ADDRESS = "0x000000000000000000000000000000000000dEaD"
GWEI = 10**9


@pytest.fixture
def quiet(start_node: Callable[..., Node]) -> Node:
    """A node that makes blocks only when told to."""
    return start_node(mines=False)


def client(url: str, timeout_s: float = 12) -> Chain:
    """A client that polls often."""
    return Chain(url, transaction_timeout_s=timeout_s, poll_s=0.02)


def fields(node: Node, nonce: int, value: int, fee: int = 100 * GWEI) -> dict[str, Any]:
    """A transfer as somebody else may have sent it with the same key."""
    return {
        "to": EMPTY_ADDRESS,
        "value": value,
        "gas": 21_000,
        "type": 2,
        "chainId": int(node.rpc("eth_chainId"), 16),
        "nonce": nonce,
        "maxFeePerGas": fee,
        "maxPriorityFeePerGas": GWEI,
    }


def send_raw(node: Node, account: Any, **changes: Any) -> str:
    """Put a transaction into the node's pool; its hash."""
    signed = account.sign_transaction(fields(node, **changes))
    return str(node.rpc("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex()))


def mine_until(node: Node, done: Callable[[], Any]) -> None:
    """Make blocks until something has happened."""

    def look() -> Any:
        node.rpc("evm_mine")
        return done()

    wait_until(look, lambda: "no block took it")


def nonce_of(node: Node, account: Any) -> int:
    """How many transactions of an account are in blocks."""
    return int(node.rpc("eth_getTransactionCount", account.address, "latest"), 16)


def test_a_transaction_that_the_pool_forgot_is_sent_again(quiet: Node) -> None:
    """The node was restarted, or made room: no block will ever have the first one."""
    account = quiet.new_account()
    with ThreadPoolExecutor() as threads:
        sent = threads.submit(client(quiet.url, 6).transfer, account, EMPTY_ADDRESS, 5)
        wait_until(quiet.pending, lambda: "nothing was sent")
        quiet.drop_pending()
        wait_until(quiet.pending, lambda: "it was not sent again")
        mine_until(quiet, sent.done)
        sent.result()
    assert (nonce_of(quiet, account), quiet.chain().balance_wei(EMPTY_ADDRESS)) == (1, 5)


def test_what_a_lost_process_sent_is_found_by_its_hash(quiet: Node) -> None:
    """No answer, no process, and the same call again: it is in one block, under one nonce."""
    account = quiet.new_account()
    send = "eth_sendRawTransaction"
    with proxied(quiet.url, lambda method, _: LOSE_ANSWER if method == send else None) as proxy:
        with pytest.raises(ChainUnreachableError):
            client(proxy.url).transfer(account, EMPTY_ADDRESS, 5)
        [first], sent, by_hash = quiet.pending(), proxy.asked[send], "eth_getTransactionByHash"
        looked = proxy.asked[by_hash]
        # The next process waits; when it has waited long enough, it signs the same and asks for it.
        with ThreadPoolExecutor() as threads:
            again = threads.submit(client(proxy.url, 9).transfer, account, EMPTY_ADDRESS, 5)
            wait_until(lambda: proxy.asked[by_hash] > looked or again.done(), again.result)
            time.sleep(0.3)
            assert quiet.pending() == [first]
            assert proxy.asked[send] == sent
            mine_until(quiet, again.done)
            assert again.result().transaction_hash == first
    assert (nonce_of(quiet, account), quiet.chain().balance_wei(EMPTY_ADDRESS)) == (1, 5)


def test_a_later_nonce_in_the_pool_waits_for_its_turn(quiet: Node) -> None:
    """A gap is filled by what is sent now; what was queued behind it follows, each once."""
    account = quiet.new_account()
    send_raw(quiet, account, nonce=1, value=7)
    with ThreadPoolExecutor() as threads:
        sent = threads.submit(client(quiet.url).transfer, account, EMPTY_ADDRESS, 5)
        wait_until(lambda: len(quiet.pending()) == 2, lambda: "the gap is not filled")
        mine_until(quiet, sent.done)
        sent.result()
        third = threads.submit(client(quiet.url).transfer, account, EMPTY_ADDRESS, 100)
        mine_until(quiet, third.done)
        third.result()
    assert (nonce_of(quiet, account), quiet.chain().balance_wei(EMPTY_ADDRESS)) == (3, 112)


def test_a_nonce_that_another_process_took_is_not_waited_for(quiet: Node) -> None:
    """A transaction with a higher fee under the same nonce wins; ours follows under the next."""
    account = quiet.new_account()
    with ThreadPoolExecutor() as threads:
        sent = threads.submit(client(quiet.url).transfer, account, EMPTY_ADDRESS, 5)
        [ours] = wait_until(quiet.pending, lambda: "nothing was sent")
        other = account.sign_transaction(
            fields(quiet, 0, 7, 500 * GWEI) | {"maxPriorityFeePerGas": 50 * GWEI}
        )
        quiet.rpc("eth_sendRawTransaction", "0x" + other.raw_transaction.hex())
        assert ours not in quiet.pending()
        mine_until(quiet, sent.done)
        sent.result()
    assert (nonce_of(quiet, account), quiet.chain().balance_wei(EMPTY_ADDRESS)) == (2, 12)


def test_a_fee_that_is_out_of_date_is_raised_and_not_an_error(start_node: Any) -> None:
    """The base fee rose between the look and the sending: the node refuses, the next fee does."""
    node = start_node()
    node.set_base_fee(50 * GWEI)
    node.rpc("evm_mine")
    looks: list[str] = []

    def say(request: dict[str, Any]) -> bytes | None:
        if request["method"] != "eth_getBlockByNumber" or looks:
            return None
        looks.append("old")
        block = node.rpc("eth_getBlockByNumber", "latest", False)
        return answer(request, result=block | {"baseFeePerGas": hex(GWEI)})

    account = node.new_account()
    with lying(say, node.url) as url:
        client(url).transfer(account, EMPTY_ADDRESS, 5)
    assert looks
    assert (nonce_of(node, account), node.chain().balance_wei(EMPTY_ADDRESS)) == (1, 5)


def test_a_node_that_makes_up_fees_cannot_spend_the_account(node: Node) -> None:
    """Nothing is offered beyond the setting."""

    def say(request: dict[str, Any]) -> bytes | None:
        if request["method"] == "eth_maxPriorityFeePerGas":
            return answer(request, result=hex(2_000 * GWEI))
        return None

    account = node.new_account()
    with lying(say, node.url) as url:
        chain = Chain(url)
        with pytest.raises(TransactionError, match="FEDSERUM_MOST_FEE_GWEI allows 1000000000000"):
            chain.transfer(account, account.address, 1)


def test_what_must_be_paid_counts_and_not_what_might(start_node: Callable[..., Node]) -> None:
    """Twice the base fee is offered, to outlast full blocks; near the setting less is enough."""
    node = start_node()
    account, chain = node.new_account(), client(node.url)
    node.set_base_fee(600 * GWEI)
    node.rpc("evm_mine")
    receipt = chain.transfer(account, EMPTY_ADDRESS, 1)
    sent = node.rpc("eth_getTransactionByHash", receipt.transaction_hash)
    assert int(sent["maxFeePerGas"], 16) == chain.most_fee_wei == 1_000 * GWEI
    node.set_base_fee(1_000 * GWEI)
    node.rpc("evm_mine")
    with pytest.raises(TransactionError, match="wait until gas is cheaper"):
        chain.transfer(account, EMPTY_ADDRESS, 1)
