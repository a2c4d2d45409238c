"""The readable reference of the mechanism: protocol sections 4 and 5 in exact integers, no I/O.

It scores labels by PTSFD, votes the global labels and moves the money of one round; the contract
and the fast ``scoring`` module must agree with it to the last bit. A worker is named by its ring
position, its league is that position mod 2. A label is a class, or None for ABSTAIN. Money is wei,
scores are dimensionless in 1e18 units; ``_wad`` means fixed point, 1e18 is 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

WAD = 10**18
ONE_VOTE = 720_720  # lcm(1..16): shares of up to 16 peers are whole

Label = int | None
LabelsByPosition = Mapping[int, Sequence[Label]]


def peers(position: int, n: int, peering: int) -> list[int]:
    """P(i): everyone else (peering 0) or the other league (peering 1), as ring positions."""
    if peering == 0:
        return [other for other in range(n) if other != position]
    return [other for other in range(n) if other % 2 != position % 2]


def peer_label_counts(
    label_counts: Mapping[int, Sequence[int]], peering: int, classes: int
) -> dict[int, list[int]]:
    """g: for everyone who revealed, the sum of its peers' label counts, [classes] (section 4).

    Args:
        label_counts: per position that revealed, its labels per class over the whole round.
        peering: 0 everyone else, 1 the other league.
        classes: C.
    """
    n = max(label_counts, default=-1) + 1
    return {
        position: [
            sum(
                label_counts[peer][x]
                for peer in peers(position, n, peering)
                if peer in label_counts
            )
            for x in range(classes)
        ]
        for position in label_counts
    }


def score_chunk(
    labels: LabelsByPosition,
    peer_counts: Mapping[int, Sequence[int]],
    peering: int,
    penalty_wad: int,
) -> dict[int, int]:
    """What one chunk adds to each member's score (Eq. 2, 3, 12 and 13; Algorithm 3; section 4).

    Args:
        labels: per member that revealed, its labels [samples] of the chunk.
        peer_counts: g, per position; see ``peer_label_counts``.
        peering: 0 everyone else, 1 the other league.
        penalty_wad: β.
    """
    scores = {}
    for position, own in labels.items():
        present = [peer for peer in peers(position, max(labels) + 1, peering) if peer in labels]
        matches = [0] * len(peer_counts[position])  # A
        n_scored = 0  # N
        for sample, label in enumerate(own):
            votes = [labels[peer][sample] for peer in present]
            n_votes = sum(vote is not None for vote in votes)  # r
            if label is None or n_votes == 0:
                continue
            matches[label] += votes.count(label) * (ONE_VOTE // n_votes)
            n_scored += 1
        scores[position] = chunk_score(matches, peer_counts[position], n_scored, penalty_wad)
    return scores


def chunk_score(
    matches: Sequence[int], peer_count: Sequence[int], n_scored: int, penalty_wad: int
) -> int:
    """Σ_x floor(1e18 · A[x] · T / (720720 · g[x])) − β · N (section 4): rounded once per class."""
    total = sum(peer_count)
    return (
        sum(
            WAD * a * total // (ONE_VOTE * g) for a, g in zip(matches, peer_count, strict=True) if g
        )
        - penalty_wad * n_scored
    )


def vote(labels: LabelsByPosition, classes: int, n_samples: int) -> list[list[int]]:
    """Votes per sample and class of one chunk, [samples][classes]; abstentions are no votes."""
    return [
        [sum(row[sample] == x for row in labels.values()) for x in range(classes)]
        for sample in range(n_samples)
    ]


def majority(votes: Sequence[int]) -> Label:
    """The global label of one sample: most votes, ties to the lowest class, none is ABSTAIN."""
    return votes.index(max(votes)) if any(votes) else None


def agreement_wad(votes: Sequence[Sequence[int]]) -> int:
    """floor(1e18 · majority votes / votes), over all samples; 0 without votes (section 7)."""
    n_votes = sum(map(sum, votes))
    return WAD * sum(map(max, votes)) // n_votes if n_votes else 0


class Conduct(Enum):
    """What a worker of the roster did in a round."""

    IDLE = "stayed and committed nothing"
    LEFT = "left before committing, with its balance"
    WITHHELD = "committed and revealed nothing valid in time"
    MISCOUNTED = "revealed a wrong label count"
    REVEALED = "committed and revealed"


COMMITTED = (Conduct.WITHHELD, Conduct.MISCOUNTED, Conduct.REVEALED)


@dataclass(frozen=True)
class Rules:
    """What of the task matters for scores and money; fields as in the task."""

    classes: int
    peering: int
    min_workers: int
    deposit_wei: int
    penalty_wad: int


@dataclass(frozen=True)
class Turn:
    """One worker's round: its balance when the round opened, and what it did.

    Attributes:
        balance_wei: before the round; 0 if it left during the round.
        conduct: what it did.
        labels: per chunk assigned to it, the labels it revealed; empty if it did not.
    """

    balance_wei: int
    conduct: Conduct
    labels: Mapping[int, Sequence[Label]] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a round leaves; lists go by ring position.

    Attributes:
        is_void: nobody was paid; scores and rewards are 0 and there are no global labels.
        scores: in 1e18 units, [n].
        rewards_wei: V, 0 where stakes went back, [n].
        balances_wei: after the round, [n].
        pot_wei: after the round.
        pool_wei: Σ stakes + pot; 0 if void.
        global_labels: [chunks][samples of the chunk].
        agreement_wad: of the whole round; 0 if void.
    """

    is_void: bool
    scores: list[int]
    rewards_wei: list[int]
    balances_wei: list[int]
    pot_wei: int
    pool_wei: int = 0
    global_labels: list[list[Label]] = field(default_factory=list)
    agreement_wad: int = 0


