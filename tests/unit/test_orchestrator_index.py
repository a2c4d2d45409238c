"""The index: contract events in, records out."""

from itertools import count
from typing import Any

from orchestrator.index import Index
from services.chain import Event, SlashReason
from services.task import Task

WORKERS = ["0xa", "0xb", "0xc", "0xd"]
TASK = Task(
    members_root="0x" + "00" * 32,
    dataset_hash="0x" + "00" * 32,
    samples_per_round=600,
    chunk_samples=256,
    classes=10,
    max_workers=4,
)


class Play:
    """Feeds an index one transaction per block."""

    def __init__(self) -> None:
        self.index = Index(TASK, block=0, open_deadline=77)
        self._blocks = count(1)

    def transact(
        self,
        function: str,
        *events: tuple[str, dict[str, Any]],
        balances_wei: dict[str, int] | None = None,
    ) -> None:
        """One transaction of 100 gas with these events."""
        block = next(self._blocks)
        typed = [
            Event(name, args, block, f"0x{block}", f"0x{block}", place)
            for place, (name, args) in enumerate(events)
        ]
        self.index.apply(typed, function, 100, balances_wei)

    def open(self) -> None:
        """Four registrations, the last of which opens round 1."""
        for worker in WORKERS[:3]:
            self.transact("register", ("Registered", {"worker": worker, "deposit": 10}))
        opened = {"round": 1, "workers": 4, "seed": b"", "commitDeadline": 500}
        self.transact(
            "register",
            ("Registered", {"worker": WORKERS[3], "deposit": 10}),
            ("RoundOpened", opened),
        )


def test_gas_belongs_to_the_round_it_was_spent_for() -> None:
    """Registration and withdrawal belong to none; a call that opens the next round to the last."""
    play = Play()
    play.open()
    assert play.index.rounds[1].gas_used == {}
    play.transact("commit", ("Committed", {"round": 1, "worker": "0xa", "commitment": b""}))
    play.transact("fund", ("Funded", {"from": "0xe", "amount": 5}))
    play.transact(
        "settle",
        ("RoundSettled", {"round": 1, "pool": 20, "agreementWad": 10**18}),
        ("RoundOpened", {"round": 2, "workers": 4, "seed": b"", "commitDeadline": 900}),
    )
    play.transact("advance", ("RoundVoided", {"round": 2}), ("Closed", {}))
    play.transact("withdraw", ("Withdrawn", {"worker": "0xa", "amount": 10}))
    assert play.index.rounds[1].gas_used == {"commit": 100, "fund": 100, "settle": 100}
    assert play.index.rounds[2].gas_used == {"advance": 100}
    assert play.index.gas_used["register"] == 400
    assert play.index.transactions["withdraw"] == 1


def test_phases_and_deadlines_follow_the_events() -> None:
    """Commit's and reveal's deadlines come from events, the others' from the contract's view."""
    play = Play()
    assert (play.index.phase, play.index.deadline, play.index.round) == ("registration", 77, 0)
    play.open()
    assert (play.index.phase, play.index.deadline, play.index.round) == ("commit", 500, 1)
    play.transact("commit", ("RevealOpened", {"round": 1, "revealDeadline": 600}))
    assert (play.index.phase, play.index.deadline) == ("reveal", 600)
    play.transact("reveal", ("AggregationOpened", {"round": 1, "chunks": 3}))
    assert (play.index.phase, play.index.deadline) == ("aggregate", 77)
    settled = ("RoundSettled", {"round": 1, "pool": 20, "agreementWad": 10**18})
    play.transact("settle", settled, ("Closed", {}))
    assert (play.index.phase, play.index.deadline) == ("closed", 0)
    assert play.index.rounds[1].phase == "settled"


def test_the_next_roster_leaves_out_who_is_gone_excluded_or_broke() -> None:
    """Protocol section 5: active is registered, neither excluded nor gone, with a balance."""
    play = Play()
    play.open()
    play.transact(
        "advance",
        ("Slashed", {"round": 1, "worker": "0xa", "amount": 10, "reason": SlashReason.WITHHELD}),
    )
    end = [
        ("Rewarded", {"round": 1, "worker": "0xb", "score": 9, "reward": 20}),
        ("Rewarded", {"round": 1, "worker": "0xc", "score": -9, "reward": 0}),
        ("Rewarded", {"round": 1, "worker": "0xd", "score": 1, "reward": 10}),
        ("RoundSettled", {"round": 1, "pool": 30, "agreementWad": 10**18}),
        ("RoundOpened", {"round": 2, "workers": 2, "seed": b"", "commitDeadline": 900}),
    ]
    balances_wei = {"0xa": 0, "0xb": 20, "0xc": 0, "0xd": 10}
    play.transact("settle", *end, balances_wei=balances_wei)
    assert list(play.index.rounds[2].parts) == ["0xb", "0xd"]
    first = play.index.rounds[1].parts
    assert {worker: part.balance_wei for worker, part in first.items()} == balances_wei
    assert (first["0xa"].slashed, first["0xa"].reward_wei) == ("withheld", 0)
    play.transact("leave", ("Left", {"worker": "0xd", "refund": 10}))
    assert (play.index.n_workers, play.index.workers["0xd"].balance_wei) == (3, 0)


def test_a_forgotten_balance_is_not_made_up() -> None:
    """Where the node has dropped the state of a round's end, the round shows none."""
    play = Play()
    play.open()
    play.transact("settle", ("RoundVoided", {"round": 1}), balances_wei=None)
    assert {part.balance_wei for part in play.index.rounds[1].parts.values()} == {None}


def test_blocks_with_events_are_found_from_any_place() -> None:
    """What a reader of the event stream asks for next."""
    play = Play()
    play.open()
    assert play.index.event_blocks == [1, 2, 3, 4]
    assert play.index.next_event_block(-1) == 1
    assert play.index.next_event_block(4) == 4
    assert play.index.next_event_block(5) is None
