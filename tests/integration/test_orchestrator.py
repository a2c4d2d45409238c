"""The orchestrator as a process of its own, beside a real chain and a real contract."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import numpy as np
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from nodes import ROOT, Node, free_port
from orchestrators import TOKEN, Prepare, Process, is_problem, signed

from services import wire
from services.interface import PROXY, kernels


def stream(process: Process, n: int, last_event_id: str | None = None) -> list[dict[str, Any]]:
    """The first ``n`` server-sent events: id, event, data."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    found: list[dict[str, Any]] = []
    fields: dict[str, Any] = {}
    with httpx.stream("GET", process.url + "/events", headers=headers, timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name in ("id", "event", "data"):
                fields[name] = json.loads(value) if name == "data" else value
            elif not line and fields:
                found.append(fields)
                fields = {}
                if len(found) == n:
                    return found
    raise AssertionError(f"the stream ended after {len(found)} of {n} events")


def test_a_federation_is_kept_and_shown_to_its_end(node: Node, prepare: Prepare) -> None:
    """The keeper carries two rounds; every figure is the contract's; a restart shows the same."""
    process = prepare()
    process.start_ready()
    deployed = process.deployed(node)
    contract = deployed.deployer
    assert process.get("/federation").json()["phase"] == "registration"
    deployed.register_all()
    gas: dict[int, dict[str, int]] = {}
    for number in (1, 2):
        rng = np.random.default_rng(number)
        openings = [deployed.label(worker, rng) for worker in deployed.workers]
        commits = [w.commit(o.commitment) for w, o in zip(deployed.workers, openings, strict=True)]
        reveals = [
            w.reveal(o.labels, o.label_count, o.salt)
            for w, o in zip(deployed.workers, openings, strict=True)
        ]
        gas[number] = {
            "commit": sum(receipt.gas_used for receipt in commits),
            "reveal": sum(receipt.gas_used for receipt in reveals),
        }
        found = process.wait_for_round(number, "settled")
        assert (found["committed"], found["revealed"]) == (4, 4)
        assert (found["chunks"], found["aggregated_chunks"]) == (3, 3)
        assert 0.5 < found["agreement"] < 1
        assert found["gas_used"].items() >= gas[number].items()
        assert found["gas_used"].keys() == {"commit", "reveal", "aggregate", "settle"}
        assert [worker["label_counts"] for worker in found["workers"]] == [
            opening.label_count for opening in openings
        ]
        for worker in found["workers"]:
            address = worker["address"]
            assert int(worker["score"]) == contract.score_of(number, address)
            assert int(worker["reward_wei"]) == contract.reward_of(number, address)
            assert int(worker["balance_wei"]) == contract.balance_of(address)
            assert worker["slashed"] is None
        # Both leagues have positive scores here, so all but rounding is paid.
        paid_wei = sum(int(worker["reward_wei"]) for worker in found["workers"])
        assert 0 <= int(found["pool_wei"]) - paid_wei < 8
        packed = process.get(f"/rounds/{number}/labels", Accept="application/octet-stream")
        assert packed.headers["content-type"] == "application/octet-stream"
        labels, start = process.get(f"/rounds/{number}/labels").json(), 0
        for chunk, size in enumerate(wire.chunk_sizes(600, 256)):
            end = start + wire.packed_bytes(10, size)
            part = packed.content[start:end]
            assert keccak(part) == contract.global_labels_hash(number, chunk)
            codes = wire.unpack(part, 10, size).tolist()
            first = chunk * 256
            assert labels[first : first + size] == [None if c == 15 else c for c in codes]
            start = end
        assert (start, len(labels)) == (len(packed.content), 600)
    view = process.wait_for("/federation", lambda a: a.json()["phase"] == "closed").json()
    assert (view["round"], view["deadline"], view["workers"]) == (2, 0, 4)
    before = [process.get(path).json() for path in ("/federation", "/rounds", "/workers")]
    process.stop()
    process.start_ready()
    assert [process.get(path).json() for path in ("/federation", "/rounds", "/workers")] == before
    metrics = process.get("/metrics").text
    assert 'fedserum_phase{phase="closed"} 1.0' in metrics
    assert 'fedserum_rounds_total{result="settled"} 2.0' in metrics
    assert (
        f'fedserum_gas_used_total{{function="commit"}} {gas[1]["commit"] + gas[2]["commit"]:.1f}'
        in metrics
    )
    assert "fedserum_indexer_lag_blocks 0.0" in metrics
    worker = deployed.workers[0]
    worker.withdraw()
    assert worker.account is not None
    process.wait_for(
        f"/workers/{worker.account.address.lower()}", lambda a: a.json()["balance_wei"] == "0"
    )


def test_events_are_streamed_and_resumed(node: Node, prepare: Prepare) -> None:
    """A new reader gets every event from the first on; Last-Event-ID goes on behind that one."""
    process = prepare()
    process.start_ready()
    deployed = process.deployed(node)
    deployed.register_all()
    openings = deployed.commit_all()
    deployed.reveal(deployed.workers[0], openings[0])
    events = stream(process, 11)
    names = ["Registered"] * 4 + ["RoundOpened"] + ["Committed"] * 4 + ["RevealOpened", "Revealed"]
    assert [event["event"] for event in events] == names
    assert events[0]["data"]["args"] == {
        "worker": process.members[0].address,
        "deposit": str(deployed.task.deposit_wei),
    }
    assert events[-1]["data"]["args"]["labels"] == "0x" + openings[0].labels.hex()
    assert stream(process, 3, events[7]["id"]) == events[8:]
    is_problem(process.get("/events", **{"Last-Event-ID": "yesterday"}), 422)


def test_reports_are_checked_and_survive_a_restart(node: Node, prepare: Prepare) -> None:
    """Only the worker itself, registered and on the roster, can say what its accuracy is."""
    process = prepare()
    process.start_ready()
    deployed = process.deployed(node)
    deployed.register_all()
    process.wait_for_round(1, "commit")
    member, other = process.members[:2]
    report = {
        "round": 1,
        "contract": deployed.deployer.address,
        "chain_id": 31337,
        "top1_accuracy_before": 0.5,
        "top1_accuracy_after": 1,
        "private_samples": 1000,
        "model": "LeNet-5",
    }

    def post(address: str, body: dict[str, Any]) -> httpx.Response:
        return httpx.post(f"{process.url}/workers/{address}/report", json=body)

    assert other.address in is_problem(post(member.address, signed(other, report)), 403)
    altered = signed(member, report) | {"report": report | {"top1_accuracy_after": 0.9}}
    is_problem(post(member.address, altered), 403)
    garbage = {"report": report, "signature": "0x" + "ff" * 65}
    assert "malformed" in is_problem(post(member.address, garbage), 403)
    for wrong in (
        {"chain_id": 1},
        {"contract": other.address},
        {"top1_accuracy_before": 1.5},
        {"private_samples": "many"},
        {"secret": 1},
    ):
        is_problem(post(member.address, signed(member, report | wrong)), 422)
    is_problem(post(member.address, signed(member, report | {"round": 2})), 404)
    stranger: LocalAccount = Account.create()
    is_problem(post(stranger.address, signed(stranger, report)), 404)
    assert process.get("/rounds/1").json()["workers"][0]["model"] is None
    answer = post(member.address, signed(member, report))
    assert answer.status_code == 200, answer.text
    process.stop()
    process.start_ready()
    worker = process.get("/rounds/1").json()["workers"][0]
    assert worker["address"] == member.address
    assert worker["top1_accuracy_before"] == 0.5
    assert worker["top1_accuracy_after"] == 1
    assert (worker["private_samples"], worker["model"]) == (1000, "LeNet-5")


def test_only_the_token_pokes_the_keeper(node: Node, prepare: Prepare) -> None:
    """With the loop switched off, a poke makes the due call; without the token nothing happens."""
    process = prepare()
    process.start_ready(FEDSERUM_KEEPER="false")
    deployed = process.deployed(node)
    deployed.register_all()

    def poke(**headers: str) -> httpx.Response:
        return httpx.post(process.url + "/rounds/advance", headers=headers, timeout=30)

    answer = poke()
    is_problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"
    is_problem(poke(Authorization="Bearer guess"), 403)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert poke(**bearer).json()["function"] is None
    openings = deployed.commit_all()
    for worker, opening in zip(deployed.workers[:3], openings[:3], strict=True):
        deployed.reveal(worker, opening)
    node.pass_time(deployed.task.reveal_seconds)
    kept = poke(**bearer).json()
    assert kept["function"] == "advance"
    assert kept["gas_used"] == deployed.chain.receipt(kept["transaction_hash"]).gas_used
    # The fourth withheld its labels, so three are left of four: the round is void.
    found = process.wait_for_round(1, "void")
    slashed = {worker["address"]: worker for worker in found["workers"]}[deployed.members[3]]
    assert (slashed["slashed"], slashed["committed"], slashed["revealed"]) == (
        "withheld",
        True,
        False,
    )
    assert (slashed["reward_wei"], slashed["balance_wei"]) == ("0", "0")
    worker = process.get(f"/workers/{deployed.members[3]}").json()
    assert (worker["excluded"], worker["balance_wei"]) == (True, "0")
    assert "void" in is_problem(process.get("/rounds/1/labels"), 404)
    assert process.get("/federation").json()["phase"] == "closed"


def test_a_crash_while_deploying_leads_to_one_federation(
    start_node: Callable[..., Node], prepare: Prepare
) -> None:
    """Killed with the transaction pending, it takes up that very deployment after a restart."""
    node = start_node()
    node.put_kernels()
    blocks = node.chain().block_number()
    node.rpc("evm_setAutomine", False)
    process = prepare(node)
    process.start()
    until = time.monotonic() + 20
    while time.monotonic() < until and not node.pending():
        time.sleep(0.05)
    process.kill()
    intended = json.loads(process.record.read_text())
    assert intended["deploy_block"] is None
    node.rpc("evm_mine")
    process.start_ready()
    record = json.loads(process.record.read_text())
    assert record["contract"] == intended["contract"]
    assert record["transaction_hashes"] == intended["transaction_hashes"]
    assert process.get("/federation").json()["deploy_block"] == blocks + 1
    deployer = Account.from_key((process.home / "key").read_text()).address
    assert node.rpc("eth_getTransactionCount", deployer, "latest") == "0x1"


def test_a_crash_while_bringing_the_kernels_costs_nothing(
    start_node: Callable[..., Node], prepare: Prepare
) -> None:
    """Killed with its first transaction pending, it sends each of them once all the same."""
    node = start_node(mines=False)
    is_bare = node.chain().code_hash(PROXY) is None
    process = prepare(node)
    process.start()
    until = time.monotonic() + 20
    while time.monotonic() < until and not node.pending():
        time.sleep(0.05)
    process.kill()
    assert not process.record.exists()
    node.rpc("evm_setAutomine", True)
    node.rpc("evm_mine")
    process.start_ready()
    deployer = Account.from_key((process.home / "key").read_text()).address
    n_sent = int(node.rpc("eth_getTransactionCount", deployer, "latest"), 16)
    assert n_sent == len(kernels()) + 1 + is_bare


def test_a_contract_that_vanishes_ends_it(node: Node, prepare: Prepare) -> None:
    """Also while it runs; the cause is its last word, and the same again at the next start."""
    process = prepare()
    process.start_ready()
    contract = process.get("/federation").json()["contract"]
    node.set_code(contract, "0x")
    node.rpc("evm_mine")
    message = process.fail()
    assert str(process.record) in message
    assert "no code" in message
    process.start()
    assert process.fail() == message


def test_a_reorganisation_is_followed(start_node: Callable[..., Node], prepare: Prepare) -> None:
    """What the chain forgets, the answers forget."""
    node = start_node()
    process = prepare(node)
    process.start_ready()
    deployed = process.deployed(node)
    snapshot = node.rpc("evm_snapshot")
    deployed.register_all()
    process.wait_for_round(1, "commit")
    node.rpc("evm_revert", snapshot)
    for _ in range(6):
        node.rpc("evm_mine")
    process.wait_for("/federation", lambda answer: answer.json()["round"] == 0)
    assert process.get("/workers").json() == []


def test_it_answers_before_the_chain_does(prepare: Prepare) -> None:
    """Health at once, readiness with the reason, and the federation as soon as there is a chain."""
    process = prepare()
    port = free_port()
    process.start(FEDSERUM_RPC_URL=f"http://127.0.0.1:{port}")
    process.wait_for("/health", lambda answer: answer.status_code == 200)
    answer = process.get("/ready")
    assert f"127.0.0.1:{port}" in is_problem(answer, 503)
    assert answer.headers["retry-after"]
    is_problem(process.get("/federation"), 503)
    command = [ROOT / "node_modules/.bin/anvil", "--silent", "--port", str(port)]
    # npm's launcher runs anvil as its child, so signals go to both
    with subprocess.Popen(command, start_new_session=True) as node:
        try:
            late = Node(f"http://127.0.0.1:{port}", node)
            until = time.monotonic() + 20
            while time.monotonic() < until:
                with suppress(httpx.TransportError):
                    deployer = Account.from_key((process.home / "key").read_text())
                    late.set_balance(deployer.address, 10**20)
                    break
            process.wait_for("/ready", lambda found: found.status_code == 200)
            os.killpg(node.pid, signal.SIGSTOP)
            process.wait_for("/health", lambda found: found.status_code == 200)
            with httpx.stream("GET", process.url + "/events", timeout=5):
                assert process.stop() < 5  # a request to the chain waits longer
        finally:
            os.killpg(node.pid, signal.SIGKILL)


def test_a_port_in_use_ends_it(node: Node, prepare: Prepare) -> None:
    """It says so before it deploys anything."""
    process = prepare()
    process.start(FEDSERUM_PORT=node.url.rpartition(":")[2])
    message = process.fail()
    assert "in use" in message
    assert "FEDSERUM_PORT" in message
    assert not process.record.exists()


def test_it_imports_neither_torch_nor_a_worker() -> None:
    """Its image has no torch, and it meets workers only on the chain and over HTTP."""
    script = (
        "import sys, orchestrator.__main__\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('torch', 'worker', 'demo')])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
