"""An audit follows every federation that can be played, and finds the smallest lie about one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from audit_play import (
    CLOSED,
    EVENTFUL,
    IDLE,
    LEFT,
    MISCOUNTED,
    REVEALED,
    WITHHELD,
    audit,
    difference,
    everyone,
    flipped,
    places,
    plant,
    rewrite,
)
from nodes import Node
from scenario import Scenario

from audit import views
from audit.ledger import Ledger
from audit.replay import Replay
from services import wire
from services.chain import Call, Federation
from services.errors import AuditError
from services.interface import decode_calls
from services.mechanism import WAD

FEDERATIONS = {
    "eventful": EVENTFUL,
    "committees": Scenario(
        7, 974, (everyone(7, IDLE, WITHHELD),) * 2, (0, 3), committee=2, peering=0, classes=3
    ),
    "committees in leagues": Scenario(
        9, 700, (everyone(9, WITHHELD), everyone(9)), (0, 0), committee=4, chunk_samples=256
    ),
    "void": Scenario(
        10,
        256,
        (
            everyone(10, *[IDLE] * 7),
            everyone(10, *[REVEALED, IDLE] * 5),
            everyone(10, LEFT, IDLE),
            everyone(10, *[REVEALED, WITHHELD] * 4),
            everyone(10, WITHHELD, MISCOUNTED),
        ),
        (0, 5, 0, 0, 1),
        forgotten_round=3,
    ),
    "agreed": Scenario(
        5, 256, (everyone(5),) * 3, (0,) * 3, skill=1.0, abstaining=0.0, stop_agreement_wad=WAD
    ),
    "nothing left": Scenario(
        6,
        300,
        (everyone(6, IDLE), everyone(6)),
        (0, 7),
        reward_scale_wad=WAD,
        reward_decay_wad=WAD,
    ),
}


@pytest.fixture(scope="module")
def node(start_node: Callable[..., Node]) -> Node:
    """A node of its own: these tests move its clock by months."""
    return start_node()


@pytest.mark.parametrize("name", sorted(FEDERATIONS.keys() - {"eventful"}))
def test_a_federation_audits_clean(node: Node, name: str) -> None:
    """Both peerings, committees, void rounds of every kind, early ends: no difference."""
    audit(node, FEDERATIONS[name])


@pytest.fixture(scope="module")
def audited(node: Node) -> tuple[Ledger, Federation]:
    """A federation in which everything happens that can happen to a worker; it audits clean."""
    return audit(node, EVENTFUL)


PLANTED = [
    ("Registered", "deposit"),
    ("RoundOpened", "workers"),
    ("RoundOpened", "commitDeadline"),
    ("RevealOpened", "revealDeadline"),
    ("Slashed", "amount"),
    ("AggregationOpened", "chunks"),
    ("Rewarded", "score"),
    ("Rewarded", "reward"),
    ("RoundSettled", "pool"),
    ("RoundSettled", "agreementWad"),
    ("Left", "refund"),
    ("Withdrawn", "amount"),
]


@pytest.mark.parametrize(("name", "argument"), PLANTED)
def test_a_number_that_is_one_too_large_is_found(
    audited: tuple[Ledger, Federation], name: str, argument: str
) -> None:
    """One wei, one point of a score, one second: named with event, argument and round."""
    ledger, _ = audited
    place = places(ledger, name)[-1]
    args = ledger.events[place].args
    found = difference(plant(ledger, {place: {argument: args[argument] + 1}}))
    assert f"{name}.{argument}" in found.what
    assert args.get("worker", "") in found.what
    assert (found.expected, found.found) == (str(args[argument]), str(args[argument] + 1))
    assert found.round_number == args.get("round", found.round_number)


def test_one_wei_of_funding_is_found(audited: tuple[Ledger, Federation]) -> None:
    """Nobody can compute what somebody gave, so it shows where the pot goes."""
    ledger, _ = audited
    place = places(ledger, "Funded")[0]
    amount = ledger.events[place].args["amount"]
    found = difference(plant(ledger, {place: {"amount": amount + 2}}))
    assert "Rewarded.reward" in found.what or "RoundSettled.pool" in found.what


@pytest.mark.parametrize(("name", "argument"), [("RoundOpened", "seed"), ("Committed", None)])
def test_one_bit_of_a_hash_is_found(
    audited: tuple[Ledger, Federation], name: str, argument: str | None
) -> None:
    """A seed is that of its block, a commitment is what the reveal opens."""
    ledger, _ = audited
    place = places(ledger, name)[3 if argument is None else 1]
    args = ledger.events[place].args
    key = argument or "commitment"
    found = difference(plant(ledger, {place: {key: flipped(args[key], 255)}}))
    assert found.round_number == args["round"]
    assert ("opening of" if argument is None else "RoundOpened.seed") in found.what


@pytest.mark.parametrize("sample", [0, 300, 599])
def test_one_label_is_found(audited: tuple[Ledger, Federation], sample: int) -> None:
    """One bit of one sample in a worker's published labels, or in the global ones."""
    ledger, _ = audited
    bit = (sample // 256 * 4 + 3) * 256 + sample % 256  # the last of four bit planes
    place = places(ledger, "Revealed")[2]
    args = ledger.events[place].args
    found = difference(plant(ledger, {place: {"labels": flipped(args["labels"], bit)}}))
    assert f"label of sample {sample} " in found.what
    assert args["worker"] in found.what

    place = next(
        place
        for place in places(ledger, "ChunkAggregated")
        if ledger.events[place].args["chunk"] == sample // 256
    )
    labels = ledger.events[place].args["globalLabels"]
    lie = {"globalLabels": flipped(labels, 3 * 256 + sample % 256)}
    found = difference(plant(ledger, {place: lie}))
    assert f"global label of sample {sample} " in found.what
    assert found.round_number == 1


def test_one_count_is_found(audited: tuple[Ledger, Federation]) -> None:
    """A published label count that is not that of the labels."""
    ledger, _ = audited
    place = places(ledger, "Revealed")[0]
    counts = list(ledger.events[place].args["labelCount"])
    counts[4] -= 1
    assert "Revealed.labelCount" in difference(plant(ledger, {place: {"labelCount": counts}})).what


def test_one_vote_is_found(audited: tuple[Ledger, Federation]) -> None:
    """A chain that counted another vote than was revealed, though every hash fits."""
    ledger, _ = audited
    place = places(ledger, "Revealed")[-1]
    args = ledger.events[place].args
    first = args["labels"][:128]
    labels = wire.unpack(first, 10, 256)
    sample = int(np.flatnonzero(labels < 9)[0])
    was = int(labels[sample])
    labels[sample] = wire.abstain(10)
    counts = list(args["labelCount"])
    counts[was] -= 1
    lie = rewrite(ledger, place, wire.pack(labels, 10) + args["labels"][128:], counts)
    found = difference(lie)
    assert found.round_number == args["round"]
    assert any(
        what in found.what
        for what in ("global label", "Rewarded.score", "Rewarded.reward", "agreementWad")
    )


def test_a_wrong_slashing_is_found(audited: tuple[Ledger, Federation]) -> None:
    """A worker that lost its balance for a label count that was right."""
    ledger, _ = audited
    place = next(p for p in places(ledger, "Slashed") if ledger.events[p].args["reason"] == 1)
    event = ledger.events[place]
    [args] = decode_calls("reveal", ledger.calls[event.transaction_hash].data)
    counts = list(args["labelCount"])
    counts[-1] -= 1
    found = difference(rewrite(ledger, place, args["labels"], counts))
    assert "is slashed for" in found.what
    assert event.args["worker"] in found.what


@pytest.mark.parametrize(
    "name", ["Registered", "RevealOpened", "Revealed", "ChunkAggregated", "Rewarded", "Closed"]
)
def test_an_event_that_is_missing_or_twice_is_found(
    audited: tuple[Ledger, Federation], name: str
) -> None:
    """Nothing may be left out and nothing made up."""
    ledger, _ = audited
    place = places(ledger, name)[0]
    events = list(ledger.events)
    difference(replace(ledger, events=events[:place] + events[place + 1 :]))
    difference(replace(ledger, events=events[: place + 1] + events[place:]))


def test_a_ledger_that_ends_within_a_call_is_found(audited: tuple[Ledger, Federation]) -> None:
    """What comes with the last event must be there too."""
    ledger, _ = audited
    place = places(ledger, "Closed")[0]
    found = difference(replace(ledger, events=ledger.events[:place]))
    assert (found.what, found.expected) == ("event after the last one", "Closed")


def test_what_is_done_too_late_is_found(audited: tuple[Ledger, Federation]) -> None:
    """A commit in a block at the deadline, and a phase that ends before its own."""
    ledger, _ = audited
    opened = ledger.events[places(ledger, "RoundOpened")[1]]
    place = next(p for p in places(ledger, "Committed") if ledger.events[p].args["round"] == 2)
    number, late = ledger.events[place].block_number, opened.args["commitDeadline"]
    header = replace(ledger.headers[number], timestamp=late)
    found = difference(replace(ledger, headers=dict(ledger.headers) | {number: header}))
    assert (found.expected, found.found) == (f"before {late}", f"at {late}")

    place = places(ledger, "RevealOpened")[0]  # by `advance`: somebody had idled
    number, due = ledger.events[place].block_number, ledger.events[place].args["revealDeadline"]
    early = ledger.headers[number].timestamp - 1
    header = replace(ledger.headers[number], timestamp=early)
    found = difference(replace(ledger, headers=dict(ledger.headers) | {number: header}))
    assert found.found == f"at {early}"
    assert due > early


def test_an_opening_is_found_within_another_contracts_call(
    audited: tuple[Ledger, Federation],
) -> None:
    """A wallet's call holds the reveal; where it hides it, the audit says how many it did."""
    ledger, _ = audited
    event = ledger.events[places(ledger, "Revealed")[0]]
    call, wallet = ledger.calls[event.transaction_hash], event.args["worker"]

    def through(data: bytes) -> Replay:
        calls = dict(ledger.calls) | {event.transaction_hash: Call(wallet, data)}
        replay = Replay(replace(ledger, calls=calls))
        replay.run()
        return replay

    assert through(call.data[:7] + bytes(61) + call.data + bytes(28)).unproven == 0
    assert through(b"").unproven == 1
    hidden = dict(ledger.calls) | {event.transaction_hash: Call(ledger.contract, b"")}
    assert "opening of" in difference(replace(ledger, calls=hidden)).what


def test_a_stranger_among_the_members_is_found(audited: tuple[Ledger, Federation]) -> None:
    """Where the members are known, nobody else may have registered."""
    ledger, _ = audited
    workers = [ledger.events[place].args["worker"] for place in places(ledger, "Registered")]
    assert not Replay(replace(ledger, members=frozenset(workers))).run().excluded - set(workers)
    found = difference(replace(ledger, members=frozenset(workers[1:])))
    assert workers[0] in found.what


def test_every_view_is_compared(audited: tuple[Ledger, Federation]) -> None:
    """A state that is off by one wei, one hash or one seat is not what the contract shows."""
    ledger, federation = audited

    def shown(change: Callable[[Any], None]) -> str:
        state = Replay(ledger).run()
        change(state)
        with pytest.raises(AuditError) as caught:
            views.compare(state, federation)
        return caught.value.what

    def swap(state: Any) -> None:
        state.round.ring.reverse()
        state.round.__post_init__()

    state = Replay(ledger).run()
    worker = next(each for each in state.rounds[0].counts if each not in state.excluded)
    changes: dict[str, Callable[[Any], None]] = {
        f"balanceOf({worker})": lambda s: s.balances.update({worker: s.balances[worker] + 1}),
        "pot()": lambda s: setattr(s, "pot", s.pot + 1),
        "roster()": lambda s: s.roster.reverse(),
        "deadline()": lambda s: setattr(s, "deadline", 1),
        f"isExcluded({worker})": lambda s: s.excluded.add(worker),
        f"rewardOf(1, {worker})": lambda s: s.rounds[0].rewards.update({worker: 1}),
        f"scoreOf(1, {worker})": lambda s: s.rounds[0].scores.update({worker: 1}),
        f"labelsRootOf(1, {worker})": lambda s: s.rounds[0].roots.update({worker: CLOSED}),
        f"labelCountOf(1, {worker})": lambda s: s.rounds[0].counts.update({worker: []}),
        f"commitmentOf(1, {worker})": lambda s: s.rounds[0].commitments.update({worker: CLOSED}),
        "globalLabelsHash(1, 2)": lambda s: s.rounds[0].global_labels.update({2: b""}),
        "committeeOf(0)": swap,
    }
    assert {name: shown(change) for name, change in changes.items()} == {n: n for n in changes}
