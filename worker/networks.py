"""Learners that are networks in PyTorch."""

import io

import torch

from services.settings import WorkerSettings
from worker.learner import Classes, FloatArray, Samples
from worker.model import build_model
from worker.train import TrainConfig, fit, predict_probabilities


class Network:
    """A network that is trained with Adam on a CPU, or on a GPU where there is one."""

    def __init__(
        self, name: str, n_classes: int, sample_shape: tuple[int, ...], settings: WorkerSettings
    ) -> None:
        torch.set_num_threads(settings.threads)
        self._model = build_model(n_classes, sample_shape, settings.seed)
        self._settings = settings

    def fit(self, samples: Samples, labels: Classes) -> None:
        """Minimise the cross-entropy on the labels."""
        fit(self._model, samples, labels, self._config(self._settings.epochs))

    def probabilities(self, samples: Samples) -> FloatArray:
        """Softmax of the logits."""
        return predict_probabilities(self._model, samples)

    def distil(self, samples: Samples, targets: FloatArray, weights: FloatArray) -> None:
        """Minimise the weighted cross-entropy with the targets (section 4.6)."""
        config = self._config(self._settings.distill_epochs)
        fit(self._model, samples, targets, config, weights)

    def dump(self) -> bytes:
        """The weights."""
        buffer = io.BytesIO()
        torch.save(self._model.state_dict(), buffer)
        return buffer.getvalue()

    def load(self, data: bytes) -> None:
        """Take weights; nothing else is read, and no code is run."""
        self._model.load_state_dict(torch.load(io.BytesIO(data), weights_only=True))

    def _config(self, epochs: int) -> TrainConfig:
        return TrainConfig(
            seed=self._settings.seed,
            epochs=epochs,
            batch_size=self._settings.batch_size,
            learning_rate=self._settings.learning_rate,
        )
