"""The kernels get onto any chain, once, whoever puts them there; what is not theirs is noticed."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conftest import Deployed
from eth_account import Account
from nodes import ETHER, Node, refusing
from web3.utils import get_create_address

from services.chain import Chain, check_task, deploy, put_kernels, verify_contract
from services.errors import (
    ChainError,
    ContractMissingError,
    ContractRevertError,
    InsufficientFundsError,
)
from services.interface import PROXY, kernels
from services.kernels import SIGNER, TRANSACTION, missing_kernels
from services.membership import members_root
from services.task import Task

TASK = Task(
    members_root=members_root([f"0x{i:040x}" for i in range(1, 5)]),
    dataset_hash="0x" + "11" * 32,
    samples_per_round=600,
    chunk_samples=256,
    classes=10,
    max_workers=4,
)
REFUSAL = "only replay-protected (EIP-155) transactions allowed over RPC"


@pytest.fixture
def bare(start_node: Callable[..., Node]) -> Node:
    """A node on whose chain is nothing."""
    return start_node(bare=True)


def test_the_proxys_transaction_is_what_it_is_known_for() -> None:
    """Its signature's account creates the proxy with its first transaction."""
    assert Account.recover_transaction(TRANSACTION) == SIGNER
    assert get_create_address(SIGNER, 0) == PROXY


def test_the_kernels_get_onto_a_bare_chain_once(bare: Node) -> None:
    """With the proxy, whose fee is paid; the second time nothing is sent."""
    chain, account = bare.chain(), bare.new_account()
    assert [kernel.name for kernel in missing_kernels(chain)] == ["ScoreKernel", "CountKernel"]
    put_kernels(chain, account)
    assert missing_kernels(chain) == []
    assert chain.balance_wei(SIGNER) < ETHER // 100
    blocks = chain.block_number()
    assert blocks == 4
    put_kernels(chain, bare.new_account(0))
    assert chain.block_number() == blocks
    assert deploy(chain, account, TASK).contract


@pytest.mark.parametrize("n_done", [1, 2, 3])
def test_what_was_begun_is_finished(bare: Node, n_done: int) -> None:
    """Killed after the signer was paid, after the proxy, or after one kernel: nothing twice."""
    chain, account = bare.chain(), bare.new_account()
    score, _ = kernels()
    steps = (
        lambda: chain.transfer(account, SIGNER, ETHER // 100),
        lambda: chain.send_signed(TRANSACTION),
        lambda: chain.send(account, PROXY, score.deployment),
    )
    for step in steps[:n_done]:
        step()
    put_kernels(chain, account)
    assert missing_kernels(chain) == []
    assert chain.block_number() == 4


def test_two_may_put_them_at_once(start_node: Callable[..., Node]) -> None:
    """One of two transactions fails, and neither process does; also while nothing is mined yet."""
    node = start_node()
    accounts = [node.new_account() for _ in range(2)]
    chains = [node.chain() for _ in accounts]
    node.rpc("evm_setAutomine", False)
    with ThreadPoolExecutor(2) as threads:
        futures = [
            threads.submit(put_kernels, *each) for each in zip(chains, accounts, strict=True)
        ]
        while not all(future.done() for future in futures):
            node.rpc("evm_mine")
            threading.Event().wait(0.1)
        assert [future.result() for future in futures] == [None, None]
    assert missing_kernels(chains[0]) == []


def test_without_ether_the_account_is_told(bare: Node) -> None:
    """For the signer's fee as for a kernel."""
    poor = bare.new_account(ETHER // 1000)
    with pytest.raises(InsufficientFundsError, match=poor.address):
        put_kernels(bare.chain(), poor)
    assert bare.chain().block_number() == 0


def test_a_base_fee_above_the_proxys_price_is_told(bare: Node) -> None:
    """Before anything is paid."""
    chain, account = bare.chain(), bare.new_account()
    bare.set_base_fee(101 * 10**9)
    bare.rpc("evm_mine")
    with pytest.raises(
        ChainError, match=r"offers 100000000000 wei per gas.*wait until it is lower"
    ):
        put_kernels(chain, account)
    assert chain.balance_wei(SIGNER) == 0


@pytest.fixture
def strict(bare: Node) -> Iterator[str]:
    """The bare node behind one that refuses transactions without a chain id."""
    unprotected = ["0x" + TRANSACTION.hex()]

    def refusal(request: dict[str, Any]) -> dict[str, Any] | None:
        is_it = request["params"] == unprotected
        return {"code": -32000, "message": REFUSAL} if is_it else None

    with refusing(bare.url, refusal) as url:
        yield url


def test_a_node_that_refuses_the_proxys_transaction_is_told(bare: Node, strict: str) -> None:
    """The node's words, and the transaction, which another node may take; then all goes on."""
    account = bare.new_account()
    with pytest.raises(ChainError) as refused:
        put_kernels(Chain(strict, poll_s=0.02), account)
    for part in (REFUSAL, "--rpc.allow-unprotected-txs", "0x" + TRANSACTION.hex()):
        assert part in str(refused.value)
    bare.rpc("eth_sendRawTransaction", "0x" + TRANSACTION.hex())
    put_kernels(Chain(strict, poll_s=0.02), account)


def test_a_task_is_judged_where_the_kernels_are_missing(bare: Node) -> None:
    """Before they are paid for; a deployment without them names the kernel and says what to do."""
    chain, account = bare.chain(), bare.new_account()
    check_task(chain, TASK)
    with pytest.raises(ContractRevertError, match="rounds"):
        check_task(chain, TASK.model_copy(update={"rounds": 0}))
    with pytest.raises(ContractRevertError, match=r"KernelMissing.*put the kernels") as refused:
        deploy(chain, account, TASK)
    assert refused.value.args_by_name == {"kernel": kernels()[0].address}


def test_a_federation_of_a_release_with_other_kernels_is_told(
    bare: Node, node: Node, federation: Callable[..., Deployed]
) -> None:
    """Where this release's kernels are missing, a contract that answers is another release's."""
    contract = federation().deployment.contract
    bare.set_code(contract, node.rpc("eth_getCode", contract, "latest"))
    with pytest.raises(
        ContractMissingError, match=r"does not have its kernels.*FEDSERUM_CODE_HASH"
    ):
        verify_contract(bare.chain(), contract)
    verify_contract(bare.chain(), contract, bare.chain().code_hash(contract))


def test_other_code_in_the_place_of_a_kernel_is_told(
    start_node: Callable[..., Node], federation: Callable[..., Deployed]
) -> None:
    """No chain has it; a node that says so is not to be believed."""
    node = start_node()
    stage = federation(node=node)
    kernel = kernels()[1]
    node.set_code(kernel.address, "0x6000")
    with pytest.raises(ContractMissingError, match=f"{kernel.name} is not at {kernel.address}"):
        verify_contract(stage.chain, stage.deployment.contract)
    with pytest.raises(ContractMissingError, match=kernel.name):
        put_kernels(stage.chain, node.new_account())
