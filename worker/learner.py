"""A worker's model on a worker's data: trained, kept on disk, asked for labels, distilled.

Knows files and arrays, no chain. No private sample and no weight leaves it but to `model_file`.
"""

import io
from pathlib import Path

import numpy as np
import torch

from services.datasets import IndexArray
from services.errors import JournalError
from services.settings import WorkerSettings
from services.wire import Labels, abstain
from worker.data import WorkerData, labels_of
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


class Learner:
    """One model from its first training to its last distillation.

    Attributes:
        n_private: number of private samples.
        accuracies: top-1 accuracy 0..1 on the test samples: first after training, then after each
            round.
    """

    def __init__(self, data: WorkerData, settings: WorkerSettings, file: Path) -> None:
        torch.set_num_threads(settings.threads)
        train, validation = split_validation(
            labels_of(data.private), settings.validation_fraction, settings.seed
        )
        self._train = data.private.subset(train)
        self._test = data.test or data.private.subset(validation)
        self._public = data.public
        self._n_classes = data.n_classes
        self._settings = settings
        self._file = file
        self._model = build_model(data.n_classes, data.private.images.shape[1:], settings.seed)
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
        fit(
            self._model,
            self._train.images,
            labels_of(self._train),
            self._config(self._settings.epochs),
        )
        self._keep(self._accuracy())

    def label(self, samples: IndexArray) -> Labels:
        """The top-1 class uint16 [n] of each of the n public samples (Q_1bit of the paper)."""
        probabilities = predict_probabilities(self._model, self._public.images[samples])
        labels: Labels = probabilities.argmax(1).astype(np.uint16)
        return labels

    def distil(self, samples: IndexArray, global_labels: Labels) -> None:
        """Learn the next round: global labels uint16 [n] of its public samples."""
        distil(
            self._model,
            self._public.images[samples],
            global_labels,
            self._config(self._settings.distill_epochs),
            abstain=abstain(self._n_classes),
            private_images=self._train.images,
            private_labels=labels_of(self._train),
        )
        self._keep(self._accuracy())

    def skip(self) -> None:
        """Leave the next round out: it was void."""
        self._keep(self.accuracies[-1])

    def _accuracy(self) -> float:
        return top1_accuracy(self._model, self._test.images, labels_of(self._test))

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
