"""A worker that is killed at any moment and started again goes on where it was.

The worker is a process, the test plays the other three members, so that each moment is certain.
"""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from local import Command
from party import Party, wait_for_transaction, without_blocks

from services.chain import Phase
from services.datasets import load_idx
from services.task import WAD

LONG = 1_000_000  # epochs that no test waits for
SETTLE_S = 1.0  # for a restarted worker to meet what its predecessor had sent


def start_again(worker: Command) -> None:
    """Start a worker whose predecessor's transaction is still on its way, and let it find out."""
    worker.start()
    worker.wait_for("worker_started")
    time.sleep(SETTLE_S)


def require_paid(party: Party) -> None:
    """The worker ended well, was rewarded like everyone, and has its money."""
    worker, chain, me = party.processes[0], party.stage.deployer, party.address(0)
    assert worker.end() == 0, worker.said()
    assert party.events("Slashed") == []
    assert chain.score_of(1, me) != 0
    assert chain.balance_of(me) == 0
    assert me in [event["worker"] for event in party.events("Withdrawn")]


def test_killed_while_training_it_trains_anew(build: Callable[..., Party]) -> None:
    """No half-trained model is kept; the second process takes the same round to its end."""
    party = build()
    worker = party.worker()
    worker.start(epochs=LONG)
    worker.wait_for("training_started")
    worker.kill()
    party.register()
    worker.start()
    worker.wait_for("model_trained")
    party.await_commit()
    party.commit()
    party.await_reveal()
    party.reveal()
    party.keep()
    require_paid(party)


def test_killed_with_its_commit_under_way_it_keeps_labels_and_salt(
    build: Callable[..., Party],
) -> None:
    """Whether the lost process's commit was dropped or arrives later, there is one journal."""
    party = build()
    worker = party.worker()
    worker.start()
    worker.wait_for("model_trained")
    worker.send(signal.SIGSTOP)
    party.register()
    with without_blocks(party.node):
        worker.send(signal.SIGCONT)
        wait_for_transaction(party.node)
        worker.kill()
        path = party.journal()
        assert path is not None
        journal = path.read_bytes()
        party.node.drop_pending()

        worker.start()
        wait_for_transaction(party.node)
        worker.kill()
        assert worker.events("labels_journalled") == []

        start_again(worker)
    party.await_commit()
    assert path.read_bytes() == journal
    assert len(party.events("Committed")) == 1
    party.commit()
    party.await_reveal()
    party.reveal()
    party.keep()
    require_paid(party)
    assert path.read_bytes() == journal


def test_killed_between_commit_and_reveal_it_reveals(build: Callable[..., Party]) -> None:
    """Nothing is slashed, also if the reveal was under way when it was killed once more."""
    party = build()
    worker = party.worker()
    party.register()
    worker.start()
    party.await_commit()
    worker.kill()
    party.commit()
    party.reveal()
    assert party.stage.deployer.phase() is Phase.REVEAL
    with without_blocks(party.node):
        worker.start()
        wait_for_transaction(party.node)
        worker.kill()
        start_again(worker)
    party.await_reveal()
    party.keep()
    require_paid(party)
    assert [event["worker"] for event in party.events("Revealed")].count(party.address(0)) == 1


def test_a_worker_reveals_though_its_learner_is_broken(
    build: Callable[..., Party], tmp_path: Path
) -> None:
    """What was committed needs no model to be opened; only then it says what is wrong."""
    party = build()
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    np.save(predictions / "public.npy", np.arange(len(load_idx(party.home / "public"))) % 10)
    worker = party.worker(model=f"files:{predictions}")
    party.register()
    worker.start()
    party.await_commit()
    worker.kill()
    (predictions / "public.npy").unlink()
    predictions.rmdir()
    party.commit()
    worker.start()
    party.await_reveal()
    party.reveal()
    party.keep()
    assert worker.end() == 1
    assert "there is no such folder; make it" in worker.said()
    assert party.events("Slashed") == []


def test_killed_while_distilling_or_withdrawing_it_learns_once_and_is_paid_once(
    build: Callable[..., Party],
) -> None:
    """A round is learnt when its model is on disk; a withdrawal under way is no error."""
    party = build()
    worker = party.worker(distill_epochs=LONG)
    party.register()
    worker.start()
    party.await_commit()
    party.commit()
    party.await_reveal()
    party.reveal()
    party.keep()
    worker.wait_for("distillation_started")
    worker.kill()
    assert worker.events("round_learnt") == []
    worker.settings["distill_epochs"] = 1
    with without_blocks(party.node):
        worker.start()
        wait_for_transaction(party.node)
        worker.kill()
        assert len(worker.events("round_learnt")) == 1
        start_again(worker)
    require_paid(party)
    assert worker.events("round_learnt") == []
    assert len(party.events("Withdrawn")) == 1


def test_a_worker_that_learns_too_long_skips_a_round_and_commits_to_no_other(
    build: Callable[..., Party],
) -> None:
    """A commitment sent in a later round than it is for would be slashed."""
    # Enough others for a round without it, and stakes that leave it in for the next one.
    party = build(6, rounds=3, commit_seconds=60, reward_scale_wad=WAD // 10)
    worker = party.worker(distill_epochs=20)
    party.register()
    worker.start()
    for round_number in (1, 3):
        party.await_commit(round_number=round_number)
        party.commit()
        party.await_reveal(round_number=round_number)
        party.reveal()
        party.keep()
        if round_number == 1:
            worker.wait_for("distillation_started")
            worker.send(signal.SIGSTOP)
            party.commit()
            party.node.pass_time(60)
            party.keep()
            party.reveal()
            party.keep()
            worker.send(signal.SIGCONT)
    require_paid(party)
    committed = [e["round"] for e in party.events("Committed") if e["worker"] == party.address(0)]
    assert committed == [1, 3]
    assert [event["round"] for event in worker.events("round_learnt")] == [1, 2, 3]
