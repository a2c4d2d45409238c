"""One deployment, whatever happens in between: the record in the state folder and the chain."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from nodes import Node

from orchestrator.deployment import FILE_NAME, Record, open_deployment, read_task
from services.chain import Chain, Federation, check_task
from services.errors import (
    ContractMissingError,
    ContractRevertError,
    FedserumError,
    InsufficientFundsError,
    SettingsError,
    WrongChainError,
)
from services.interface import kernels
from services.membership import members_root, read_members

MEMBERS = [Account.create().address for _ in range(4)]
TASK: dict[str, Any] = {
    "dataset_hash": "0x" + "11" * 32,
    "samples_per_round": 600,
    "chunk_samples": 256,
    "classes": 10,
    "max_workers": 4,
}


@dataclass
class Home:
    """A deployer's key and files."""

    chain: Chain
    account: LocalAccount
    folder: Path

    @property
    def record(self) -> Path:
        """The deployment record."""
        return self.folder / "state" / FILE_NAME

    def write_task(self, **fields: Any) -> Path:
        """The task file."""
        path = self.folder / "task.json"
        path.write_text(json.dumps({"task": TASK | fields, "members": MEMBERS}))
        return path

    def open(self, chain: Chain | None = None) -> Record:
        """Deploy, or find the deployment."""
        return open_deployment(
            chain or self.chain, self.account, self.folder / "task.json", self.folder / "state"
        )

    def n_sent(self) -> int:
        """How many transactions of the deployer are in blocks."""
        return self.chain.w3.eth.get_transaction_count(self.account.address)


@pytest.fixture
def home(node: Node, tmp_path: Path) -> Home:
    """A folder to deploy from, on a chain that has the kernels."""
    node.put_kernels()
    made = Home(node.chain(), node.new_account(), tmp_path)
    made.write_task()
    return made


def test_a_restart_finds_the_deployment(home: Home) -> None:
    """The second opening sends nothing and answers the same, complete record."""
    record = home.open()
    federation = Federation(home.chain, record.contract)
    assert federation.task() == read_task(home.folder / "task.json")
    assert read_members(federation.task()) == MEMBERS
    assert federation.task().members_root == members_root(MEMBERS)
    assert record.code_hash == home.chain.code_hash(record.contract)
    receipt = home.chain.receipt(record.transaction_hashes[0])
    assert (record.deploy_block, record.gas_used) == (receipt.block_number, receipt.gas_used)
    assert home.open() == record
    assert home.n_sent() == 1


def test_a_deployment_included_after_a_crash_is_taken_up(home: Home) -> None:
    """The record says that it was sent, nothing more; the chain knows the rest."""
    record = home.open()
    unknown = {"code_hash": None, "deploy_block": None, "gas_used": None}
    home.record.write_text(json.dumps(record.model_dump() | unknown))
    assert home.open() == record
    assert home.n_sent() == 1


def test_a_deployment_that_was_never_sent_is_made(home: Home, node: Node) -> None:
    """A crash between writing and sending leaves a record that the chain knows nothing of."""
    record = home.open()
    other = Home(home.chain, node.new_account(), home.folder)
    unsent = record.model_copy(
        update={
            "contract": Account.create().address,
            "transaction_hashes": ["0x" + "22" * 32],
            "code_hash": None,
            "deploy_block": None,
            "gas_used": None,
        }
    )
    home.record.write_text(json.dumps(unsent.model_dump()))
    made = other.open()
    assert made.contract not in (record.contract, unsent.contract)
    assert unsent.transaction_hashes[0] not in made.transaction_hashes
    assert other.n_sent() == 1
    assert other.open() == made


def test_the_first_deployment_of_a_chain_brings_the_kernels(
    home: Home, start_node: Callable[..., Node]
) -> None:
    """Not for a task that is refused; the second deployment finds them there."""
    node = start_node()
    first = Home(node.chain(), node.new_account(), home.folder)
    first.write_task(chunk_samples=100)
    with pytest.raises(SettingsError, match="the contract refuses the task"):
        first.open()
    assert first.n_sent() == 0
    first.write_task()
    record = first.open()
    assert first.n_sent() == 3
    assert first.open() == record
    second = Home(node.chain(), node.new_account(), home.folder / "second")
    second.folder.mkdir()
    second.write_task()
    second.open()
    assert second.n_sent() == 1


def test_a_deployment_of_a_release_with_other_kernels_is_kept(
    home: Home, start_node: Callable[..., Node], capsys: pytest.CaptureFixture[str]
) -> None:
    """With a warning: this release has nothing on that chain, and does not bring its kernels."""
    node = start_node()
    other = Home(node.chain(), node.new_account(), home.folder)
    record = other.open()
    for kernel in kernels():
        node.set_code(kernel.address, "0x")
    assert other.open() == record
    assert "contract_of_another_release" in "".join(capsys.readouterr())
    assert other.n_sent() == 3


