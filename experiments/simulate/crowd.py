"""A model of what honest workers say: the truth by a prior, each right with a given accuracy.

It stands in for trained workers where there are none yet; docs/simulate.md says what it leaves out.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.samples import FloatArray

# Of the Beta distribution that certainties follow: 2 is flat where accuracy is in the middle, and
# heaps up near 1 where workers are good.
CONCENTRATION = 2.0

Labels = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Said:
    """One draw of the model.

    Attributes:
        labels: of every worker, uint16 [n, m].
        certainties: how certain each is, 0..1, [n, m]; a label is right with just that chance.
    """

    labels: Labels
    certainties: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Crowd:
    """Honest workers who have never been trained.

    Attributes:
        workers: n.
        samples: m.
        accuracy: the chance that a label is right, 1/C..1, the same for everyone.
        prior: share of every class among the samples, [C].
        errors: where a wrong label goes, by true class, [C, C]: rows sum to 1, the diagonal is 0.
    """

    workers: int
    samples: int
    accuracy: float
    prior: FloatArray
    errors: FloatArray

    @property
    def classes(self) -> int:
        """C."""
        return len(self.prior)

    def agreement(self) -> float:
        """Σ_x P(both say x) / R(x): an honest worker's expected score per sample, before β (Eq. 2).

        It is 1 for whoever labels without looking (Eq. 8), and C for who is never wrong.
        """
        says = self.accuracy * np.eye(self.classes) + (1 - self.accuracy) * self.errors
        both = (self.prior[:, None] * says**2).sum(0)
        frequencies = self.prior @ says  # R
        used = frequencies > 0
        return float((both[used] / frequencies[used]).sum())

    def draw(self, random: np.random.Generator) -> Said:
        """What everyone says of m samples."""
        truth = random.choice(self.classes, self.samples, p=self.prior)
        shape = (self.workers, self.samples)
        certainties = self._certainties(random, shape)
        # One search in C distributions at once: that of class t is shifted by t.
        steps = np.cumsum(self.errors, axis=1)
        steps = np.minimum(steps / steps[:, -1:], 1.0) + np.arange(self.classes)[:, None]
        chance = truth + random.random(shape)
        wrong = np.searchsorted(steps.ravel(), chance, side="right") - truth * self.classes
        is_right = random.random(shape) < certainties
        labels = np.where(is_right, truth, np.minimum(wrong, self.classes - 1))
        return Said(labels.astype(np.uint16), certainties)

    def _certainties(
        self, random: np.random.Generator, shape: tuple[int, int]
    ) -> npt.NDArray[np.float64]:
        """Between 1/C and 1, on average the accuracy."""
        least = 1 / self.classes
        mean = (self.accuracy - least) / (1 - least)
        if not 1e-9 < mean < 1 - 1e-9:  # no Beta distribution has all its weight at an end
            return np.full(shape, self.accuracy)
        drawn = random.beta(CONCENTRATION * mean, CONCENTRATION * (1 - mean), shape)
        certainties: npt.NDArray[np.float64] = least + (1 - least) * drawn
        return certainties


def even_errors(classes: int) -> FloatArray:
    """Wrong labels go to all other classes alike, [C, C]."""
    return _normalised(np.ones((classes, classes)))


def confused_errors(classes: int, concentration: float, random: np.random.Generator) -> FloatArray:
    """Wrong labels go where a Dirichlet draw sends them, for all workers alike, [C, C].

    Args:
        classes: C.
        concentration: of the Dirichlet distribution; large is even, 0.1 is one wrong class mostly.
        random: draws.
    """
    # Above the smallest number, lest a row be 0 throughout.
    return _normalised(random.gamma(concentration, size=(classes, classes)) + 1e-300)


def _normalised(weights: FloatArray) -> FloatArray:
    np.fill_diagonal(weights, 0)
    shares: FloatArray = weights / weights.sum(1, keepdims=True)
    return shares
