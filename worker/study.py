"""A worker's learner on a worker's data: trained, kept on disk, asked for labels, distilled.

Knows files and arrays, no chain. No private sample and no weight leaves it but to `model_file`.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from services.datasets import IndexArray, UInt8Array
from services.errors import DatasetError, JournalError
from services.settings import WorkerSettings
from services.wire import Labels, abstain
from worker.data import WorkerData, labels_of
from worker.journal import write_whole
from worker.learner import Classes, FloatArray, kind_of, make_learner


class Study:
    """One learner from its first training to its last distillation.

    Attributes:
        n_private: number of private samples.
        model_name: what the report calls the learner.
        accuracies: top-1 accuracy 0..1 on the test samples: first after training, then after each
            round.
    """

    def __init__(self, data: WorkerData, settings: WorkerSettings, file: Path) -> None:
        train, validation = split_validation(
            labels_of(data.private), settings.validation_fraction, settings.seed
        )
        self._train = data.private.subset(train)
        self._validation = data.private.subset(validation)
        self._test = data.test or self._validation
        self._public = data.public
        self._n_classes = data.n_classes
        self._file = file
        known = {"public": data.public.images, "private": data.private.images}
        known |= {} if data.test is None else {"test": data.test.images}
        shape = data.private.images.shape[1:]
        self._learner = make_learner(data.n_classes, shape, settings, known)
        self.n_private = len(data.private)
        self.model_name = kind_of(settings.model)
        self.accuracies: list[float] = self._load()

    @property
    def is_trained(self) -> bool:
        """Whether the learner has seen the private data."""
        return bool(self.accuracies)

    @property
    def n_learnt(self) -> int:
        """How many rounds the learner has behind it."""
        return len(self.accuracies) - 1

    def train(self) -> None:
        """Fit the fresh learner to the private samples."""
        self._learner.fit(self._train.images, labels_of(self._train))
        self._keep(self._accuracy())

    def label(self, samples: IndexArray) -> Labels:
        """The top-1 class uint16 [n] of each of the n public samples (Q_1bit of the paper)."""
        probabilities = self._learner.probabilities(self._public.images[samples])
        labels: Labels = probabilities.argmax(1).astype(np.uint16)
        return labels

    def distil(self, samples: IndexArray, global_labels: Labels) -> None:
        """Learn the next round: global labels uint16 [n] of its public samples (section 4.6).

        ABSTAIN is left out. The private samples are learnt as well, so that the learner does not
        forget what only it has seen.
        """
        is_voted = global_labels != abstain(self._n_classes)
        if is_voted.any():
            public = self._public.images[samples[is_voted]]
            targets = np.concatenate(
                [
                    self._one_hot(global_labels[is_voted]),
                    self._one_hot(labels_of(self._train)),
                ]
            )
            self._learner.distil(
                np.concatenate([public, self._train.images]),
                targets,
                np.ones(len(targets), np.float32),
            )
        self._keep(self._accuracy())

    def skip(self) -> None:
        """Leave the next round out: it was void."""
        self._keep(self.accuracies[-1])

    def _one_hot(self, labels: Classes) -> FloatArray:
        return np.eye(self._n_classes, dtype=np.float32)[labels]

    def _accuracy(self) -> float:
        return accuracy(self._learner.probabilities(self._test.images), labels_of(self._test))

    def _keep(self, accuracy: float) -> None:
        """History and learner in one file, so that no crash can tell one without the other."""
        self.accuracies.append(accuracy)
        learner = self._learner.dump()
        history = {
            "accuracies": self.accuracies,
            "sha256": hashlib.sha256(learner).hexdigest(),
        }
        write_whole(self._file, json.dumps(history).encode() + b"\n" + learner)

    def _load(self) -> list[float]:
        if not self._file.exists():
            return []
        try:
            line, _, learner = self._file.read_bytes().partition(b"\n")
            history = json.loads(line)
            if hashlib.sha256(learner).hexdigest() != history["sha256"]:
                raise ValueError("the file is damaged")
            self._learner.load(learner)
            return [float(each) for each in history["accuracies"]]
        except Exception as error:
            raise JournalError(
                f"{self._file} is not this worker's model ({error}); restore it, or delete it to "
                "train anew"
            ) from error


def accuracy(probabilities: FloatArray, labels: Classes) -> float:
    """Share of samples whose most probable class is their label, 0..1."""
    return float((probabilities.argmax(1) == labels).mean())


def split_validation(
    labels: UInt8Array, fraction: float, seed: int
) -> tuple[IndexArray, IndexArray]:
    """Indices to train on, and indices held out for validation; each at least one sample.

    Raises:
        DatasetError: fewer than two samples.
    """
    if len(labels) < 2:
        raise DatasetError(
            f"{len(labels)} private samples cannot be split; training and validation need one each"
        )
    order = np.random.default_rng(seed).permutation(len(labels))
    n_validation = min(max(round(fraction * len(labels)), 1), len(labels) - 1)
    return order[n_validation:], order[:n_validation]
