"""A sealed order reaches the workers of a round, whoever brings it, and nobody else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Deployed
from eth_abi.abi import encode
from local import SAMPLES, wait_until
from nodes import Node
from party import Party
from test_by_hand import keep, steps_of

from hand import verbs
from hand.status import status
from orchestrator.courier import Courier
from services import wire
from services.chain import Federation
from services.datasets import load_idx
from services.envelopes import POST, deliver, read_envelopes
from services.errors import (
    ChainError,
    InsufficientFundsError,
    MembershipError,
    RoundError,
    SettingsError,
)
from services.interface import envelopes
from services.kernels import put_shared
from services.membership import SealedOrder, membership_proof
from services.sealed_order import key_hash, new_order_key, sample_order, seal, unseal
from worker.sample_order import SampleOrder

KEY = bytes(range(32))
PLACE = envelopes().address
SEALED = {"sealed_order": {"key_hash": key_hash(KEY), "envelopes": PLACE}}
N_PUBLIC = 1200


@pytest.fixture
def stage(federation: Callable[..., Deployed]) -> Deployed:
    """A federation whose samples have a sealed order; everyone is registered."""
    stage = federation(described=SEALED)
    stage.register_all()
    return stage


def account_of(federation: Federation) -> Any:
    """Whose it is."""
    assert federation.account is not None
    return federation.account


def bring(stage: Deployed) -> int:
    """As the orchestrator does."""
    return deliver(stage.deployer, PLACE, account_of(stage.deployer), KEY)


def post(stage: Deployed, recipient: str, envelope: bytes) -> None:
    """As anybody may, here the last member."""
    account = account_of(stage.workers[-1])
    put_shared(stage.chain, account, envelopes())
    arguments = [stage.deployer.address, [recipient], [envelope]]
    data = POST + encode(["address", "address[]", "bytes[]"], arguments)
    stage.chain.send(account, PLACE, data)


def files_of(party: Party, folder: Path) -> str:
    """Predictions of the public set from which a label tells its sample, modulo ten."""
    folder.mkdir()
    n_public = len(load_idx(party.home / "public"))
    np.save(folder / "public.npy", np.arange(n_public) % 10)
    return f"files:{folder}"


def test_every_worker_of_the_round_gets_an_envelope_once(stage: Deployed) -> None:
    """The contract comes with the first; a second delivery finds nothing to do."""
    assert bring(stage) == 4
    assert bring(stage) == 0
    for worker in stage.workers:
        account = account_of(worker)
        [envelope] = read_envelopes(worker, PLACE, account.address)
        assert unseal(account, [envelope], key_hash(KEY)) == KEY
        assert unseal(account_of(stage.deployer), [envelope], key_hash(KEY)) is None


def test_nobody_gets_the_key_who_can_still_leave(federation: Callable[..., Deployed]) -> None:
    """Registration can be left with the deposit: whoever did would have the order for nothing."""
    stage = federation(described=SEALED)
    for index, worker in enumerate(stage.workers):
        assert bring(stage) == 0
        proof = membership_proof(stage.members, stage.members[index])
        worker.register(proof, stage.task.deposit_wei)
    assert bring(stage) == 4


def test_a_worker_whose_key_cannot_be_told_keeps_nobody_waiting(
    stage: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that acts through another account has no public key; the others get theirs."""
    found = type(stage.chain).public_key

    def public_key(chain: Any, signer: str, transaction_hash: str) -> bytes:
        if signer == stage.members[1]:
            raise ChainError("signed by another account")
        return found(chain, signer, transaction_hash)

    monkeypatch.setattr(type(stage.chain), "public_key", public_key)
    assert bring(stage) == 3
    assert read_envelopes(stage.workers[1], PLACE, stage.members[1]) == []
    monkeypatch.undo()
    assert bring(stage) == 1


