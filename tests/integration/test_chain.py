"""The chain client on a real chain with the real contract: every refusal comes by name."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pytest
from eth_account import Account

from services import chain as chain_module
from services import transactions, wire
from services.chain import (
    Chain,
    Federation,
    Phase,
    deploy,
    release_code_hash,
    verify_chain,
    verify_contract,
)
from services.errors import (
    ChainError,
    ChainUnreachableError,
    ContractMissingError,
    ContractRevertError,
    InsufficientFundsError,
    SettingsError,
    TransactionError,
    WrongChainError,
)
from services.keeper import due, perform
from services.membership import membership_proof

EMPTY_ADDRESS = "0x000000000000000000000000000000000000dEaD"


@contextmanager
def refused(name: str, **args: object) -> Iterator[None]:
    """The contract refuses what happens inside, with this error and at least these arguments."""
    with pytest.raises(ContractRevertError) as caught:
        yield
    assert caught.value.name == name, caught.value
    assert args.items() <= caught.value.args_by_name.items(), caught.value


# --- the node and the chain


def test_no_node_is_a_clear_error_soon() -> None:
    """The error names the address and the setting, after bounded retries."""
    started = time.monotonic()
    with pytest.raises(ChainUnreachableError, match=r"127\.0\.0\.1:1 .*FEDSERUM_RPC_URL"):
        Chain("http://127.0.0.1:1").chain_id()
    assert time.monotonic() - started < 10


def test_another_chain_is_noticed(node: Any, start_node: Callable[..., Any]) -> None:
    """Other chain ids and a wiped chain of the same id are told apart from the expected one."""
    expected = node.chain()
    verify_chain(expected, 31337, expected.genesis_hash())
    other = start_node(chain_id=424242).chain()
    with pytest.raises(WrongChainError, match=r"expected chain 31337 .*found chain 424242"):
        verify_chain(other, 31337, expected.genesis_hash())
    wiped = start_node(born=1700000000).chain()
    with pytest.raises(WrongChainError, match="wiped"):
        verify_chain(wiped, 31337, expected.genesis_hash())


def test_well_known_keys_are_refused_off_development_chains(
    node: Any, start_node: Callable[..., Any], federation: Callable[..., Any]
) -> None:
    """A key that nodes print works on a development chain only, and nothing is sent elsewhere."""
    known = Account.from_key("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
    stage = federation()
    Federation(node.chain(), stage.deployment.contract, known)
    other = start_node(chain_id=424242).chain()
    with pytest.raises(SettingsError, match="everyone knows"):
        Federation(other, stage.deployment.contract, known)
    with pytest.raises(SettingsError, match="everyone knows"):
        other.transfer(known, EMPTY_ADDRESS, 1)
    assert other.block_number() == 0


def test_a_missing_contract_is_noticed(federation: Callable[..., Any]) -> None:
    """An address without code is an error for the check as for every view."""
    stage = federation()
    with pytest.raises(ContractMissingError, match=f"no contract is at {EMPTY_ADDRESS}"):
        verify_contract(stage.chain, EMPTY_ADDRESS)
    with pytest.raises(ContractMissingError, match=EMPTY_ADDRESS):
        Federation(stage.chain, EMPTY_ADDRESS).task()


def test_another_contract_is_noticed(node: Any, federation: Callable[..., Any]) -> None:
    """The code must be this release's, or what the user says that it trusts."""
    stage = federation()
    contract = stage.deployment.contract
    verify_contract(stage.chain, contract)
    verify_contract(stage.chain, contract, release_code_hash(stage.chain, stage.task))
    with pytest.raises(ContractMissingError, match="another contract"):
        verify_contract(stage.chain, contract, "0x" + "00" * 32)
    # The same contract with one more byte of code still answers like a federation.
    impostor = node.new_account().address
    code = node.rpc("eth_getCode", contract, "latest")
    node.set_code(impostor, code + "00")
    with pytest.raises(ContractMissingError, match="another contract"):
        verify_contract(stage.chain, impostor)


