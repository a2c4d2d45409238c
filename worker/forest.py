"""A random forest from scikit-learn, for tabular features and for flattened images.

A forest cannot learn on: it is grown anew from the samples that it keeps. Those, and not the trees,
are what is dumped, for scikit-learn's own format is pickle, which runs code when it is read. The
same samples, seed and version of scikit-learn give the same trees.
"""

import io

import numpy as np

from services.errors import LearnerError
from services.samples import Classes, FloatArray, SampleArray

N_TREES = 100
LEAST_SHARE = 0.01  # of a target's largest entry; less is not worth a row of its own


class Forest:
    """A `RandomForestClassifier` that learns from targets, too.

    Args:
        n_classes: C.
        seed: of the trees.
        threads: how many may grow or vote at once.
    """

    def __init__(self, n_classes: int, seed: int, threads: int = 1) -> None:
        try:
            from sklearn.ensemble import RandomForestClassifier
        except ImportError as error:
            raise LearnerError(
                f"the forest needs scikit-learn, which cannot be imported ({error}); run "
                "`pip install 'fedserum[forest]'`, or choose another model"
            ) from error
        self._n_classes = n_classes
        self._trees = RandomForestClassifier(N_TREES, random_state=seed, n_jobs=threads)
        self._kept: dict[str, SampleArray] = {}

    def fit(self, samples: SampleArray, labels: Classes) -> None:
        """Grow from the labels."""
        targets = np.eye(self._n_classes, dtype=np.float32)[labels]
        self._kept = _arrays(samples, targets, np.ones(len(samples), np.float32))
        self._grow()

    def probabilities(self, samples: SampleArray) -> FloatArray:
        """The trees' mean; a class that no sample had gets 0."""
        found = np.zeros((len(samples), self._n_classes), np.float32)
        if len(samples):
            found[:, self._trees.classes_] = self._trees.predict_proba(_rows(samples))
        return found

    def distil(self, samples: SampleArray, targets: FloatArray, weights: FloatArray) -> None:
        """Grow anew from these and from what was learnt before, the latest word on each sample."""
        new = _arrays(samples, targets, weights)
        old = {bytes(row) for row in _rows(samples)}
        is_left = np.array([bytes(row) not in old for row in _rows(self._kept["samples"])], bool)
        self._kept = {k: np.concatenate([v[is_left], new[k]]) for k, v in self._kept.items()}
        self._grow()

    def dump(self) -> bytes:
        """The samples, targets and weights that it grows from."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **self._kept)
        return buffer.getvalue()

    def load(self, data: bytes) -> None:
        """Grow from what was dumped; no code is run."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            self._kept = {name: arrays[name] for name in ("samples", "targets", "weights")}
        if self._kept["targets"].shape != (len(self._kept["samples"]), self._n_classes):
            raise ValueError(f"it has targets of shape {self._kept['targets'].shape}")
        self._grow()

    def _grow(self) -> None:
        """A sample is repeated for each class of its target, weighted by the class's share."""
        targets = self._kept["targets"]  # [n, C]
        shares = targets * self._kept["weights"][:, None]
        is_worth = targets >= LEAST_SHARE * targets.max(1, keepdims=True)
        samples, classes = np.nonzero(is_worth & (shares > 0))
        if len(samples):
            rows = _rows(self._kept["samples"])
            self._trees.fit(rows[samples], classes, sample_weight=shares[samples, classes])


def _arrays(
    samples: SampleArray, targets: FloatArray, weights: FloatArray
) -> dict[str, SampleArray]:
    return {"samples": samples, "targets": targets.astype("f4"), "weights": weights.astype("f4")}


def _rows(samples: SampleArray) -> SampleArray:
    """Samples [n, ...] as rows [n, f]."""
    return samples.reshape(len(samples), -1)
