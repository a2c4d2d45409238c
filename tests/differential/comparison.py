"""Holds what the contract and ``scoring`` say against what ``mechanism`` and ``assignment`` say."""

import numpy as np
from eth_utils.crypto import keccak
from scenario import Scenario, as_codes, is_void, readable

from services import assignment, scoring, wire
from services.chain import Event, Federation, SlashReason
from services.mechanism import COMMITTED, WAD, Conduct, Outcome, Turn

SLASHED = {
    Conduct.WITHHELD: SlashReason.WITHHELD,
    Conduct.MISCOUNTED: SlashReason.WRONG_LABEL_COUNT,
}


def compare_ring(federation: Federation, scenario: Scenario, number: int) -> list[str]:
    """The round's workers in ring order; committees and leagues must be the contract's."""
    [opened] = federation.round_events(number, ["RoundOpened"])
    roster = federation.roster()
    n = len(roster)
    assert opened.args["workers"] == n
    ring = [roster[index] for index in assignment.ring(opened.args["seed"], n)]
    assert [federation.league_of(address) for address in ring] == [p % 2 for p in range(n)]
    sizes = wire.chunk_sizes(scenario.samples, scenario.chunk_samples)
    assert federation.chunks() == len(sizes)
    for q in range(len(sizes)):
        members = [ring[position] for position in assignment.members(q, n, scenario.committee)]
        assert federation.committee_of(q) == members
    return ring


def compare_numpy(scenario: Scenario, turns: list[Turn], outcome: Outcome) -> None:
    """The vectorised scores, global labels and agreement are the reference's."""
    if outcome.is_void:
        return
    classes, peering = scenario.classes, scenario.peering
    revealed = [p for p, turn in enumerate(turns) if turn.conduct is Conduct.REVEALED]
    rows = [{q: as_codes(r, classes) for q, r in turns[p].labels.items()} for p in revealed]
    counts = np.array(
        [np.sum([wire.count_labels(r, classes) for r in row.values()], axis=0) for row in rows]
    )
    peer_counts = scoring.peer_label_counts(counts, revealed, peering)
    scores, majority_votes, n_votes = [0] * len(turns), 0, 0
    for q, size in enumerate(wire.chunk_sizes(scenario.samples, scenario.chunk_samples)):
        members = [i for i, row in enumerate(rows) if q in row]
        labels = np.array([rows[i][q] for i in members], dtype=np.uint16).reshape(-1, size)
        positions = [revealed[i] for i in members]
        added = scoring.score_chunk(
            labels, positions, peer_counts[members], peering, scenario.penalty_wad
        )
        for position, score in zip(positions, added, strict=True):
            scores[position] += score
        votes = scoring.vote(labels, classes)
        majority = scoring.majority(votes, wire.abstain(classes))
        assert readable(majority, classes) == outcome.global_labels[q]
        majority_votes += int(votes.max(axis=1).sum())
        n_votes += int(votes.sum())
    assert scores == outcome.scores
    assert outcome.agreement_wad == (WAD * majority_votes // n_votes if n_votes else 0)


def compare_round(
    federation: Federation,
    scenario: Scenario,
    number: int,
    ring: list[str],
    turns: list[Turn],
    outcome: Outcome,
) -> None:
    """The contract's scores, rewards, global labels, slashings and events are the reference's."""
    events = federation.round_events(
        number, ["Slashed", "Rewarded", "RoundSettled", "RoundVoided", "ChunkAggregated"]
    )
    has_reveals = not is_void(scenario, turns, COMMITTED)
    slashed = {ring[p]: turn for p, turn in enumerate(turns) if turn.conduct in SLASHED}
    assert {event.args["worker"]: event.args["reason"] for event in named(events, "Slashed")} == (
        {address: SLASHED[turn.conduct] for address, turn in slashed.items()} if has_reveals else {}
    )
    for event in named(events, "Slashed"):
        assert event.args["amount"] == slashed[event.args["worker"]].balance_wei
        assert federation.is_excluded(event.args["worker"])
    assert [federation.reward_of(number, address) for address in ring] == outcome.rewards_wei
    if outcome.is_void:
        assert [event.name for event in events if event.name != "Slashed"] == ["RoundVoided"]
        return

    assert [federation.score_of(number, address) for address in ring] == outcome.scores
    [settled] = named(events, "RoundSettled")
    assert settled.args["pool"] == outcome.pool_wei
    assert settled.args["agreementWad"] == outcome.agreement_wad
    rewarded = {
        e.args["worker"]: (e.args["score"], e.args["reward"]) for e in events if "score" in e.args
    }
    assert rewarded == {
        ring[p]: (outcome.scores[p], outcome.rewards_wei[p])
        for p, turn in enumerate(turns)
        if turn.conduct in (Conduct.REVEALED, Conduct.IDLE)
    }
    aggregated = {e.args["chunk"]: e.args["globalLabels"] for e in named(events, "ChunkAggregated")}
    for q, labels in enumerate(outcome.global_labels):
        data = wire.pack(as_codes(labels, scenario.classes), scenario.classes)
        assert aggregated.pop(q) == data
        assert federation.global_labels_hash(number, q) == keccak(data)
    assert not aggregated


def named(events: list[Event], name: str) -> list[Event]:
    """The events of one kind."""
    return [event for event in events if event.name == name]
