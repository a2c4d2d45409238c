"""A commit that some node keeps back must not come into a block of another round."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from aftermath import check
from eth_utils.crypto import keccak
from nodes import answer, lying
from party import Party
from test_envelopes import files_of


def test_a_commit_that_outlasts_its_round_is_void(
    build: Callable[..., Party], tmp_path: Path
) -> None:
    """Its nonce is taken before the next round opens; the next commit is that round's own."""
    party = build(5, rounds=2, commit_seconds=60)
    kept_back: list[str] = []
    selector = keccak(text="commit(bytes32)")[:4].hex()

    def say(request: dict[str, Any]) -> bytes | None:
        params = request["params"]
        is_kept = request["method"] == "eth_sendRawTransaction" and selector in params[0]
        if not is_kept or party.stage.deployer.round() == 2:
            return None
        kept_back.append(params[0])
        return answer(request, result="0x" + keccak(hexstr=params[0]).hex())

    with lying(say, party.node.url) as url:
        files = files_of(party, tmp_path / "predictions")
        worker = party.worker(model=files, rpc_url=url, transaction_timeout_s=3)
        worker.start()
        worker.wait_for("worker_registered")
        party.register()
        worker.wait_for("chain_unready")
        party.commit()
        party.node.pass_time(60)
        party.keep()
        worker.wait_for("late_commit_voided")
        party.reveal()
        party.keep()
        assert kept_back
        for raw in kept_back:
            body = {"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [raw]}
            assert "nonce" in json.dumps(httpx.post(party.node.url, json=body).json()["error"])
        party.await_commit(0, 2)
        party.commit()
        party.await_reveal(0, 2)
        party.reveal()
        party.keep()
        assert worker.end() == 0, worker.said()
    check(party.stage, guilty=set())
