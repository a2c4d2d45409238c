"""What a participant is told to do next, at every point of a federation."""

from dataclasses import replace

import pytest

from hand.standing import Standing, ether, moment, next_step
from services.chain import Phase
from worker.journal import Entry

NOW = 1_795_636_530
IN_COMMIT = Standing(
    address="0x" + "11" * 20,
    phase=Phase.COMMIT,
    round_number=2,
    n_rounds=3,
    deadline=NOW + 60,
    now=NOW,
    n_roster=10,
    balance_wei=10**18,
    ether_wei=10**18,
    is_excluded=False,
    is_on_roster=True,
    commitment=bytes(32),
    is_revealed=False,
    entry=None,
    due_call=None,
)
ENTRY = Entry(b"", [], bytes(32))
COMMITTED = replace(IN_COMMIT, commitment=b"\x01" * 32, entry=ENTRY)
IN_REVEAL = replace(COMMITTED, phase=Phase.REVEAL)
REGISTRATION = replace(IN_COMMIT, phase=Phase.REGISTRATION, round_number=0)
CLOSED = replace(IN_COMMIT, phase=Phase.CLOSED, deadline=0)
UNTIL = moment(NOW + 60)


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        (replace(REGISTRATION, balance_wei=0), "fedserum register"),
        (REGISTRATION, f"wait until round 1 opens, at {UNTIL}"),
        (IN_COMMIT, f"fedserum commit predictions.npy, before {UNTIL}"),
        (replace(IN_COMMIT, entry=ENTRY), "fedserum commit: labels are in the journal"),
        (COMMITTED, f"wait for the reveals: from {UNTIL}"),
        (IN_REVEAL, f"fedserum reveal, before {UNTIL}: else you are slashed"),
        (replace(IN_REVEAL, entry=None), "find the state folder of your commit"),
        (replace(IN_REVEAL, is_revealed=True), "wait until the round is settled"),
        (replace(IN_REVEAL, commitment=bytes(32)), "wait until the round is settled"),
        (
            replace(IN_REVEAL, now=NOW + 60, due_call="advance"),
            "fedserum keep, if nobody else does soon: the phase is over",
        ),
        (
            replace(IN_REVEAL, due_call="settle"),
            "fedserum keep, if nobody else does soon: the round can",
        ),
        (replace(IN_COMMIT, balance_wei=0), "nothing: not in this federation"),
        (replace(IN_COMMIT, balance_wei=0, is_excluded=True), "nothing: slashed"),
        (CLOSED, "fedserum labels -o global.npy, and fedserum withdraw"),
        (replace(CLOSED, balance_wei=0), "fedserum labels -o global.npy; no balance is left"),
    ],
)
def test_what_is_next_follows_from_chain_and_journal(standing: Standing, expected: str) -> None:
    """One step, with its deadline where missing it costs something."""
    assert next_step(standing).startswith(expected)


def test_the_phase_is_told_with_its_end() -> None:
    """In UTC, and without one once closed."""
    assert IN_COMMIT.round_and_phase == f"round 2 of 3, commit until {UNTIL}"
    assert REGISTRATION.round_and_phase == f"registration until {UNTIL}"
    assert CLOSED.round_and_phase == "closed after round 2"
    assert moment(NOW) == "2026-11-25 19:55:30Z"
    assert not IN_COMMIT.is_over
    assert replace(IN_COMMIT, now=NOW + 60).is_over


def test_ether_is_shown_to_the_last_wei() -> None:
    """No float is in between."""
    assert [ether(wei) for wei in (0, 1, 10**18, 15 * 10**17)] == [
        "0",
        "0.000000000000000001",
        "1",
        "1.5",
    ]
