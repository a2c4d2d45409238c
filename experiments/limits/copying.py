"""Saying in a round what the majority said in the round before: for free, that is public.

Where samples repeat it is an answer to the same questions; where they are fresh, to other ones.
"""

import numpy as np

from experiments.limits.groups import Conduct, sweep
from services import scoring, wire
from services.samples import IndexArray
from services.scoring import Labels


def copying(last: Labels) -> Conduct:
    """Everybody says the same global labels [m]."""

    def conduct(group: IndexArray, _: np.random.Generator) -> Labels:
        return np.broadcast_to(last, (len(group), len(last)))

    return conduct


def measure(
    labels: Labels, classes: int, peering: int, draws: int, random: np.random.Generator
) -> dict[str, dict[str, list[float]]]:
    """Sweeps over the share of copiers, for a second round of the `same` and of `fresh` samples.

    Args:
        labels: honest ones, [n, m]; the first half is the first round's.
        classes: C.
        peering: 0 one pool, 1 two leagues.
        draws: how often it is drawn who copies, and the leagues.
        random: draws.
    """
    half = labels.shape[1] // 2
    first, second = labels[:, :half], labels[:, half : 2 * half]
    public = scoring.majority(scoring.vote(first, classes), wire.abstain(classes))
    return {
        name: sweep(honest, classes, copying(public), peering, draws, random)
        for name, honest in (("same", first), ("fresh", second))
    }
