"""A worker's reveal that meets a chain which has gone back is no reason to give up."""

import signal
from collections.abc import Callable

from party import Party, wait_for_transaction, without_blocks

from services.chain import Phase


def test_a_reveal_that_comes_before_its_phase_is_made_again(build: Callable[..., Party]) -> None:
    """The block that opened Reveal is undone while ours is under way; what is owed is revealed."""
    party = build(commit_seconds=600, reveal_seconds=600)
    worker, chain, node = party.worker(), party.stage.deployer, party.node
    party.register()
    worker.start()
    party.await_commit()
    worker.send(signal.SIGSTOP)
    party.commit()
    assert chain.phase() is Phase.REVEAL
    with without_blocks(node):
        worker.send(signal.SIGCONT)
        wait_for_transaction(node)
        node.rpc("anvil_reorg", 1, [])
        assert chain.phase() is Phase.COMMIT
    worker.wait_for("reveal_too_late")
    last = max(party.openings)
    party.stage.workers[last].commit(party.openings[last].commitment)
    party.await_reveal()
    party.reveal()
    party.keep()
    assert worker.end() == 0, worker.said()
    assert party.events("Slashed") == []
    assert len(party.events("RoundSettled")) == 1
