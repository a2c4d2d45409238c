"""What a worker may report instead of its labels (section 5.5 of the paper).

Each takes the labels that its workers would have given, how often the honest ones give each class,
and a source of chance; it returns what they report.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from services.scoring import Labels

Frequencies = npt.NDArray[np.float64]
Behaviour = Callable[[Labels, Frequencies, np.random.Generator], Labels]


def collude(labels: Labels, frequencies: Frequencies, _: np.random.Generator) -> Labels:
    """The lower half of the classes becomes the first, the upper half the last: 0-4 → 0, 5-9 → 9.

    Args:
        labels: of k workers, [k, m].
        frequencies: of each class among the honest, [C].
    """
    classes = len(frequencies)
    return np.where(labels < classes // 2, 0, classes - 1).astype(np.uint16)


def guess(labels: Labels, frequencies: Frequencies, random: np.random.Generator) -> Labels:
    """Every class is as likely."""
    return random.integers(0, len(frequencies), labels.shape).astype(np.uint16)


def guess_by_prior(labels: Labels, frequencies: Frequencies, random: np.random.Generator) -> Labels:
    """Every class is as likely as among the honest."""
    return random.choice(len(frequencies), labels.shape, p=frequencies).astype(np.uint16)


BEHAVIOURS: dict[str, Behaviour] = {
    "colluding": collude,
    "guessing uniformly": guess,
    "guessing by prior": guess_by_prior,
}
