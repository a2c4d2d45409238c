"""Public sets in which one class is frequent, and the self-predicting condition (Eq. 10).

The condition: what a worker sees raises its peers' chance to say that class, over how often they
say it at all, by more than that of any other class. Where it fails, lying pays.
"""

import numpy as np
import numpy.typing as npt

from experiments.limits.groups import PENALTY, gains_of
from experiments.rewards import pay
from services.samples import IndexArray
from services.scoring import Labels, vote


def imbalanced(truth: npt.NDArray[np.uint16], classes: int, share: float, seed: int) -> IndexArray:
    """Indices of as many samples as there can be if one class has a share, the others alike.

    Args:
        truth: true classes, [m].
        classes: C.
        share: of the frequent class, 0..1.
        seed: says which class is frequent and which samples are taken, each at most once.
    """
    frequent, random = frequent_class(seed, classes), np.random.default_rng([seed, 6])
    there = np.bincount(truth)
    others = [x for x in range(len(there)) if x != frequent]
    rest = (1 - share) / len(others)
    size = min(there[frequent] / share, min(there[x] for x in others) / rest)
    wanted = {x: int(size * (share if x == frequent else rest)) for x in (frequent, *others)}
    chosen = [
        random.permutation(np.flatnonzero(truth == x))[:number] for x, number in wanted.items()
    ]
    return np.sort(np.concatenate(chosen))


def frequent_class(seed: int, classes: int) -> int:
    """Another one for each seed."""
    return (3 * seed + 1) % classes


def ratios(labels: Labels, classes: int, worker: int) -> npt.NDArray[np.float64]:
    """P(a peer says y | the worker says x) / P(a peer says y), [x, y]; 0 where x is never said."""
    peers = vote(np.delete(labels, worker, axis=0), classes)  # [m, C]
    said = np.zeros((classes, classes))
    np.add.at(said, labels[worker], peers)
    frequencies = peers.sum(0) / peers.sum()
    given = said / np.maximum(said.sum(1, keepdims=True), 1)
    found: npt.NDArray[np.float64] = np.divide(
        given, frequencies, out=np.zeros_like(given), where=frequencies > 0
    )
    return found


def self_predicting(labels: Labels, classes: int) -> dict[str, float]:
    """How often Eq. 10 fails.

    Returns:
        `classes`: the share of all workers' classes (those that they say) for which it fails;
        `labels`: the share of their labels that are of such a class.
    """
    failed, used, labels_failed = 0, 0, 0
    for worker, own in enumerate(labels):
        by_class = ratios(labels, classes, worker)
        fails = by_class.argmax(1) != np.arange(classes)
        counts = np.bincount(own, minlength=classes)
        used += int((counts > 0).sum())
        failed += int((fails & (counts > 0)).sum())
        labels_failed += int(counts[fails].sum())
    return {"classes": failed / used, "labels": labels_failed / labels.size}


def example() -> dict[str, dict[str, float]]:
    """Section 4.8's example, scored: R(a) = 0.9, and where the worker sees a, peers say a in 0.8.

    It can be read in two ways. `blind`: that is so wherever it sees a; as peers say b in 0.1 of all
    samples, it sees a in at most half of them, here in half, and where it sees b they never do: its
    eyes are worse than none. `unsure`: that is so in a quarter of the samples, of which it knows
    that it is unsure; elsewhere (0.7 a, 0.05 b) it sees what peers say. In both, peers agree with
    one another, and the deviation says the other class (`blind`: everywhere, `unsure`: there).

    Returns:
        For each, the score per sample of honesty and of the deviation, and what the latter gains
        over honesty with one pool and with leagues, in deposits; under `paper` its expected rewards
        for saying a and b.
    """
    m, n = 1_000, 6
    peers = np.zeros(m, np.uint16)
    peers[: m // 10] = 1  # b, and in what follows the first half of it is at the very start
    blind = np.repeat([0, 1], m // 2).astype(np.uint16)
    unsure = peers.copy()
    unsure[m // 20 : m // 10] = 0
    doubtful = np.arange(m // 20, m // 20 + m // 4)
    flipped = unsure.copy()
    flipped[doubtful] = 1
    return {
        "paper": {"a": 0.8 / 0.9 - PENALTY, "b": 0.2 / 0.1 - PENALTY},
        "blind": _compared(blind, (1 - blind).astype(np.uint16), peers, n),
        "unsure": _compared(unsure, flipped, peers, n),
    }


def _compared(honest: Labels, deviating: Labels, peers: Labels, n: int) -> dict[str, float]:
    """One of n workers, the others alike: labels [m] of it and of each of them."""
    found = {}
    played = [np.stack([own, *[peers] * (n - 1)]) for own in (honest, deviating)]
    for name, labels in zip(("honest", "deviating"), played, strict=True):
        found[name] = float(pay(labels, 2, PENALTY, 0).scores(len(peers))[0])
    for name, peering in (("one pool", 0), ("leagues", 1)):
        before, after = (gains_of(labels, 2, peering, range(n))[0] for labels in played)
        found[name] = float(after - before)
    return found
