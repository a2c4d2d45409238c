"""What each kind of worker earns among honest ones, by the mechanism's own integers.

Every kind plays in a federation of its own: k workers of the kind, the others honest.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from experiments.rewards import pay
from experiments.simulate.crowd import Crowd, Labels, Said
from services import wire

# Turns what k honest workers would say [k, m] into what they say.
Conduct = Callable[[Crowd, Said, np.random.Generator], Labels]


@dataclass(frozen=True)
class Terms:
    """What of the task matters here: β, peering and λ."""

    penalty: float
    peering: int
    reward_scale: float


@dataclass(frozen=True)
class Figure:
    """A mean, and how far one worker in one round is from it (standard deviation)."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, values: npt.NDArray[np.float64]) -> "Figure":
        """Of any number of values."""
        return cls(float(values.mean()), float(values.std()))


@dataclass(frozen=True)
class Outlook:
    """What to expect of one kind of conduct.

    Attributes:
        workers: of that kind in the federation.
        labelled: share of the samples that they label.
        score: per sample of the round, τ̄/m.
        gain: in deposits, (V - stake) / deposit.
        others: what the honest workers beside them gain, in deposits; None if there are none.
    """

    workers: int
    labelled: float
    score: Figure
    gain: Figure
    others: Figure | None


def honest(_: Crowd, said: Said, __: np.random.Generator) -> Labels:
    """Say what one sees."""
    return said.labels


def lazy_uniform(crowd: Crowd, said: Said, random: np.random.Generator) -> Labels:
    """Any class, whatever the sample (heuristic strategy, section 3.3)."""
    return random.integers(crowd.classes, size=said.labels.shape).astype(np.uint16)


def lazy_by_prior(crowd: Crowd, said: Said, random: np.random.Generator) -> Labels:
    """Any class, as often as it occurs."""
    return random.choice(crowd.classes, said.labels.shape, p=crowd.prior).astype(np.uint16)


def colluding_by_map(crowd: Crowd, said: Said, _: np.random.Generator) -> Labels:
    """The lower half of the classes is called the first one, the upper the last (section 5.5)."""
    is_lower = said.labels < (crowd.classes + 1) // 2
    return np.where(is_lower, 0, crowd.classes - 1).astype(np.uint16)


def colluding_by_seed(crowd: Crowd, said: Said, random: np.random.Generator) -> Labels:
    """Any class, but all the same."""
    labels = random.integers(crowd.classes, size=said.labels.shape[1]).astype(np.uint16)
    return np.broadcast_to(labels, said.labels.shape)


def abstaining_below(threshold: float) -> Conduct:
    """Label only what one is that certain of."""

    def conduct(crowd: Crowd, said: Said, _: np.random.Generator) -> Labels:
        nothing = wire.abstain(crowd.classes)
        return np.where(said.certainties < threshold, nothing, said.labels).astype(np.uint16)

    return conduct


def expect(
    crowd: Crowd, terms: Terms, conduct: Conduct, workers: int, runs: int, seed: int
) -> Outlook:
    """Play rounds, each with labels and places in the ring of its own.

    Args:
        crowd: everyone, as long as they are honest.
        terms: the task's.
        conduct: what the first `workers` of them do instead.
        workers: k, 1..n.
        runs: rounds to play.
        seed: of all draws; the same for all kinds, so that they meet the same samples.
    """
    scores, gains, others, labelled = [], [], [], []
    for run in range(runs):
        random = np.random.default_rng([seed, run])
        said = crowd.draw(random)
        ring = random.permutation(crowd.workers)
        labels = said.labels.copy()
        labels[:workers] = conduct(
            crowd, Said(said.labels[:workers], said.certainties[:workers]), random
        )
        paid = pay(
            labels,
            crowd.classes,
            terms.penalty,
            terms.peering,
            [int(position) for position in ring],
            terms.reward_scale,
        )
        scores.append(paid.scores(crowd.samples)[:workers])
        gains.append(paid.gains[:workers])
        others.append(paid.gains[workers:])
        labelled.append((labels[:workers] < crowd.classes).mean())
    return Outlook(
        workers=workers,
        labelled=float(np.mean(labelled)),
        score=Figure.of(np.concatenate(scores)),
        gain=Figure.of(np.concatenate(gains)),
        others=Figure.of(np.concatenate(others)) if workers < crowd.workers else None,
    )