def test_a_deployment_whose_task_this_release_refuses_is_kept(
    home: Home, node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a warning: an older release had other bounds, and its federation goes on."""
    record = home.open()
    sizes = TASK["samples_per_round"], TASK["chunk_samples"]
    for slot in range(64):  # the two are neighbours in one word of storage, four bytes each
        word = int(node.rpc("eth_getStorageAt", record.contract, hex(slot), "latest"), 16)
        if (word & 0xFFFFFFFF, word >> 32 & 0xFFFFFFFF) == sizes:
            changed = word - (1 << 32)
            break
    else:
        raise AssertionError("the task is nowhere")
    node.rpc("hardhat_setStorageAt", record.contract, hex(slot), f"0x{changed:064x}")
    node.rpc("evm_mine")
    with pytest.raises(ContractRevertError, match="ChunkSamplesNotMultipleOf256"):
        check_task(home.chain, Federation(home.chain, record.contract).task())
    assert home.open() == record
    warned = "".join(capsys.readouterr())
    assert "contract_of_another_release" in warned
    assert "this release refuses the task" in warned


def test_a_deployment_that_the_chain_has_lost_is_made_again(
    home: Home, start_node: Callable[..., Node], capsys: pytest.CaptureFixture[str]
) -> None:
    """At the same address, so that who knows it already finds it: kernels and all."""
    node = start_node()
    snapshot = node.rpc("evm_snapshot")
    other = Home(node.chain(), node.new_account(), home.folder)
    record = other.open()
    node.rpc("evm_revert", snapshot)
    node.set_balance(other.account.address, 10**20)
    assert other.chain.code_hash(record.contract) is None
    again = other.open()
    assert (again.contract, again.code_hash) == (record.contract, record.code_hash)
    assert "deployment_undone" in "".join(capsys.readouterr())
    assert other.open() == again


def test_another_chain_is_noticed(home: Home, start_node: Callable[..., Node]) -> None:
    """A wiped chain has another genesis; the record is named and stays as it was."""
    home.open()
    content = home.record.read_text()
    # A node's genesis carries its start time.
    other = start_node(born=1700000000)
    with pytest.raises(WrongChainError, match=f"{home.record}.*genesis.*move the file away"):
        home.open(other.chain())
    assert home.record.read_text() == content


@pytest.mark.parametrize("code", ["0x", "0x60006000f3"])
def test_a_contract_that_is_gone_or_replaced_is_noticed(home: Home, node: Node, code: str) -> None:
    """No code, or other code, at the recorded address: the record is named."""
    record = home.open()
    node.set_code(record.contract, code)
    with pytest.raises(ContractMissingError, match=f"{home.record}.*{record.code_hash}"):
        home.open()
    assert home.n_sent() == 1


@pytest.mark.parametrize("content", ["{", "[]", '{"chain_id": 1}'])
def test_a_malformed_record_is_refused(home: Home, content: str) -> None:
    """It is never taken for a fresh start, which would deploy a second time."""
    home.record.parent.mkdir()
    home.record.write_text(content)
    with pytest.raises(SettingsError, match=f"{home.record}.*move it away"):
        home.open()
    assert home.n_sent() == 0


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"chunk_samples": 100}, "the contract refuses the task"),
        ({"members_root": "0x" + "00" * 32}, "members_root"),
        ({"classes": "ten"}, "classes"),
        ({"sample": 5}, "sample"),
    ],
)
def test_a_task_that_cannot_be_deployed_is_refused(
    home: Home, fields: dict[str, Any], expected: str
) -> None:
    """The task file and what is wrong with it are named; nothing is sent or recorded."""
    path = home.write_task(**fields)
    with pytest.raises(SettingsError, match=f"{path}.*{expected}|{expected}.*{path}"):
        home.open()
    assert home.n_sent() == 0
    assert not home.record.exists()


@pytest.mark.parametrize("content", ["", "[]", '{"task": {}}', '{"task": 1, "members": []}'])
def test_a_malformed_task_file_is_refused(home: Home, content: str) -> None:
    """It says what is expected."""
    path = home.folder / "task.json"
    path.write_text(content)
    with pytest.raises(FedserumError, match=f"{path}"):
        read_task(path)
    path.unlink()
    with pytest.raises(SettingsError, match="FEDSERUM_TASK_FILE"):
        read_task(path)


def test_a_key_without_funds_is_refused(home: Home) -> None:
    """The account and what it lacks are named; nothing is recorded."""
    home.account = Account.create()
    with pytest.raises(InsufficientFundsError, match=home.account.address):
        home.open()
    assert not home.record.exists()


def test_repeated_public_samples_are_warned_of(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rounds times samples above the public set: later rounds' answers are public already."""
    path = home.folder / "task.json"
    task = {"task": TASK | {"rounds": 3}, "members": MEMBERS}
    path.write_text(json.dumps(task | {"public_samples": 1800}))
    read_task(path)
    assert "public_samples_repeat" not in "".join(capsys.readouterr())
    path.write_text(json.dumps(task | {"public_samples": 1799}))
    read_task(path)
    assert "public_samples_repeat" in "".join(capsys.readouterr())
