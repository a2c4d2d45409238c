"""How many workers there are: identities of one model, and federations of very few."""

import numpy as np
import numpy.typing as npt

from experiments.limits.groups import gains_of, random_ring
from experiments.rewards import pay
from services.scoring import Labels

COPIES = (1, 2, 3, 4, 5, 7, 9)
FEW = (2, 3, 4, 6, 10)


def copies(
    labels: Labels, classes: int, number: int, peering: int, draws: int, random: np.random.Generator
) -> tuple[float, float]:
    """Mean gain of an identity of a copied model, and of the other workers, in deposits.

    Args:
        labels: honest ones, [n, m]; one of the workers registers `number` times.
        classes: C.
        number: of identities that say the same.
        peering: 0 one pool, 1 two leagues.
        draws: how often it is drawn who that is, and the leagues.
        random: draws.
    """
    sums = np.zeros(2)
    for _ in range(draws):
        copied = int(random.integers(len(labels)))
        others = np.delete(labels, copied, axis=0)
        said = np.concatenate([others, np.repeat(labels[copied : copied + 1], number, axis=0)])
        gains = gains_of(said, classes, peering, random_ring(len(said), random))
        sums += gains[len(others) :].mean(), gains[: len(others)].mean()
    return float(sums[0] / draws), float(sums[1] / draws)


def lazy_among(
    labels: Labels, classes: int, n: int, peering: int, draws: int, random: np.random.Generator
) -> float:
    """Mean gain of one who labels at random among n - 1 honest workers, in deposits."""
    found = 0.0
    for _ in range(draws):
        said = labels[random.permutation(len(labels))[:n]].copy()
        said[0] = random.integers(classes, size=said.shape[1])
        found += float(gains_of(said, classes, peering, random_ring(n, random))[0])
    return found / draws


def two_workers(
    labels: Labels, classes: int, accuracies: npt.NDArray[np.float64]
) -> dict[str, float]:
    """Every pair of workers as a federation of its own, scored against one another.

    Returns:
        `difference`: of their scores, relative to the larger, mean over the pairs; `right`: the
        share of pairs in which the more accurate one (on the test samples) scores more.
    """
    differences, is_right = [], []
    for one in range(len(labels)):
        for other in range(one):
            pair = [one, other]
            scores = pay(labels[pair], classes, 1.0, 0).scores(labels.shape[1])
            differences.append(abs(scores[0] - scores[1]) / max(abs(scores).max(), 1e-12))
            ahead = (scores[0] - scores[1]) * (accuracies[one] - accuracies[other])
            is_right.append(ahead > 0)
    return {"difference": float(np.mean(differences)), "right": float(np.mean(is_right))}