def test_a_worker_labels_in_the_sealed_order_once_it_has_the_key(
    build: Callable[..., Party], tmp_path: Path
) -> None:
    """It waits for it, is not misled by rubbish, and keeps it: killed, it goes on without."""
    party = build(described=SEALED)
    worker = party.worker(model=files_of(party, tmp_path / "predictions"))
    worker.start()
    party.register()
    worker.wait_for("order_key_awaited")
    for envelope in (b"rubbish", seal(KEY[::-1], _public_key(party.stage, 0))):
        post(party.stage, party.address(0), envelope)
    assert not any(party.stage.deployer.commitment_of(1, party.address(0)))
    bring(party.stage)
    party.await_commit()
    worker.wait_for("order_key_received")
    (entry,) = steps_of(party.stage, party.folder / "worker-0" / "state").journal.read(1)
    order = sample_order(KEY, len(load_idx(party.home / "public")))
    assert wire.unpack(entry.labels, 10, SAMPLES).tolist() == (order[:SAMPLES] % 10).tolist()
    worker.kill()
    worker.start()
    party.commit()
    party.await_reveal()
    party.reveal()
    party.keep()
    assert worker.end() == 0, worker.said()
    assert worker.events("order_key_received") == []
    assert worker.events("round_learnt")


def test_a_worker_hands_the_key_on_to_who_has_none(
    build: Callable[..., Party], tmp_path: Path
) -> None:
    """Whoever was to bring it is gone after the first envelope: the round takes place."""
    party = build(described=SEALED)
    first = party.worker(0, model=files_of(party, tmp_path / "0"), keeper_grace_s=1)
    second = party.worker(1, model=files_of(party, tmp_path / "1"))
    first.start()
    second.start()
    party.register()
    second.wait_for("order_key_awaited")
    post(party.stage, party.address(0), seal(KEY, _public_key(party.stage, 0)))
    party.await_commit(0)
    party.await_commit(1)
    assert first.wait_for("envelopes_posted")["workers"] == 3
    second.wait_for("order_key_received")


def test_rubbish_from_others_keeps_nobody_out(build: Callable[..., Party], tmp_path: Path) -> None:
    """An envelope is no proof of a key: half-way to the deadline a worker hands its own on."""
    party = build(described=SEALED, commit_seconds=30)
    first = party.worker(0, model=files_of(party, tmp_path / "0"), keeper_grace_s=1)
    second = party.worker(1, model=files_of(party, tmp_path / "1"))
    first.start()
    second.start()
    party.register()
    second.wait_for("order_key_awaited")
    post(party.stage, party.address(1), b"rubbish")
    post(party.stage, party.address(0), seal(KEY, _public_key(party.stage, 0)))
    party.await_commit(0)
    party.await_commit(1)  # may be seen before the other has written that it posted
    wait_until(lambda: len(first.events("envelopes_posted")) > 1, first.said)
    assert [event["workers"] for event in first.events("envelopes_posted")] == [2, 1]


def test_a_damaged_key_is_read_from_the_chain_again(stage: Deployed, tmp_path: Path) -> None:
    """Whatever became of the file: the envelope is still there."""
    bring(stage)
    steps = steps_of(stage, tmp_path)
    expected = sample_order(KEY, N_PUBLIC)[:600].tolist()
    for content in ("", "no key", KEY[::-1].hex(), KEY.hex()):
        steps.journal.order_key_file.write_text(content)
        order = SampleOrder(steps, SealedOrder.model_validate(SEALED["sealed_order"]), N_PUBLIC)
        window = order.window(1)
        assert window is not None
        assert window.tolist() == expected
        assert steps.journal.order_key_file.read_text() == KEY.hex()


def test_by_hand_the_key_is_needed_for_predictions_of_the_whole_set(
    stage: Deployed, tmp_path: Path
) -> None:
    """Before it has come the verbs say so; then they know which samples a round has."""
    steps, file = steps_of(stage, tmp_path), tmp_path / "samples.npy"
    whole = np.arange(N_PUBLIC) % 10
    for verb in (
        lambda: verbs.samples(steps, None, N_PUBLIC, None, file),
        lambda: verbs.commit(steps, whole, N_PUBLIC),
    ):
        with pytest.raises(RoundError, match="its key has not been brought to you yet"):
            verb()
    assert "0 to 599 of the public set in its sealed order" in status(steps)
    bring(stage)
    assert "its 600 samples, in its order" in verbs.samples(steps, None, N_PUBLIC, None, file)
    order = sample_order(KEY, N_PUBLIC)
    assert np.load(file).tolist() == order[:600].tolist()
    verbs.commit(steps, whole, N_PUBLIC)
    (entry,) = steps.journal.read(1)
    assert wire.unpack(entry.labels, 10, 600).tolist() == whole[order[:600]].tolist()
    keep(stage)


