"""A worker's model on a worker's data: trained, kept on disk, asked for labels, distilled.

Knows files and arrays, no chain. No private sample and no weight leaves it but to `model_file`.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from services.datasets import Dataset, IndexArray
from services.errors import DatasetError, JournalError
from services.settings import WorkerSettings
from services.wire import Labels, abstain
from worker.journal import write_whole
from worker.model import build_model
from worker.train import (
    TrainConfig,
    distil,
    fit,
    predict_probabilities,
    split_validation,
    top1_accuracy,
)


@dataclass(frozen=True)
class WorkerData:
    """What one worker has.

    Attributes:
        private: labelled samples that only it has.
        public: the federation's samples, without labels.
        test: labelled samples to measure accuracy on; None: the validation split.
    """

    private: Dataset
    public: Dataset
    test: Dataset | None


class Learner:
    """One model from its first training to its last distillation.

    Attributes:
        n_private: number of private samples.
        accuracies: top-1 accuracy 0..1 on the test samples: first after training, then after each
            round.
    """

    def __init__(
        self, data: WorkerData, n_classes: int, settings: WorkerSettings, file: Path
    ) -> None:
        labels = data.private.labels
        if labels is None:
            raise DatasetError("the private data set has no labels; add its labels file")
        if int(labels.max()) >= n_classes:
            raise DatasetError(
                f"the private data set has a label {int(labels.max())}, but the task has "
                f"{n_classes} classes: expected labels 0 to {n_classes - 1}; relabel it"
            )
        if data.test is not None and data.test.labels is None:
            raise DatasetError("the test data set has no labels; add its labels file")
        shape = data.private.images.shape[1:]
        for name, other in (("public", data.public), ("test", data.test)):
            if other is not None and other.images.shape[1:] != shape:
                raise DatasetError(
                    f"private samples have shape {shape}, {name} ones {other.images.shape[1:]}; "
                    "bring them to the same size"
                )
        torch.set_num_threads(settings.threads)
        train, validation = split_validation(labels, settings.validation_fraction, settings.seed)
        self._train = data.private.subset(train)
        self._test = data.test or data.private.subset(validation)
        self._public = data.public
        self._n_classes = n_classes
        self._settings = settings
        self._file = file
        self._model = build_model(n_classes, shape, settings.seed)
        self.n_private = len(data.private)
        self.accuracies: list[float] = self._load()

    @property
    def model_name(self) -> str:
        """What the report calls the model."""
        return type(self._model).__name__

    @property
    def is_trained(self) -> bool:
        """Whether the model has seen the private data."""
        return bool(self.accuracies)

    @property
    def n_learnt(self) -> int:
        """How many rounds the model has behind it."""
        return len(self.accuracies) - 1

    def train(self) -> None:
        """Fit the fresh model to the private samples."""
        fit(self._model, *_labelled(self._train), self._config(self._settings.epochs))
        self._keep(self._accuracy())

    def label(self, samples: IndexArray) -> Labels:
        """The top-1 class uint16 [n] of each of the n public samples (Q_1bit of the paper)."""
        probabilities = predict_probabilities(self._model, self._public.images[samples])
        labels: Labels = probabilities.argmax(1).astype(np.uint16)
        return labels

    def distil(self, samples: IndexArray, global_labels: Labels) -> None:
        """Learn the next round: global labels uint16 [n] of its public samples."""
        images, labels = _labelled(self._train)
        distil(
            self._model,
            self._public.images[samples],
            global_labels,
            self._config(self._settings.distill_epochs),
            abstain=abstain(self._n_classes),
            private_images=images,
            private_labels=labels,
        )
        self._keep(self._accuracy())

    def skip(self) -> None:
        """Leave the next round out: it was void."""
        self._keep(self.accuracies[-1])

    def _accuracy(self) -> float:
        return top1_accuracy(self._model, *_labelled(self._test))

    def _config(self, epochs: int) -> TrainConfig:
        return TrainConfig(
            seed=self._settings.seed,
            epochs=epochs,
            batch_size=self._settings.batch_size,
            learning_rate=self._settings.learning_rate,
        )

    def _keep(self, accuracy: float) -> None:
        """Weights and history in one file, so that no crash can tell one without the other."""
        self.accuracies.append(accuracy)
        buffer = io.BytesIO()
        torch.save({"weights": self._model.state_dict(), "accuracies": self.accuracies}, buffer)
        write_whole(self._file, buffer.getvalue())

    def _load(self) -> list[float]:
        if not self._file.exists():
            return []
        try:
            kept = torch.load(self._file, weights_only=True)
            self._model.load_state_dict(kept["weights"])
            return list(kept["accuracies"])
        except Exception as error:
            raise JournalError(
                f"{self._file} is not this worker's model ({error}); restore it, or delete it to "
                "train anew"
            ) from error


def _labelled(dataset: Dataset) -> tuple[Any, Any]:
    if dataset.labels is None:
        raise DatasetError("the test data set has no labels; add its labels file")
    return dataset.images, dataset.labels
