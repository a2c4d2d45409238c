"""Of several nodes some may be gone, stand still, make up blocks, or serve another chain."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from nodes import Node, answer, lying
from party import Party
from structlog.testing import capture_logs
from test_envelopes import files_of

from services.chain import Chain
from services.errors import ChainUnreachableError

NOWHERE = "http://127.0.0.1:1"


def standing_still(node: Node) -> Any:
    """Says of everything that names the latest block what it says of the block of now."""
    block = node.rpc("eth_blockNumber")

    def say(request: dict[str, Any]) -> bytes | None:
        if request["method"] == "eth_blockNumber":
            return answer(request, result=block)
        if "latest" not in request["params"]:
            return None
        params = [block if each == "latest" else each for each in request["params"]]
        return answer(request, result=node.rpc(request["method"], *params))

    return say


def ahead(request: dict[str, Any]) -> bytes | None:
    """Makes up a million blocks."""
    if request["method"] == "eth_blockNumber":
        return answer(request, result=hex(1_000_000))
    return None


def test_a_node_out_of_reach_is_replaced(node: Node) -> None:
    """By the next one, which then stays in use; with none left the error names them all."""
    with capture_logs() as logs:
        chain = Chain(f"{NOWHERE},{node.url}", timeout_s=2)
        assert chain.chain_id() == 31337
    assert chain.place == node.url
    assert [each["now"] for each in logs if each["event"] == "node_replaced"] == [node.url]
    with pytest.raises(ChainUnreachableError, match=r"127\.0\.0\.1:1 .*localhost:1 "):
        Chain(f"{NOWHERE}, http://localhost:1", timeout_s=2).chain_id()


def test_a_node_of_another_chain_is_not_asked(node: Node, start_node: Callable[..., Node]) -> None:
    """Whoever answers first says which chain it is."""
    other = start_node(chain_id=7)
    with lying(lambda request: None, node.url) as ours:
        chain = Chain(f"{ours},{other.url}")
        assert chain.chain_id() == 31337
    with pytest.raises(ChainUnreachableError, match="serves another chain"):
        chain.chain_id()


def test_the_median_of_three_is_believed(node: Node) -> None:
    """Neither one that stands still nor one that makes up blocks."""
    with ExitStack() as stack:
        still = stack.enter_context(lying(standing_still(node), node.url))
        liar = stack.enter_context(lying(ahead, node.url))
        for _ in range(4):
            node.rpc("evm_mine")
        for first in (still, liar):
            chain = Chain(f"{first},{liar if first == still else still},{node.url}")
            with capture_logs() as logs:
                chain.choose_node()
                chain.choose_node()
            assert chain.place == node.url
            assert len([each for each in logs if each["event"] == "node_at_odds"]) == 2
        pair = Chain(f"{still},{node.url}")
        pair.choose_node()
        assert pair.place == node.url


def test_a_node_that_hangs_holds_up_no_look(node: Node) -> None:
    """It has its two seconds each time, and not the time that an answer may take."""
    with ExitStack() as stack:
        hanging = stack.enter_context(lying(lambda _: time.sleep(6), node.url))
        chain = Chain(f"{node.url},{hanging}", timeout_s=30)
        begin = time.monotonic()
        chain.choose_node()
        assert time.monotonic() - begin < 5
        assert chain.place == node.url


def test_a_worker_reveals_though_its_first_node_stands_still(
    build: Callable[..., Party], tmp_path: Path
) -> None:
    """It would else be slashed: that node still says that commits are open."""
    party = build()
    with ExitStack() as stack:
        worker = party.worker(model=files_of(party, tmp_path / "predictions"))
        turn: list[Any] = []

        def say(request: dict[str, Any]) -> bytes | None:
            reply: bytes | None = turn[0](request) if turn else None
            return reply

        still = stack.enter_context(lying(say, party.node.url))
        liar = stack.enter_context(lying(ahead, party.node.url))
        worker.start(rpc_url=f"{still},{liar},{party.node.url}")
        party.register()
        party.await_commit()
        turn.append(standing_still(party.node))
        party.commit()
        party.await_reveal()
        party.reveal()
        party.keep()
        assert worker.end() == 0, worker.said()
        assert worker.events("node_at_odds")
        assert party.events("Slashed") == []