def test_addresses_are_taken_in_any_case_and_nothing_else_is(
    federation: Callable[..., Any],
) -> None:
    """Lower case does as well as a checksum; what is no address is named."""
    stage = federation()
    stage.register_all()
    lower = Federation(stage.chain, stage.deployment.contract.lower())
    assert lower.balance_of(stage.members[0].lower()) == stage.task.deposit_wei
    with pytest.raises(SettingsError, match="'0x12' is no address"):
        Federation(stage.chain, "0x12")
    with pytest.raises(SettingsError, match="'me' is no address"):
        lower.balance_of("me")


# --- transactions


def test_an_account_without_ether_is_told_what_it_lacks(
    node: Any, federation: Callable[..., Any]
) -> None:
    """The error names the address, what it needs and what it has, also short of gas alone."""
    stage = federation()
    deposit = stage.task.deposit_wei
    for balance in (0, deposit):
        poor = node.new_account(balance)
        with pytest.raises(InsufficientFundsError, match=f"{poor.address}.*found {balance} wei"):
            stage.chain.transfer(poor, EMPTY_ADDRESS, deposit)
    member = stage.workers[0].account
    node.set_balance(member.address, 1)
    with pytest.raises(InsufficientFundsError, match=f"needs {deposit} wei.*found 1 wei"):
        stage.workers[0].register([], deposit)


def test_a_deployment_that_the_contract_refuses_names_the_field(
    node: Any, federation: Callable[..., Any]
) -> None:
    """The constructor's refusal comes with field, bounds and value."""
    task = federation().task.model_copy(update={"rounds": 0})
    with refused("TaskOutOfBounds", field="rounds", actual=0):
        deploy(node.chain(), node.new_account(), task)


def test_a_view_only_client_cannot_send(federation: Callable[..., Any]) -> None:
    """Without an account a transaction is an error before anything is asked of the node."""
    stage = federation()
    with pytest.raises(ChainError, match="expected an account"):
        Federation(stage.chain, stage.deployment.contract).advance()


def test_a_transaction_beyond_the_gas_cap_is_refused(node: Any) -> None:
    """Creation code that wants 4 GiB of memory is refused with the cap in the message, unsent."""
    account = node.new_account()
    chain = node.chain()
    with pytest.raises(TransactionError, match=str(transactions.MAX_GAS)):
        chain.send(account, None, bytes.fromhex("63ffffffff51"))
    assert chain.w3.eth.get_transaction_count(account.address) == 0


def test_a_transaction_of_too_many_bytes_is_refused(node: Any) -> None:
    """Its size and the cap are in the message, and it is not sent."""
    account = node.new_account()
    chain = node.chain()
    with pytest.raises(TransactionError, match=r"131\d\d\d bytes, expected at most 131072"):
        chain.send(account, EMPTY_ADDRESS, bytes(131_000))
    assert chain.w3.eth.get_transaction_count(account.address) == 0


def test_a_receipt_names_function_gas_and_events(federation: Callable[..., Any]) -> None:
    """What a transaction returned can be had again by its hash."""
    stage = federation()
    worker = stage.workers[0]
    proof = membership_proof(stage.members, stage.members[0])
    receipt = worker.register(proof, stage.task.deposit_wei)
    assert receipt == stage.chain.receipt(receipt.transaction_hash)
    assert receipt.function == "register"
    assert receipt.gas_used > 21_000
    assert [event.name for event in receipt.events] == ["Registered"]
    assert receipt.events[0].args == {
        "worker": stage.members[0],
        "deposit": stage.task.deposit_wei,
    }
    deployed = stage.chain.receipt(stage.deployment.transaction_hash)
    assert (deployed.function, deployed.created) == ("constructor", stage.deployment.contract)
    with pytest.raises(ChainError, match="no block has"):
        stage.chain.receipt("0x" + "ab" * 32)


