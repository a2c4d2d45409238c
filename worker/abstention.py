"""Which samples a worker labels: those where it expects not to lose (Eq. 5 to 7 of the paper).

Pure numpy. Certainty comes from the worker's own validation split, the classes' frequencies from
the chain.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from services.samples import Classes, FloatArray

LEAST = 1e-12  # probability; what is below counts as this much
# Tried one by one: the loss is cheap and has one minimum. Never below 1, for public samples are not
# the private ones, and what looks too modest at home is not so abroad.
TEMPERATURES = np.geomspace(1.0, 8.0, 73)


@dataclass(frozen=True)
class Abstention:
    """When a worker leaves a sample out.

    Attributes:
        rule: ``none`` labels everything, ``rational`` what is expected not to lose (Eq. 7), a
            number 0..1 what is at least that certain.
        penalty: β.
        cost: of one label, in units of λ: c/λ.
    """

    rule: Literal["none", "rational"] | float = "none"
    penalty: float = 1.0
    cost: float = 0.0

    def is_labelled(
        self, certainty: FloatArray, labels: Classes, frequencies: FloatArray
    ) -> npt.NDArray[np.bool_]:
        """Which of n samples to label, [n].

        Args:
            certainty: 0..1, [n] (Eq. 5).
            labels: the class that each would get, [n].
            frequencies: R(x) of each class, [C].
        """
        if self.rule == "none":
            return np.ones(len(labels), np.bool_)
        if self.rule == "rational":
            return certainty >= frequencies[labels] * (self.cost + self.penalty)
        return certainty >= self.rule


@dataclass(frozen=True)
class Calibration:
    """What a validation split says of a learner's probabilities.

    Attributes:
        accuracy: top-1, 0..1.
        temperature: by which its log-probabilities are to be divided; above 1 it is overconfident.
    """

    accuracy: float
    temperature: float

    def certainty(self, probabilities: FloatArray) -> FloatArray:
        """Validation accuracy × largest calibrated probability, [n] of [n, C] (Eq. 5)."""
        logits = np.log(np.maximum(probabilities, LEAST)) / self.temperature
        logits -= logits.max(1, keepdims=True)
        certainty: FloatArray = self.accuracy / np.exp(logits).sum(1)
        return certainty


def calibrate(probabilities: FloatArray, labels: Classes) -> Calibration:
    """Fit one temperature to a validation split (Guo et al. 2017), and measure accuracy on it.

    Args:
        probabilities: of the validation samples, [n, C].
        labels: their classes, [n].
    """
    logits = np.log(np.maximum(probabilities, LEAST))
    logits -= logits.max(1, keepdims=True)
    right = logits[np.arange(len(labels)), labels]
    losses = [
        (np.log(np.exp(logits / temperature).sum(1)) - right / temperature).mean()
        for temperature in TEMPERATURES
    ]
    return Calibration(
        accuracy=float((probabilities.argmax(1) == labels).mean()),
        temperature=float(TEMPERATURES[np.argmin(losses)]),
    )
