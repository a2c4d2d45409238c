"""Plays a whole federation on a real chain and holds every number against both Python versions.

What each worker does is given by its ring position, so the outcome does not depend on the seeds
that the chain draws. After every round committees, leagues, hashes, scores, global labels, rewards,
balances, pot, roster and phase must be exactly what ``mechanism`` and ``scoring`` say.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from conftest import Anvil
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from services import assignment, mechanism, scoring, wire
from services.chain import Event, Federation, Phase, SlashReason, deploy
from services.mechanism import COMMITTED, WAD, Conduct, Outcome, Rules, Turn
from services.membership import members_root, membership_proof
from services.task import Task

SLASHED = {
    Conduct.WITHHELD: SlashReason.WITHHELD,
    Conduct.MISCOUNTED: SlashReason.WRONG_LABEL_COUNT,
}
MOST_ETHER_WEI = 10**30  # pays the largest deposit that the contract can hold
Chunks = dict[int, wire.Labels]


@dataclass(frozen=True)
class Scenario:
    """One federation from registration to the last withdrawal.

    Attributes:
        n: workers that register; ``max_workers`` too, so round 1 opens with the last of them.
        conducts: per round and ring position; LEFT means idle in round 1.
        funds_wei: per round, what somebody adds to the pot.
        abstaining: share of samples that a worker does not label.
        skill: share of its labels that are right rather than drawn at random.
        forgotten_round: the round that nobody aggregates in its 30 days; 0 for none.
        seed: of the labels.
    """

    n: int
    samples: int
    conducts: tuple[tuple[Conduct, ...], ...]
    funds_wei: tuple[int, ...]
    chunk_samples: int = 256
    classes: int = 10
    committee: int = 0
    peering: int = 1
    min_workers: int = 4
    deposit_wei: int = WAD
    penalty_wad: int = WAD
    reward_scale_wad: int = WAD // 2
    reward_decay_wad: int = WAD // 3
    stop_agreement_wad: int = 0
    abstaining: float = 0.2
    skill: float = 0.7
    forgotten_round: int = 0
    seed: int = 0

    @property
    def rules(self) -> Rules:
        """What ``mechanism`` needs of it."""
        return Rules(
            self.classes, self.peering, self.min_workers, self.deposit_wei, self.penalty_wad
        )

    def labels(self, round_number: int, position: int, chunks: list[int]) -> Chunks:
        """The labels of the worker at a ring position: noisy views of one truth."""
        truth = np.random.default_rng((self.seed, round_number)).integers(
            0, self.classes, self.samples
        )
        rng = np.random.default_rng((self.seed, round_number, position + 1))
        noise = rng.integers(0, self.classes, self.samples)
        labels = np.where(rng.random(self.samples) < self.skill, truth, noise)
        labels[rng.random(self.samples) < self.abstaining] = wire.abstain(self.classes)
        size = self.chunk_samples
        return {q: labels[q * size : (q + 1) * size].astype(np.uint16) for q in chunks}


@cache
def accounts(n: int) -> list[LocalAccount]:
    """Keys of the first n players."""
    return [Account.from_key(keccak(b"player %d" % i)) for i in range(n)]


def found(node: Anvil, scenario: Scenario) -> dict[str, Federation]:
    """Deploy a federation, register everybody, and return each worker's view of it."""
    players, chain = accounts(scenario.n), node.chain(poll_s=0.01)
    for player in players:
        node.rpc("anvil_setBalance", player.address, hex(MOST_ETHER_WEI))
    members = [player.address for player in players]
    task = Task(
        members_root=members_root(members),
        dataset_hash="0x" + "00" * 32,
        samples_per_round=scenario.samples,
        chunk_samples=scenario.chunk_samples,
        classes=scenario.classes,
        committee=scenario.committee,
        peering=scenario.peering,
        min_workers=scenario.min_workers,
        max_workers=scenario.n,
        rounds=len(scenario.conducts),
        deposit_wei=scenario.deposit_wei,
        penalty_wad=scenario.penalty_wad,
        reward_scale_wad=scenario.reward_scale_wad,
        reward_decay_wad=scenario.reward_decay_wad,
        stop_agreement_wad=scenario.stop_agreement_wad,
    )
    contract = deploy(chain, players[0], task).contract
    workers = {player.address: Federation(chain, contract, player) for player in players}
    for address, worker in workers.items():
        worker.register(membership_proof(members, address), scenario.deposit_wei)
    return workers


