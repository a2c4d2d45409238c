"""A worker whose disk fails, or which is killed at any step of writing to it, loses no deposit."""

from collections.abc import Callable
from pathlib import Path

import faulty_host
from aftermath import check
from local import Command, wait_until
from party import Party
from test_envelopes import SEALED, bring, files_of

# What a worker writes in a federation of one round.
FILES = ("description.json", "model.pt", "order.key", "round-1.json", "model.pt again")


def on_faulty_host(party: Party, index: int, folder: Path) -> Command:
    """A worker of which the test decides what its host does to it."""
    worker = party.worker(index, model=files_of(party, folder / f"predictions-{index}"), poll_s=0.1)
    worker.program = (faulty_host.__file__,)
    return worker


def play(party: Party) -> None:
    """The round up to its end, once every worker process has what it waits for."""
    for index in party.processes:
        party.await_commit(index)
    party.commit()
    for index in party.processes:
        party.await_reveal(index)
    party.reveal()
    party.keep()
    for worker in party.processes.values():
        assert worker.end() == 0, worker.said()
    check(party, set())


def test_killed_at_every_step_of_every_write_it_reveals(
    build: Callable[..., Party], tmp_path: Path
) -> None:
    """SIGKILL before each open, half of a write, fsync and rename, and after each; it goes on.

    One worker is killed at every step up to the rename and right after it. Whoever is killed there
    has written, and will not meet what follows: two others are killed at that alone.
    """
    party = build(described=SEALED)
    starts = {0: "open", 1: "fsync folder", 2: "done"}
    kills = {index: tmp_path / f"kills-{index}" for index in starts}
    for index, first in starts.items():
        state = tmp_path / f"worker-{index}" / "state"
        worker = on_faulty_host(party, index, tmp_path)
        worker.start(TEST_DISK=state, TEST_KILLS=kills[index], TEST_KILLS_FROM=first)
    for index in starts:
        party.await_chain(
            lambda index=index: party.stage.deployer.balance_of(party.address(index)), index
        )
    party.register()
    bring(party.stage)
    play(party)
    until_renamed = faulty_host.STEPS[: faulty_host.STEPS.index("open folder") + 1]
    for index, first in starts.items():
        steps = until_renamed if index == 0 else (first,)
        assert set(kills[index].read_text().splitlines()) == {
            f"{name}: {step}" for name in FILES for step in steps
        }


def test_a_full_disk_is_waited_for_and_commits_to_nothing(
    build: Callable[..., Party], tmp_path: Path
) -> None:
    """What could not be opened later is not sent; once there is room it is, and is learnt once."""
    party = build()
    full = tmp_path / "full"
    worker = on_faulty_host(party, 0, tmp_path)
    disk = {"TEST_DISK": tmp_path / "worker-0" / "state", "TEST_ERROR": full}
    worker.start(**disk)
    party.await_chain(lambda: party.stage.deployer.balance_of(party.address(0)))
    worker.wait_for("model_trained")
    full.write_text("ENOSPC")
    party.register()
    assert "No space left on device" in worker.wait_for("journal_unready")["cause"]
    assert party.journal() is None
    assert not any(party.stage.deployer.commitment_of(1, party.address(0)))
    full.unlink()
    party.await_commit()
    party.commit()
    full.write_text("ENOSPC")
    party.await_reveal()  # which needs no room
    party.reveal()
    party.keep()
    wait_until(lambda: len(worker.events("journal_unready")) > 1, worker.said)
    assert worker.events("round_learnt") == []
    full.unlink()
    assert worker.end() == 0, worker.said()
    assert len(worker.events("distillation_started")) > 1
    assert [path.name for path in (tmp_path / "predictions-0").glob("targets-*")] == [
        "targets-1.npz"
    ]
    check(party, set())


def test_started_again_on_a_read_only_disk_it_reveals(
    build: Callable[..., Party], tmp_path: Path
) -> None:
    """All that a reveal needs is there; what it learns is written when the disk takes it."""
    party = build()
    read_only = tmp_path / "read-only"
    worker = on_faulty_host(party, 0, tmp_path)
    disk = {"TEST_DISK": tmp_path / "worker-0" / "state", "TEST_ERROR": read_only}
    worker.start(**disk)
    party.register()
    party.await_commit()
    worker.kill()
    read_only.write_text("EROFS")
    party.commit()
    worker.start(**disk)
    party.await_reveal()
    party.reveal()
    party.keep()
    assert "Read-only file system" in worker.wait_for("journal_unready")["cause"]
    read_only.unlink()
    assert worker.end() == 0, worker.said()
    check(party, set())


def test_a_corrupt_journal_is_waited_for_and_not_replaced(
    build: Callable[..., Party], tmp_path: Path
) -> None:
    """Before the commit nothing is sent, after it nothing is revealed, until it is restored."""
    party = build()
    state = tmp_path / "worker-0" / "state"
    worker = on_faulty_host(party, 0, tmp_path)
    worker.start()
    party.await_chain(lambda: party.stage.deployer.balance_of(party.address(0)))
    worker.wait_for("model_trained")
    [folder] = state.glob("*/")
    (folder / "round-1.json").write_text('{"labels": "00", "label_')
    party.register()
    assert "is corrupt" in worker.wait_for("journal_unready")["cause"]
    assert not any(party.stage.deployer.commitment_of(1, party.address(0)))
    (folder / "round-1.json").unlink()  # as it says: nothing was committed
    party.await_commit()

    whole = (folder / "round-1.json").read_bytes()
    for damaged in (
        whole[: len(whole) // 2],
        whole.replace(b'"label_count": [', b'"label_count": [1'),
    ):
        (folder / "round-1.json").write_bytes(damaged)
        worker.kill()
        worker.start()
        if not party.openings:
            party.commit()
        worker.wait_for("journal_unready")
        assert (folder / "round-1.json").read_bytes() == damaged
        assert not any(party.stage.deployer.labels_root_of(1, party.address(0)))
    (folder / "round-1.json").write_bytes(whole)
    party.await_reveal()
    party.reveal()
    party.keep()
    assert worker.end() == 0, worker.said()
    check(party, set())