def test_by_hand_an_open_order_is_told_as_well(
    federation: Callable[..., Deployed], tmp_path: Path
) -> None:
    """The second round goes on where the first ended."""
    stage = federation(rounds=2)
    steps, file = steps_of(stage, tmp_path), tmp_path / "samples.npy"
    verbs.samples(steps, 2, N_PUBLIC, None, file)
    assert np.load(file).tolist() == list(range(600, 1200))
    with pytest.raises(RoundError, match="ask for one of 1 to 2"):
        verbs.samples(steps, 3, N_PUBLIC, None, file)
    with pytest.raises(SettingsError, match="--public-samples N"):
        verbs.samples(steps, 1, None, None, file)
    with pytest.raises(SettingsError, match="a round labels 600"):
        verbs.samples(steps, 1, 599, None, file)


def test_the_courier_has_the_pinned_key_or_says_so(
    stage: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a key it has nothing to do; what fails is tried again and stops nobody."""

    def refuse(*_: object) -> int:
        raise InsufficientFundsError("cannot pay")

    account, file = account_of(stage.deployer), tmp_path / "order.key"
    Courier(stage.deployer, account, None).deliver()
    assert read_envelopes(stage.deployer, PLACE, stage.members[0]) == []
    new_order_key(file)
    with pytest.raises(SettingsError, match=f"pins {key_hash(KEY)}; set FEDSERUM_ORDER_KEY_FILE"):
        Courier(stage.deployer, account, file)
    with pytest.raises(SettingsError, match="holds no key"):
        Courier(stage.deployer, account, tmp_path / "none.key")
    file.write_text(KEY.hex())
    courier = Courier(stage.deployer, account, file)
    with monkeypatch.context() as broken:
        broken.setattr("orchestrator.courier.PAUSE_S", 0.0)
        broken.setattr("orchestrator.courier.deliver", refuse)
        courier.deliver()
    courier.deliver()
    assert len(read_envelopes(stage.deployer, PLACE, stage.members[0])) == 1
    courier.deliver()
    assert len(read_envelopes(stage.deployer, PLACE, stage.members[0])) == 1


def test_the_courier_brings_again_what_was_undone(
    stage: Deployed, node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as somebody may still need it to commit in round 1."""
    monkeypatch.setattr("orchestrator.courier.PAUSE_S", 0.0)
    file = tmp_path / "order.key"
    file.write_text(KEY.hex())
    courier = Courier(stage.deployer, account_of(stage.deployer), file)
    snapshot = node.rpc("evm_snapshot")
    for _ in range(2):
        courier.deliver()
        assert len(read_envelopes(stage.deployer, PLACE, stage.members[0])) == 1
    node.rpc("evm_revert", snapshot)
    assert read_envelopes(stage.deployer, PLACE, stage.members[0]) == []
    courier.deliver()
    assert len(read_envelopes(stage.deployer, PLACE, stage.members[0])) == 1


def test_without_a_key_a_lost_description_stops_nobody(
    federation: Callable[..., Deployed], tmp_path: Path
) -> None:
    """The page may be gone long after the deployment; with a key there it is needed."""
    stage = federation(uri="http://127.0.0.1:9/gone.json")
    account, file = account_of(stage.deployer), tmp_path / "order.key"
    Courier(stage.deployer, account, file).deliver()
    file.write_text(KEY.hex())
    with pytest.raises(MembershipError, match="cannot read the task description"):
        Courier(stage.deployer, account, file)


def _public_key(stage: Deployed, index: int) -> bytes:
    """A member's, from its registration."""
    me = stage.members[index]
    start = stage.deployment.deploy_block
    [registered] = [
        event
        for event in stage.deployer.events(start, names=["Registered"])
        if event.args["worker"] == me
    ]
    return stage.chain.public_key(me, registered.transaction_hash)