def play(node: Anvil, scenario: Scenario) -> list[Outcome]:
    """Play all rounds, compare everything, withdraw everything; one outcome per round played."""
    workers = found(node, scenario)
    anyone = next(iter(workers.values()))
    balances = dict.fromkeys(workers, scenario.deposit_wei)
    pot, scale = 0, scenario.reward_scale_wad
    outcomes: list[Outcome] = []
    is_over = False
    while not is_over:
        number = len(outcomes) + 1
        assert (anyone.phase(), anyone.round()) == (Phase.COMMIT, number)
        ring = compare_ring(anyone, scenario, number)
        assert sorted(ring) == sorted(address for address in balances if balances[address] > 0)
        if scenario.funds_wei[number - 1]:
            anyone.fund(scenario.funds_wei[number - 1])
            pot += scenario.funds_wei[number - 1]

        turns, packed = take_turns(scenario, number, [balances[address] for address in ring])
        players = [workers[address] for address in ring]
        commit_and_reveal(node, scenario, number, players, turns, packed)
        aggregate_and_settle(node, scenario, number, players, turns)

        sizes = wire.chunk_sizes(scenario.samples, scenario.chunk_samples)
        outcome = mechanism.play_round(
            scenario.rules,
            turns,
            sizes,
            pot,
            scale,
            is_aggregated=number != scenario.forgotten_round,
        )
        outcomes.append(outcome)
        compare_numpy(scenario, turns, outcome)
        compare_round(anyone, scenario, number, ring, turns, outcome)

        pot = outcome.pot_wei
        balances.update(zip(ring, outcome.balances_wei, strict=True))
        scale = mechanism.next_reward_scale(scale, scenario.reward_decay_wad)
        active = [address for address in balances if balances[address] > 0]
        has_agreed = 0 < scenario.stop_agreement_wad <= outcome.agreement_wad
        is_over = (
            has_agreed or number == len(scenario.conducts) or len(active) < scenario.min_workers
        )
        if is_over:
            share, pot = mechanism.close(pot, len(active))
            for address in active:
                balances[address] += share
        assert {address: anyone.balance_of(address) for address in balances} == balances
        assert anyone.pot() == pot
        assert anyone.chain.balance_wei(anyone.address) == sum(balances.values()) + pot

    assert (anyone.phase(), anyone.deadline()) == (Phase.CLOSED, 0)
    for address in balances:
        if balances[address] > 0:
            [withdrawn] = workers[address].withdraw().events
            assert withdrawn.args == {"worker": address, "amount": balances[address]}
    assert anyone.chain.balance_wei(anyone.address) == pot
    return outcomes


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


def take_turns(
    scenario: Scenario, number: int, balances: list[int]
) -> tuple[list[Turn], list[Chunks]]:
    """What everyone does, in ring order, and the labels behind it, revealed or not."""
    n = len(balances)
    n_chunks = len(wire.chunk_sizes(scenario.samples, scenario.chunk_samples))
    turns, labels = [], []
    for position in range(n):
        chunks = assignment.assigned_chunks(position, n, scenario.committee, n_chunks)
        labels.append(scenario.labels(number, position, chunks))
        conduct = scenario.conducts[number - 1][position]
        if conduct is Conduct.LEFT and number == 1:
            conduct = Conduct.IDLE
        turns.append(
            Turn(
                0 if conduct is Conduct.LEFT else balances[position],
                conduct,
                {q: readable(row, scenario.classes) for q, row in labels[-1].items()}
                if conduct is Conduct.REVEALED
                else {},
            )
        )
    return turns, labels


