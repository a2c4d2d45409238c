"""Plays a whole federation on a real chain and holds every number against both Python versions.

What each worker does is given by its ring position, so the outcome does not depend on the seeds
that the chain draws. After every round committees, leagues, hashes, scores, global labels, rewards,
balances, pot, roster and phase must be exactly what ``mechanism`` and ``scoring`` say.
"""

from functools import cache

import numpy as np
from comparison import compare_numpy, compare_ring, compare_round
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from nodes import Node
from scenario import Chunks, Scenario, as_codes, is_void, readable

from services import assignment, mechanism, wire
from services.chain import Federation, Phase, deploy
from services.mechanism import COMMITTED, Conduct, Outcome, Turn
from services.membership import members_root, membership_proof
from services.task import Task

MOST_ETHER_WEI = 10**30  # pays the largest deposit that the contract can hold


@cache
def accounts(n: int) -> list[LocalAccount]:
    """Keys of the first n players."""
    return [Account.from_key(keccak(b"player %d" % i)) for i in range(n)]


def found(node: Node, scenario: Scenario) -> dict[str, Federation]:
    """Deploy a federation, register everybody, and return each worker's view of it."""
    players, chain = accounts(scenario.n), node.chain(poll_s=0.01)
    for player in players:
        node.set_balance(player.address, MOST_ETHER_WEI)
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
    node.put_kernels()
    contract = deploy(chain, players[0], task).contract
    workers = {player.address: Federation(chain, contract, player) for player in players}
    for address, worker in workers.items():
        worker.register(membership_proof(members, address), scenario.deposit_wei)
    return workers


def play(node: Node, scenario: Scenario) -> list[Outcome]:
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
    node: Node,
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
    node: Node, scenario: Scenario, number: int, ring: list[Federation], turns: list[Turn]
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


def pass_deadline(node: Node, federation: Federation) -> None:
    """Move the chain's clock to the phase's deadline, to the second."""
    node.rpc("evm_setNextBlockTimestamp", federation.deadline())
    node.rpc("evm_mine")