def test_a_stuck_transaction_is_sent_again_with_a_higher_fee(
    start_node: Callable[..., Any],
) -> None:
    """When the base fee outgrows what it offers, its successor under the same nonce gets in."""
    node = start_node()
    account, chain = node.new_account(), node.chain(transaction_timeout_s=6)

    def await_pending(earlier: list[str]) -> list[str]:
        while not (found := [each for each in node.pending() if each not in earlier]):
            time.sleep(0.02)
        return found

    node.rpc("evm_setAutomine", False)
    with ThreadPoolExecutor() as threads:
        sent = threads.submit(chain.transfer, account, EMPTY_ADDRESS, 5)
        first = await_pending([])
        node.set_base_fee(10 * 10**9)
        node.rpc("evm_mine")
        # The next block's fee is still beyond what the first one offers.
        await_pending(first)
        node.rpc("evm_mine")
        sent.result()
    assert chain.balance_wei(EMPTY_ADDRESS) == 5
    assert chain.w3.eth.get_transaction_count(account.address) == 1


def test_a_transaction_in_no_block_in_time_is_an_error(start_node: Callable[..., Any]) -> None:
    """Its hash and the setting are in the message."""
    node = start_node(mines=False)
    chain = node.chain(transaction_timeout_s=0.5)
    with pytest.raises(TransactionError, match=r"0x[0-9a-f]{64}.*FEDSERUM_TRANSACTION_TIMEOUT_S"):
        chain.transfer(node.new_account(), EMPTY_ADDRESS, 1)
    assert len(node.pending()) == 1


def test_a_restarted_process_waits_for_what_it_sent_before(
    start_node: Callable[..., Any], federation: Callable[..., Any]
) -> None:
    """A commit that was under way when the process died is found, and not sent a second time."""
    node = start_node()
    stage = federation(4, node)
    stage.register_all()
    worker = stage.workers[0]
    first, second = bytes([1]) * 32, bytes([2]) * 32
    node.rpc("evm_setAutomine", False)
    died = Federation(
        node.chain(transaction_timeout_s=0.3), stage.deployment.contract, worker.account
    )
    with pytest.raises(TransactionError):
        died.commit(first)
    with ThreadPoolExecutor() as threads:
        again = threads.submit(worker.commit, second)
        time.sleep(0.5)
        assert len(node.pending()) == 1
        node.rpc("evm_setAutomine", True)
        node.rpc("evm_mine")
        with refused("AlreadyCommitted", commitment=first):
            again.result()


def test_actions_in_one_block_have_gas_for_ending_the_phase(
    start_node: Callable[..., Any], federation: Callable[..., Any]
) -> None:
    """Whoever comes last in a block opens the next phase, which no one's estimate knew of."""
    node = start_node()
    stage = federation(5, node)
    proofs = [membership_proof(stage.members, member) for member in stage.members]
    # Chains of their own, as separate processes have.
    workers = [
        Federation(node.chain(), stage.deployment.contract, worker.account)
        for worker in stage.workers
    ]
    deposit = stage.task.deposit_wei
    calls = [
        partial(worker.register, proof, deposit)
        for worker, proof in zip(workers, proofs, strict=True)
    ]
    for future in node.mine_together(*calls):
        future.result()
    assert stage.deployer.phase() is Phase.COMMIT
    rng = np.random.default_rng(0)
    openings = [stage.label(worker, rng) for worker in workers]
    pairs = list(zip(workers, openings, strict=True))
    calls = [partial(worker.commit, opening.commitment) for worker, opening in pairs]
    for future in node.mine_together(*calls):
        future.result()
    assert stage.deployer.phase() is Phase.REVEAL
    calls = [partial(stage.reveal, worker, opening) for worker, opening in pairs]
    for future in node.mine_together(*calls):
        future.result()
    assert stage.deployer.phase() is Phase.AGGREGATE


# --- what the contract refuses


