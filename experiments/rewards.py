"""Scores and rewards of one round's labels: the protocol's integers, as the contract computes them.

No round is played here: everyone reveals, and nobody is slashed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services import assignment, mechanism, scoring, wire
from services.mechanism import WAD


@dataclass(frozen=True)
class Payment:
    """What a round gives each worker.

    Attributes:
        scores_wad: τ̄, [n], in 1e18 units (Eq. 13).
        balances_wei: what a deposit of one ether has become, [n].
    """

    scores_wad: list[int]
    balances_wei: list[int]

    @property
    def gains(self) -> npt.NDArray[np.float64]:
        """(V - stake) / deposit, [n]: what each wins or loses, in deposits."""
        return np.array([(balance - WAD) / WAD for balance in self.balances_wei])

    def scores(self, n_samples: int) -> npt.NDArray[np.float64]:
        """τ̄ per sample of the round, [n]: what the paper plots."""
        return np.array([score / WAD / n_samples for score in self.scores_wad])


def pay(
    labels: scoring.Labels,
    classes: int,
    penalty: float,
    peering: int,
    positions: Sequence[int] | None = None,
    reward_scale: float = 1.0,
    chunk_samples: int = 4096,
) -> Payment:
    """Score and pay a round (protocol sections 4 and 5).

    Args:
        labels: of every worker, uint16 [n, m]; codes ≥ classes abstain.
        classes: C.
        penalty: β.
        peering: 0 everyone else (the paper), 1 the other league.
        positions: ring position of each worker, [n]; None: in the order given.
        reward_scale: λ (the paper: 1).
        chunk_samples: samples that the contract scores at once; sums are rounded in each.
    """
    n = len(labels)
    ring = list(range(n)) if positions is None else list(positions)
    by_ring = np.empty_like(labels)
    by_ring[ring] = labels
    counts = np.array([wire.count_labels(row, classes) for row in by_ring])
    peer_counts = scoring.peer_label_counts(counts, range(n), peering)
    penalty_wad = round(penalty * WAD)
    scores = [0] * n
    for start in range(0, labels.shape[1], chunk_samples):
        chunk = by_ring[:, start : start + chunk_samples]
        added = scoring.score_chunk(chunk, range(n), peer_counts, peering, penalty_wad)
        scores = [score + more for score, more in zip(scores, added, strict=True)]
    stake = round(reward_scale * WAD)
    rates = [max(score, 0) // labels.shape[1] for score in scores]
    _, balances, _ = mechanism.pay(peering, [WAD] * n, [stake] * n, rates, 0)
    return Payment(
        [scores[position] for position in ring], [balances[position] for position in ring]
    )


def draw_positions(random: np.random.Generator, n: int) -> list[int]:
    """Ring position of each worker, [n], by the permutation of a seed (protocol section 6)."""
    ring = assignment.ring(random.bytes(32), n)
    return [ring.index(worker) for worker in range(n)]