def commit_and_reveal(
    node: Anvil,
    scenario: Scenario,
    number: int,
    ring: list[Federation],
    turns: list[Turn],
    labels: list[Chunks],
) -> None:
    """Everyone commits, leaves or idles; if the round is not void then, they reveal or do not."""
    chain, openings = ring[0].chain, []
    for position, worker in enumerate(ring):
        conduct = turns[position].conduct
        packed = [wire.pack(row, scenario.classes) for row in labels[position].values()]
        counts = np.sum(
            [wire.count_labels(row, scenario.classes) for row in labels[position].values()], axis=0
        ).tolist()
        if conduct is Conduct.MISCOUNTED:
            counts[-1] += 1
        opening = (b"".join(packed), counts, keccak(b"salt %d" % position))
        openings.append(opening)
        address = worker.account.address
        commitment = wire.commitment(chain.chain_id(), worker.address, number, address, *opening)
        assert commitment == worker.hash_commitment(number, address, *opening)
        if conduct is Conduct.LEFT:
            worker.leave()
        elif conduct in COMMITTED:
            worker.commit(commitment)
    if any(turn.conduct is Conduct.IDLE for turn in turns):
        pass_deadline(node, ring[0])
        ring[0].advance()
    if is_void(scenario, turns, COMMITTED):
        return

    assert ring[0].phase() == Phase.REVEAL
    for position, worker in enumerate(ring):
        if turns[position].conduct in (Conduct.REVEALED, Conduct.MISCOUNTED):
            worker.reveal(*openings[position])
    if any(turn.conduct is Conduct.WITHHELD for turn in turns):
        pass_deadline(node, ring[0])
        ring[0].advance()


def aggregate_and_settle(
    node: Anvil, scenario: Scenario, number: int, ring: list[Federation], turns: list[Turn]
) -> None:
    """Anyone supplies the revealed labels of every chunk, last chunk first, and settles."""
    if is_void(scenario, turns, COMMITTED) or is_void(scenario, turns, (Conduct.REVEALED,)):
        return
    keeper = ring[0]
    assert keeper.phase() == Phase.AGGREGATE
    if number == scenario.forgotten_round:
        pass_deadline(node, keeper)
        keeper.advance()
        return

    packed = [
        {q: wire.pack(as_codes(row, scenario.classes), scenario.classes) for q, row in labels}
        for labels in (sorted(turn.labels.items()) for turn in turns)
    ]
    leaves = [[wire.labels_leaf(q, data) for q, data in chunks.items()] for chunks in packed]
    for position, worker in enumerate(ring):
        root = wire.merkle_root(leaves[position])
        assert keeper.labels_root_of(number, worker.account.address) == root
    for q in reversed(range(keeper.chunks())):
        labels, proofs = [], []
        for position in assignment.members(q, len(ring), scenario.committee):
            is_revealed = q in packed[position]
            index = list(packed[position]).index(q) if is_revealed else 0
            labels.append(packed[position].get(q, b""))
            proofs.append(wire.merkle_proof(leaves[position], index) if is_revealed else [])
        keeper.aggregate(q, labels, proofs)
    keeper.settle()


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


def is_void(scenario: Scenario, turns: list[Turn], conducts: tuple[Conduct, ...]) -> bool:
    """Whether too few workers did one of these."""
    present = {position for position, turn in enumerate(turns) if turn.conduct in conducts}
    return mechanism.is_void(scenario.rules, present)


def named(events: list[Event], name: str) -> list[Event]:
    """The events of one kind."""
    return [event for event in events if event.name == name]


def readable(labels: wire.Labels, classes: int) -> list[mechanism.Label]:
    """Labels as ``mechanism`` takes them: None is ABSTAIN."""
    return [label if label < classes else None for label in labels.tolist()]


def as_codes(labels: list[mechanism.Label], classes: int) -> wire.Labels:
    """Labels as ``wire`` takes them."""
    no_label = wire.abstain(classes)
    return np.array([no_label if x is None else x for x in labels], dtype=np.uint16)


def pass_deadline(node: Anvil, federation: Federation) -> None:
    """Move the chain's clock to the phase's deadline, to the second."""
    node.rpc("evm_setNextBlockTimestamp", federation.deadline())
    node.rpc("evm_mine")