def test_only_members_with_the_exact_deposit_register_and_once(
    node: Any, federation: Callable[..., Any]
) -> None:
    """Strangers, borrowed proofs, other amounts and second registrations are refused by name."""
    stage = federation()
    deposit, proof = stage.task.deposit_wei, membership_proof(stage.members, stage.members[0])
    stranger = node.new_account()
    outside = Federation(stage.chain, stage.deployment.contract, stranger)
    with refused("NotMember", sender=stranger.address):
        outside.register(proof, deposit)
    worker = stage.workers[0]
    with refused("WrongDeposit", expected=deposit, actual=deposit - 1):
        worker.register(proof, deposit - 1)
    worker.register(proof, deposit)
    with refused("AlreadyRegistered", worker=stage.members[0]):
        worker.register(proof, deposit)
    assert worker.roster() == stage.members[:1]


def test_a_commitment_is_one_per_round_and_not_empty(federation: Callable[..., Any]) -> None:
    """A second one is refused, and the first stays."""
    stage = federation()
    with refused("WrongPhase", expected=Phase.COMMIT, actual=Phase.REGISTRATION):
        stage.workers[0].commit(bytes([7]) * 32)
    stage.register_all()
    with refused("EmptyCommitment"):
        stage.workers[0].commit(bytes(32))
    stage.workers[0].commit(bytes([7]) * 32)
    with refused("AlreadyCommitted", round=1, commitment=bytes([7]) * 32):
        stage.workers[0].commit(bytes([8]) * 32)
    assert stage.workers[0].commitment_of(1, stage.members[0]) == bytes([7]) * 32


def test_reveals_outside_their_window_are_refused(
    node: Any, federation: Callable[..., Any]
) -> None:
    """Too early is the wrong phase, too late is past the deadline."""
    stage = federation()
    stage.register_all()
    worker = stage.workers[0]
    opening = stage.label(worker, np.random.default_rng(0))
    with refused("WrongPhase", expected=Phase.REVEAL, actual=Phase.COMMIT):
        stage.reveal(worker, opening)
    openings = stage.commit_all()
    node.pass_time(stage.task.reveal_seconds)
    with refused("DeadlinePassed", deadline=worker.deadline()):
        stage.reveal(worker, openings[0])


def test_a_copied_commitment_cannot_be_opened(federation: Callable[..., Any]) -> None:
    """The copier has the other's opening and still cannot reveal; the other is unharmed."""
    stage = federation()
    stage.register_all()
    rng = np.random.default_rng(0)
    honest, copier = stage.workers[0], stage.workers[1]
    opening = stage.label(honest, rng)
    honest.commit(opening.commitment)
    copier.commit(opening.commitment)
    for worker in stage.workers[2:]:
        worker.commit(stage.label(worker, rng).commitment)
    stage.reveal(honest, opening)
    with refused("CommitmentMismatch", expected=opening.commitment):
        stage.reveal(copier, opening)
    assert honest.label_count_of(1, stage.members[0]) == opening.label_count
    assert honest.balance_of(stage.members[0]) == stage.task.deposit_wei


@pytest.mark.parametrize(
    ("place", "code", "error"), [(0, 12, "MalformedLabels"), (767, 3, "PaddingNotAbstain")]
)
def test_malformed_labels_cannot_be_revealed(
    federation: Callable[..., Any], place: int, code: int, error: str
) -> None:
    """A code that is no class, and padding that is a class, are refused by name."""
    stage = federation(samples_per_round=600)
    stage.register_all()
    rng = np.random.default_rng(0)
    worker = stage.workers[0]
    codes = np.zeros(768, dtype=np.uint16)
    codes[600:] = wire.abstain(10)
    codes[place] = code
    labels = wire.pack(codes, classes=15)  # as wide as 10 classes, and takes any code
    count = [int((codes[:600] == 0).sum())] + [0] * 9
    salt = rng.bytes(32)
    worker.commit(stage.commitment(worker, 1, labels, count, salt))
    for other in stage.workers[1:]:
        other.commit(stage.label(other, rng).commitment)
    with refused(error):
        worker.reveal(labels, count, salt)


