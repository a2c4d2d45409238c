"""Some workers do something else together, the others are honest: what both sides gain.

Everywhere β and λ are 1, the paper's: with λ = 0.5, as new federations have it, gains are half.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.rewards import pay
from services.samples import IndexArray
from services.scoring import Labels

PENALTY = 1.0
REWARD_SCALE = 1.0

Gains = npt.NDArray[np.float64]
# What k workers, given by their numbers [k], say instead of their labels, [k, m].
Conduct = Callable[[IndexArray, np.random.Generator], Labels]


def random_ring(n: int, random: np.random.Generator) -> list[int]:
    """Ring position of each of n workers; its parity is the league."""
    return [int(position) for position in random.permutation(n)]


def gains_of(labels: Labels, classes: int, peering: int, ring: Sequence[int]) -> Gains:
    """What each worker gains in a round, in deposits, [n], by the protocol's integers."""
    return pay(labels, classes, PENALTY, peering, ring, REWARD_SCALE).gains


def sweep(
    labels: Labels,
    classes: int,
    conduct: Conduct,
    peering: int,
    draws: int,
    random: np.random.Generator,
) -> dict[str, list[float]]:
    """Mean gain of those who follow a conduct, and of the honest, for 1 to n - 1 of n workers.

    Args:
        labels: honest ones of everybody, [n, m].
        classes: C.
        conduct: of the group.
        peering: 0 one pool, 1 two leagues.
        draws: how often it is drawn who is of the group and in which league.
        random: draws.
    """
    n = len(labels)
    found: dict[str, list[float]] = {"group": [], "honest": []}
    for size in range(1, n):
        sums = np.zeros(2)
        for _ in range(draws):
            group = random.permutation(n)[:size]
            said = labels.copy()
            said[group] = conduct(group, random)
            gains = gains_of(said, classes, peering, random_ring(n, random))
            sums += gains[group].mean(), np.delete(gains, group).mean()
        found["group"].append(float(sums[0] / draws))
        found["honest"].append(float(sums[1] / draws))
    return found


def pays_from(shares: Sequence[float], group: Sequence[float], honest: Sequence[float]) -> Any:
    """The least share from which on the group gains more than the honest; None if it never does."""
    wins = [ours > theirs for ours, theirs in zip(group, honest, strict=True)]
    last_loss = max((i for i, is_win in enumerate(wins) if not is_win), default=-1)
    return shares[last_loss + 1] if last_loss + 1 < len(shares) else None


def spread(values: Sequence[Any]) -> dict[str, Any]:
    """Mean and standard deviation over seeds, of numbers or of lists of the same length."""
    stacked = np.array(values, np.float64)
    return {"mean": stacked.mean(0).tolist(), "sd": stacked.std(0).tolist()}
