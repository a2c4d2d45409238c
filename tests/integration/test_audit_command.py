"""`fedserum audit` as somebody runs it: what it prints, what it ends with, what it refuses."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import Deployed
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from nodes import ROOT, Node, free_port, refusing

from audit.__main__ import audit
from services.chain import Phase
from services.errors import (
    AuditError,
    ChainError,
    ChainUnreachableError,
    ContractMissingError,
    FedserumError,
)
from services.keeper import due, perform
from services.membership import membership_proof
from services.settings import AuditSettings


def command(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Run the command as a process: exit code, what it printed, its errors."""
    others = {k: v for k, v in os.environ.items() if not k.startswith("FEDSERUM_")}
    ended = subprocess.run(
        [sys.executable, "-m", "fedserum", "audit", *arguments],
        cwd=ROOT,
        env=others | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


def report(federation: Deployed, **settings: Any) -> str:
    """What an audit of a federation prints."""
    values = {"rpc_url": federation.chain.rpc_url, "contract": federation.deployment.contract}
    return audit(AuditSettings(**(values | settings)))


def keep(federation: Deployed) -> None:
    """Make every call that is due."""
    while (duty := due(federation.deployer)) is not None:
        perform(federation.deployer, duty)


@pytest.fixture
def closed(federation: Callable[..., Deployed]) -> Deployed:
    """A federation of four that played its only round; nobody has withdrawn."""
    played = federation()
    played.register_all()
    for worker, opening in zip(played.workers, played.commit_all(), strict=True):
        played.reveal(worker, opening)
    keep(played)
    assert played.deployer.phase() is Phase.CLOSED
    return played


def test_a_federation_audits_clean_at_any_moment(
    federation: Callable[..., Deployed],
) -> None:
    """From the deployment to the last withdrawal, between any two calls."""
    played = federation(rounds=2)

    def agrees(phase: Phase) -> str:
        out = report(played)
        assert out.endswith("everything agrees\n")
        assert f": {phase.name.lower()}, " in out
        return out

    agrees(Phase.REGISTRATION)
    quitter = played.workers[1]
    for worker in played.workers[:3]:
        proof = membership_proof(played.members, worker.account.address)
        worker.register(proof, played.task.deposit_wei)
    quitter.leave()
    agrees(Phase.REGISTRATION)
    for worker in (played.workers[3], quitter):
        proof = membership_proof(played.members, worker.account.address)
        worker.register(proof, played.task.deposit_wei)
    agrees(Phase.COMMIT)
    openings = played.commit_all()
    agrees(Phase.REVEAL)
    for worker, opening in zip(played.workers, openings, strict=True):
        played.reveal(worker, opening)
    agrees(Phase.AGGREGATE)
    played.deployer.fund(3)
    perform(played.deployer, due(played.deployer))
    agrees(Phase.AGGREGATE)
    keep(played)
    row = agrees(Phase.COMMIT).splitlines()[2].split()
    assert row[:6] == ["1", "settled", "4", "4", "4", "0"]
    assert row[7] == str(4 * played.task.reward_scale_wad + 3)
    for worker, opening in zip(played.workers, played.commit_all(1), strict=True):
        played.reveal(worker, opening)
    keep(played)
    played.workers[2].withdraw()
    assert len(agrees(Phase.CLOSED).splitlines()) == 5


def balance_slot(node: Node, contract: str, worker: str, balance: int) -> tuple[str, int]:
    """Where the contract's storage keeps a worker's balance, and the whole word there."""
    for number in range(40):
        slot = "0x" + keccak(encode(["address", "uint256"], [worker, number])).hex()
        word = int(node.rpc("eth_getStorageAt", contract, slot, "latest"), 16)
        if word % 2**128 == balance:
            return slot, word
    raise AssertionError("the balance is nowhere")


def test_one_wei_in_the_contracts_storage_is_found(node: Node, closed: Deployed) -> None:
    """A balance that no event explains: exit code 1, and one line that names it."""
    contract, worker = closed.deployment.contract, closed.members[2]
    balance = closed.deployer.balance_of(worker)
    slot, word = balance_slot(node, contract, worker, balance)
    node.rpc("hardhat_setStorageAt", contract, slot, f"0x{word + 1:064x}")
    node.rpc("evm_mine")
    code, out, err = command("--contract", contract, "--rpc", node.url)
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    found = f"round 1: balanceOf({worker}): expected {balance}, found {balance + 1};"
    assert err.startswith(f"error: {found}")


def test_one_wei_of_ether_is_missed(node: Node, closed: Deployed) -> None:
    """What the contract holds must cover what it owes; more may have been forced in."""
    contract = closed.deployment.contract
    held = closed.chain.balance_wei(contract)
    node.set_balance(contract, held + 1)
    node.rpc("evm_mine")
    assert "everything agrees" in report(closed)
    node.set_balance(contract, held - 1)
    node.rpc("evm_mine")
    with pytest.raises(AuditError, match=f"expected at least {held}, found {held - 1}"):
        report(closed)


def test_settings_and_arguments_are_one(closed: Deployed) -> None:
    """The environment, or options, which come first; what the command does not know it refuses."""
    contract, block = closed.deployment.contract, str(closed.deployment.deploy_block)
    url = closed.chain.rpc_url
    options = ("--contract", contract, "--from-block", block, "--rpc", url)
    settings = {"FEDSERUM_CONTRACT": contract, "FEDSERUM_FROM_BLOCK": block}
    code, out, err = command(**settings, FEDSERUM_RPC_URL=url)
    assert (code, out, err) == (0, report(closed), "")
    wrong = {"FEDSERUM_CONTRACT": "0x", "FEDSERUM_FROM_BLOCK": "9" * 9, "FEDSERUM_RPC_URL": "?"}
    assert command(*options, **wrong) == (0, out, "")
    code, out, err = command("--nonsense")
    assert (code, out) == (2, "")
    code, out, err = command("--rpc", url)
    assert (code, out, "FEDSERUM_CONTRACT" in err) == (1, "", True)


def test_an_address_without_the_contract_is_named(
    start_node: Callable[..., Node], closed: Deployed
) -> None:
    """Nothing there, not this release's contract, or another chain altogether."""
    nobody = "0x000000000000000000000000000000000000dEaD"
    with pytest.raises(ContractMissingError, match=f"no contract is at {nobody} on chain 31337"):
        report(closed, contract=nobody)
    other, contract = start_node(chain_id=4242), closed.deployment.contract
    with pytest.raises(ContractMissingError, match=f"no contract is at {contract} on chain 4242"):
        report(closed, rpc_url=other.url)
    other.set_code(contract, "0x6000")
    with pytest.raises(ContractMissingError, match="does not answer like a federation"):
        report(closed, rpc_url=other.url)
    with pytest.raises(FedserumError, match="0x12"):
        report(closed, contract="0x12")
    hash_ = "0x" + "ab" * 32
    with pytest.raises(ContractMissingError, match=f"expected code hash {hash_}"):
        report(closed, code_hash=hash_)


def test_a_node_that_is_down_is_named() -> None:
    """After the bounded retries."""
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ChainUnreachableError, match=f"no chain node answers at {url}"):
        audit(AuditSettings(rpc_url=url, contract="0x" + "11" * 20))


@pytest.fixture
def forgetful(node: Node) -> Iterator[str]:
    """The node behind a proxy that refuses to look for events."""

    def refusal(request: dict[str, Any]) -> dict[str, Any] | None:
        is_it = request["method"] == "eth_getLogs"
        return {"code": 4444, "message": "pruned history unavailable"} if is_it else None

    with refusing(node.url, refusal) as url:
        yield url


def test_events_that_the_node_has_forgotten_are_named(closed: Deployed, forgetful: str) -> None:
    """Some nodes refuse, some answer with fewer events; neither passes for a difference."""
    with pytest.raises(ChainError, match=r"pruned history unavailable.*; use a node that"):
        report(closed, rpc_url=forgetful)
    late = closed.deployment.deploy_block + 3
    with pytest.raises(ChainError, match=f"registration of 2 workers; .* block {late}"):
        report(closed, from_block=late)
    with pytest.raises(ChainError, match=r"no opening of rounds \[1\]"):
        report(closed, from_block=closed.chain.block_number() + 1)
