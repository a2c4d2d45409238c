"""What a participant brings to a federation: a learner, any object with these methods.

A class of your own needs to import nothing from here: name it as ``module:object`` and see that it
has the methods of `Learner`. Samples are numpy arrays as the data sets have them, uint8 images
[n, h, w] or [n, h, w, c], or float32 features [n, f].
"""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from services.errors import SettingsError
from services.settings import WorkerSettings

Samples = npt.NDArray[Any]
Classes = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.floating]


class Learner(Protocol):
    """One model that learns from labels and is asked for class probabilities."""

    def fit(self, samples: Samples, labels: Classes) -> None:
        """Learn the private samples [n, ...] with their classes [n], from scratch."""

    def probabilities(self, samples: Samples) -> FloatArray:
        """Class probabilities [n, C] of samples [n, ...]; rows sum to 1."""

    def distil(self, samples: Samples, targets: FloatArray, weights: FloatArray) -> None:
        """Learn on: samples [n, ...], what they should get [n, C], and how much it counts [n].

        Rows of the targets sum to 1. The worker's own private samples are among them.
        """

    def dump(self) -> bytes:
        """Everything that is needed to go on after a restart."""

    def load(self, data: bytes) -> None:
        """Become what was dumped."""


def make_learner(
    n_classes: int, sample_shape: tuple[int, ...], settings: WorkerSettings
) -> Learner:
    """The learner that the settings name, fresh.

    Args:
        n_classes: C.
        sample_shape: of one sample, [h, w], [h, w, c] or [f].
        settings: its name, its seed and how long to train.

    Raises:
        SettingsError: there is none of that name.
        DatasetError: it cannot take such samples.
    """
    name = settings.model
    if name == "lenet":
        from worker.networks import Network

        return Network(name, n_classes, sample_shape, settings)
    raise SettingsError(f"there is no model {name!r}; expected lenet")
