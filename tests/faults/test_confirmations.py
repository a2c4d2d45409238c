"""A worker acts in a phase once so many blocks are on top of the block in which it began."""

import time
from collections.abc import Callable
from pathlib import Path

from local import wait_until
from party import Party
from test_envelopes import files_of

DEPTH = 3


def test_a_worker_waits_for_confirmations(build: Callable[..., Party], tmp_path: Path) -> None:
    """Neither commit nor reveal comes while the block that opened the phase may be undone."""
    party = build(5, commit_seconds=600, reveal_seconds=600)
    worker = party.worker(model=files_of(party, tmp_path / "predictions"), confirmations=DEPTH)
    me, chain = party.address(0), party.stage.deployer
    worker.start()
    worker.wait_for("worker_registered")
    party.register()
    for look, act, go_on in (
        (chain.commitment_of, party.await_commit, party.commit),
        (chain.labels_root_of, party.await_reveal, party.reveal),
    ):
        for _ in range(DEPTH - 1):
            party.node.rpc("evm_mine")
        time.sleep(2)  # ten looks of the worker
        assert not any(look(1, me)), worker.said()
        party.node.rpc("evm_mine")
        act()
        go_on()
    party.keep()
    for look in (lambda: worker.events("balance_withdrawn"), lambda: not worker.is_running()):
        assert not look()
        for _ in range(DEPTH):
            party.node.rpc("evm_mine")
        wait_until(look, worker.said)
    assert worker.end() == 0, worker.said()
    assert worker.events("round_learnt")


def test_a_reveal_that_cannot_wait_does_not(build: Callable[..., Party], tmp_path: Path) -> None:
    """No block comes before the deadline: to reveal too early is less bad than not to reveal."""
    party = build(reveal_seconds=20)
    worker = party.worker(
        model=files_of(party, tmp_path / "predictions"), confirmations=1, reveal_margin_s=20
    )
    worker.start()
    worker.wait_for("worker_registered")
    party.register()
    party.node.rpc("evm_mine")
    party.await_commit()
    party.commit()
    party.await_reveal()
