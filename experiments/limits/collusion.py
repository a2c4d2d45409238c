"""Colluders who draw the same classes at random, and two who coin a class that nobody else uses."""

import numpy as np

from experiments.limits.groups import Conduct, gains_of, random_ring
from services.samples import IndexArray
from services.scoring import Labels

COINED = (1, 2, 5, 10)  # classes that only the two use


def by_shared_seed(classes: int, n_samples: int) -> Conduct:
    """All say the same, drawn at random without a look at the samples."""

    def conduct(group: IndexArray, random: np.random.Generator) -> Labels:
        drawn = random.integers(classes, size=n_samples).astype(np.uint16)
        return np.broadcast_to(drawn, (len(group), n_samples))

    return conduct


def coin(
    labels: Labels,
    classes: int,
    n_coined: int,
    share: float,
    peering: int,
    draws: int,
    random: np.random.Generator,
) -> float:
    """What each of two gains over honesty by saying unused classes on a few samples, in deposits.

    With leagues they do so where they are in different ones, which the chain shows before they
    commit.

    Args:
        labels: honest ones of everybody, [n, m].
        classes: C, without the unused ones.
        n_coined: unused classes that the task has besides.
        share: of the samples, on which each is said; at least one sample.
        peering: 0 one pool, 1 two leagues.
        draws: how often it is drawn who they are and which samples they take.
        random: draws.
    """
    n, m = labels.shape
    each = max(1, round(share * m))
    found = 0.0
    for _ in range(draws):
        pair = random.permutation(n)[:2]
        ring = random_ring(n, random)
        while peering == 1 and (ring[pair[0]] - ring[pair[1]]) % 2 == 0:
            ring = random_ring(n, random)
        said = labels.copy()
        for number, samples in enumerate(
            np.split(random.permutation(m)[: each * n_coined], n_coined)
        ):
            said[np.ix_(pair, samples)] = classes + number
        all_classes = classes + n_coined
        before, after = (gains_of(each_, all_classes, peering, ring) for each_ in (labels, said))
        found += float((after - before)[pair].mean())
    return found / draws
