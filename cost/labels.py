"""Labels as workers might give them: views of one truth that agree most of the time."""

import numpy as np

from services import wire

AGREEMENT = 0.85  # of the labels that are not abstained, how many follow the truth; the rest: luck


def draw_labels(
    random: np.random.Generator, truth: wire.Labels, classes: int, abstention: float
) -> wire.Labels:
    """One worker's labels [samples].

    Args:
        random: decides.
        truth: the samples' classes, [samples].
        classes: C.
        abstention: share of samples that it does not label.
    """
    guesses = random.integers(classes, size=len(truth), dtype=np.uint16)
    labels = np.where(random.random(len(truth)) < AGREEMENT, truth, guesses)
    labels[random.random(len(truth)) < abstention] = wire.abstain(classes)
    return labels.astype(np.uint16)


def draw_truth(random: np.random.Generator, samples: int, classes: int) -> wire.Labels:
    """Classes [samples], all equally frequent."""
    return random.integers(classes, size=samples, dtype=np.uint16)
