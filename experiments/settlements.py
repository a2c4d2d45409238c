"""What a case's workers are paid, with thresholds and with some who misbehave; kept on disk.

Everything is computed for both ways of scoring: against everyone else with one pool (peering 0, the
paper) and against the other league (peering 1, the product's default).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from experiments.behaviours import BEHAVIOURS
from experiments.judgements import Case, judgements
from experiments.kept import CACHE, Arrays, kept
from experiments.rewards import draw_positions, pay
from services import scoring, wire

PEERINGS = (0, 1)
SALT = 1_009  # of this module's seeds


@dataclass(frozen=True)
class Settlement:
    """A case's round, where who is less certain than the threshold abstains.

    Attributes:
        case: whose judgements.
        penalties: β.
        threshold: of certainty, 0..1 (Eq. 5).
        n_draws: rings to take the mean of.
    """

    case: Case
    penalties: tuple[float, ...]
    threshold: float = 0.0
    n_draws: int = 5


@dataclass(frozen=True)
class Attack:
    """A case's round, where some workers misbehave: none, one, … all but one.

    Attributes:
        case: whose judgements.
        penalties: β.
        behaviour: a name in `BEHAVIOURS`.
        n_draws: draws of who misbehaves, and of rings, to take the mean of.
    """

    case: Case
    penalties: tuple[float, ...]
    behaviour: str
    n_draws: int = 5


def settle(settlement: Settlement, cache: Path = CACHE) -> Arrays:
    """What the round gives.

    Returns:
        scores [peerings, penalties, n], per sample of the round; gains, the same shape, in
        deposits; labelled, the share of samples that a worker labelled, over all; right, the share
        of samples whose majority label is true; covered, the share that has a majority label.
    """
    return kept("settlement", settlement, lambda: _settle(settlement, cache), cache)


def attack(attack: Attack, cache: Path = CACHE) -> Arrays:
    """What the honest and the others get.

    Returns:
        scores [peerings, misbehaving, penalties, 2], the mean of the honest and of the others, per
        sample of the round; and gains, the same shape, in deposits. NaN where there is nobody.
    """
    return kept("attack", attack, lambda: _attack(attack, cache), cache)


def abstain_below(
    labels: scoring.Labels, certainties: npt.NDArray[np.floating], threshold: float, classes: int
) -> scoring.Labels:
    """Labels [n, m] with ABSTAIN where the certainty [n, m] is below the threshold."""
    return np.where(certainties < threshold, wire.abstain(classes), labels).astype(np.uint16)


def misbehave(
    labels: scoring.Labels,
    classes: int,
    others: npt.NDArray[np.integer],
    behaviour: str,
    random: np.random.Generator,
) -> scoring.Labels:
    """Labels [n, m] of which those of some workers are what a behaviour makes of them.

    Args:
        labels: honest, uint16 [n, m].
        classes: C.
        others: who misbehaves, [k].
        behaviour: a name in `BEHAVIOURS`.
        random: what it guesses by.
    """
    honest = np.delete(labels, others, axis=0)
    frequencies = np.bincount(honest.ravel(), minlength=classes) / honest.size
    reported = labels.copy()
    reported[others] = BEHAVIOURS[behaviour](labels[others], frequencies, random)
    return reported


def _settle(settlement: Settlement, cache: Path) -> Arrays:
    said = judgements(settlement.case, cache)
    classes = said.classes
    labels = abstain_below(said.labels, said.certainties, settlement.threshold, classes)
    global_labels = scoring.majority(scoring.vote(labels, classes), wire.abstain(classes))
    random = np.random.default_rng([settlement.case.seed, SALT])
    draws = [
        _pay_all(labels, classes, settlement.penalties, draw_positions(random, len(labels)))
        for _ in range(settlement.n_draws)
    ]
    scores, gains = np.mean(draws, axis=0)
    return {
        "scores": scores,
        "gains": gains,
        "labelled": np.array((labels < classes).mean()),
        "right": np.array((global_labels == said.truth).mean()),
        "covered": np.array((global_labels < classes).mean()),
    }


def _attack(attack: Attack, cache: Path) -> Arrays:
    said = judgements(attack.case, cache)
    n = len(said.labels)
    found = np.full((2, len(PEERINGS), n, len(attack.penalties), 2), np.nan)
    for k in range(n):
        # A seed that nothing else has, so that no guess is what somebody else drew.
        random = np.random.default_rng([attack.case.seed, k, SALT])
        draws = []
        for _ in range(attack.n_draws):
            others = random.permutation(n)[:k]
            labels = misbehave(said.labels, said.classes, others, attack.behaviour, random)
            positions = draw_positions(random, n)
            by_worker = _pay_all(labels, said.classes, attack.penalties, positions)
            honest = np.delete(by_worker, others, axis=-1).mean(-1)
            draws.append(
                np.stack([honest, by_worker[..., others].mean(-1) if k else honest * np.nan], -1)
            )
        found[:, :, k] = np.mean(draws, axis=0)
    return {"scores": found[0], "gains": found[1]}


def _pay_all(
    labels: scoring.Labels, classes: int, penalties: tuple[float, ...], positions: list[int]
) -> npt.NDArray[np.float64]:
    """Scores per sample and gains, [2, peerings, penalties, n]."""
    paid = [
        [pay(labels, classes, penalty, peering, positions) for penalty in penalties]
        for peering in PEERINGS
    ]
    n_samples = labels.shape[1]
    return np.array(
        [
            [[each.scores(n_samples) for each in row] for row in paid],
            [[each.gains for each in row] for row in paid],
        ]
    )
