"""The whole API under requests that nobody sane sends: `make fuzz` sends more of them."""

import os
import sys

import pytest
from api_fuzz import Fuzzer
from nodes import Node
from orchestrators import TOKEN, Prepare, Process

N_REQUESTS = int(os.environ.get("FEDSERUM_FUZZ_REQUESTS", "600"))


@pytest.fixture
def settled(node: Node, prepare: Prepare) -> Process:
    """An orchestrator with a settled round behind it and an open one before it."""
    process = prepare()
    process.start_ready(FEDSERUM_REQUESTS_PER_MINUTE="0")
    deployed = process.deployed(node)
    deployed.register_all()
    for worker, opening in zip(deployed.workers, deployed.commit_all(), strict=True):
        deployed.reveal(worker, opening)
    process.wait_for_round(1, "settled")
    process.wait_for_round(2, "commit")
    return process


@pytest.mark.timeout(3600)
def test_no_request_is_a_server_error(settled: Process, capsys: pytest.CaptureFixture[str]) -> None:
    """Every answer is as the API describes it, and every error a problem document."""
    member = settled.members[0]
    found = Fuzzer(settled, member, TOKEN, {"round": 1, "address": member.address}).run(N_REQUESTS)
    with capsys.disabled():
        sys.stdout.write(f"\n{found}\n")
    assert not found.failures
    assert not found.n_server_errors
    assert found.n_requests >= N_REQUESTS
    assert found.answers["POST /workers/{address}/report", 200]
    assert found.answers["POST /rounds/advance", 200]
    settled.stop()
