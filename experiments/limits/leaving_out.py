"""Labelling everything where the others leave out what they are unsure of."""

import numpy as np
import numpy.typing as npt

from experiments.limits.best_response import SURE_FROM
from experiments.limits.groups import sweep
from services import wire
from services.scoring import Labels


def measure(
    labels: Labels,
    certainties: npt.NDArray[np.floating],
    classes: int,
    peering: int,
    draws: int,
    random: np.random.Generator,
) -> dict[str, list[float]]:
    """A sweep over the share of those who label everything; the others abstain where unsure.

    Args:
        labels: top-1 classes of everybody, [n, m].
        certainties: of each, 0..1, [n, m].
        classes: C.
        peering: 0 one pool, 1 two leagues.
        draws: how often it is drawn who labels everything, and the leagues.
        random: draws.
    """
    sure = np.where(certainties >= SURE_FROM, labels, wire.abstain(classes)).astype(np.uint16)
    return sweep(sure, classes, lambda group, _: labels[group], peering, draws, random)