def play_round(
    rules: Rules,
    turns: Sequence[Turn],
    chunk_sizes: Sequence[int],
    pot_wei: int,
    reward_scale_wad: int,
    *,
    is_aggregated: bool = True,
) -> Outcome:
    """Settle or void one round (sections 4 and 5).

    Args:
        rules: the task's.
        turns: one per worker of the roster, in ring order.
        chunk_sizes: samples of each chunk.
        pot_wei: the pot with all funded so far, without what this round slashes.
        reward_scale_wad: λ of this round.
        is_aggregated: False if the round's 30 days of aggregation passed without it.
    """
    n = len(turns)
    balances = [turn.balance_wei for turn in turns]
    stakes = [min(balance, reward_scale_wad * rules.deposit_wei // WAD) for balance in balances]
    committed = {i for i in range(n) if turns[i].conduct in COMMITTED}
    revealed = {i for i in range(n) if turns[i].conduct is Conduct.REVEALED}

    has_reveals = not is_void(rules, committed)
    if has_reveals:  # nobody is slashed in a round that is void by its commits
        for i in committed - revealed:
            pot_wei += balances[i]
            balances[i] = stakes[i] = 0
    if not has_reveals or is_void(rules, revealed) or not is_aggregated:
        for i in set(range(n)) - committed:
            pot_wei += stakes[i]
            balances[i] -= stakes[i]
        return Outcome(True, [0] * n, [0] * n, balances, pot_wei)

    chunks = [
        {i: turns[i].labels[q] for i in sorted(revealed) if q in turns[i].labels}
        for q in range(len(chunk_sizes))
    ]
    votes = [
        vote(labels, rules.classes, size) for labels, size in zip(chunks, chunk_sizes, strict=True)
    ]
    scores = score_round(rules, chunks, n, revealed)
    rates = [
        max(scores[i], 0) // sum(len(row) for row in turns[i].labels.values())
        if i in revealed
        else 0
        for i in range(n)
    ]
    rewards, paid_balances, new_pot = pay(rules.peering, balances, stakes, rates, pot_wei)
    return Outcome(
        is_void=False,
        scores=scores,
        rewards_wei=rewards,
        balances_wei=paid_balances,
        pot_wei=new_pot,
        pool_wei=sum(stakes) + pot_wei,
        global_labels=[[majority(sample) for sample in chunk] for chunk in votes],
        agreement_wad=agreement_wad([sample for chunk in votes for sample in chunk]),
    )


def is_void(rules: Rules, present: set[int]) -> bool:
    """Whether those who committed (or revealed) are too few to pay anybody (section 5)."""
    n_leagues = len({position % 2 for position in present})
    return len(present) < rules.min_workers or (rules.peering == 1 and n_leagues < 2)


def score_round(
    rules: Rules, chunks: Sequence[LabelsByPosition], n: int, revealed: set[int]
) -> list[int]:
    """τ̄: the scores of a round, [n]; 0 for who did not reveal (Eq. 13)."""
    label_counts = {
        i: [
            sum(label == x for labels in chunks for label in labels.get(i, ()))
            for x in range(rules.classes)
        ]
        for i in revealed
    }
    peer_counts = peer_label_counts(label_counts, rules.peering, rules.classes)
    scores = [0] * n
    for labels in chunks:
        added = score_chunk(labels, peer_counts, rules.peering, rules.penalty_wad)
        for position, score in added.items():
            scores[position] += score
    return scores


def pay(
    peering: int,
    balances_wei: Sequence[int],
    stakes_wei: Sequence[int],
    rates: Sequence[int],
    pot_wei: int,
) -> tuple[list[int], list[int], int]:
    """Share the pool, or each league's pool, by rate (section 5).

    Returns:
        rewards [n] and balances [n] after the round, and the pot after the round; all wei.
    """
    n = len(rates)
    rewards, balances, rest = [0] * n, list(balances_wei), 0
    pots = [pot_wei] if peering == 0 else [pot_wei // 2, pot_wei - pot_wei // 2]
    for league, league_pot in enumerate(pots):
        in_league = range(league, n, len(pots))
        total_rate = sum(rates[i] for i in in_league)
        if total_rate == 0:  # stakes go back, this part of the pot stays
            rest += league_pot
            continue
        pool = league_pot + sum(stakes_wei[i] for i in in_league)
        for i in in_league:
            rewards[i] = pool * rates[i] // total_rate
            balances[i] += rewards[i] - stakes_wei[i]
        rest += pool - sum(rewards[i] for i in in_league)
    return rewards, balances, rest


def next_reward_scale(reward_scale_wad: int, reward_decay_wad: int) -> int:
    """λ of the next round, also after a void one (section 5)."""
    return reward_scale_wad * reward_decay_wad // WAD


def close(pot_wei: int, n_active: int) -> tuple[int, int]:
    """What each active worker gets of the pot when the federation closes, and what stays in it."""
    return divmod(pot_wei, n_active) if n_active else (0, pot_wei)