def test_altered_or_missing_labels_cannot_be_aggregated(federation: Callable[..., Any]) -> None:
    """Whoever re-supplies labels can neither change nor leave out any."""
    stage = federation()
    stage.register_all()
    openings = stage.commit_all()
    for worker, opening in zip(stage.workers, openings, strict=True):
        stage.reveal(worker, opening)
    keeper = stage.deployer
    duty = due(keeper)
    assert duty is not None
    size = wire.packed_bytes(10, 256)
    by_member = {
        member: opening.labels for member, opening in zip(stage.members, openings, strict=True)
    }
    members = keeper.committee_of(0)
    labels = [by_member[member][:size] for member in members]
    proofs = []
    for member in members:
        ends = [(0, size), (size, 2 * size), (2 * size, 3 * size)]
        leaves = [
            wire.labels_leaf(chunk, by_member[member][start:end])
            for chunk, (start, end) in enumerate(ends)
        ]
        proofs.append(wire.merkle_proof(leaves, 0))
    altered = [bytes([labels[0][0] ^ 1]) + labels[0][1:], *labels[1:]]
    with refused("LabelsNotRevealed", chunk=0, worker=members[0]):
        keeper.aggregate(0, altered, proofs)
    with refused("MissingLabels", chunk=0, worker=members[0]):
        keeper.aggregate(0, [b"", *labels[1:]], proofs)
    with refused("ChunksMissing", expected=3, actual=0):
        keeper.settle()
    keeper.aggregate(0, labels, proofs)
    with refused("AlreadyAggregated", chunk=0):
        keeper.aggregate(0, labels, proofs)


def test_balances_are_withdrawn_once_closed(federation: Callable[..., Any]) -> None:
    """After the last round everyone takes its balance, once, and the contract is empty but dust."""
    stage = federation()
    stage.register_all()
    with refused("WrongPhase", expected=Phase.CLOSED):
        stage.workers[0].withdraw()
    for worker, opening in zip(stage.workers, stage.commit_all(), strict=True):
        stage.reveal(worker, opening)
    while (duty := due(stage.deployer)) is not None:
        perform(stage.deployer, duty)
    for worker, member in zip(stage.workers, stage.members, strict=True):
        balance = worker.balance_of(member)
        assert [event.args for event in worker.withdraw().events] == [
            {"worker": member, "amount": balance}
        ]
    with refused("NothingToWithdraw", sender=stage.members[0]):
        stage.workers[0].withdraw()
    assert stage.chain.balance_wei(stage.deployment.contract) == stage.deployer.pot()


# --- views and events


def test_commitments_hash_on_chain_as_in_python(federation: Callable[..., Any]) -> None:
    """`hashCommitment` and the local hash are one."""
    stage = federation()
    stage.register_all()
    worker = stage.workers[2]
    opening = stage.label(worker, np.random.default_rng(0))
    assert (
        worker.hash_commitment(
            1, stage.members[2], opening.labels, opening.label_count, opening.salt
        )
        == opening.commitment
    )


def test_events_come_complete_in_any_number_of_queries(
    federation: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few blocks a query may span, the events are the same, and so are a round's."""
    stage = federation()
    stage.register_all()
    stage.workers[0].commit(bytes([1]) * 32)
    worker, first = stage.workers[0], stage.deployment.deploy_block
    expected = worker.events(first)
    assert [event.name for event in expected] == [
        *["Registered"] * 4,
        "RoundOpened",
        "Committed",
    ]
    for blocks in (1, 2, 5):
        monkeypatch.setattr(chain_module, "EVENT_BLOCKS", blocks)
        assert worker.events(first) == expected
        assert worker.events(first, names=["Registered"]) == expected[:4]
        assert worker.events(first, round_number=1) == expected[4:]
        assert worker.events(first, expected[0].block_number) == expected[:1]
        assert worker.round_events(1, ["Committed"]) == expected[5:]


def test_unknown_event_names_are_an_error(federation: Callable[..., Any]) -> None:
    """Also those that belong to no round, where a round is asked for."""
    worker = federation().workers[0]
    with pytest.raises(ChainError, match="Reveled"):
        worker.events(0, names=["Reveled"])
    with pytest.raises(ChainError, match="Registered"):
        worker.events(0, names=["Registered"], round_number=1)
