"""Learners that are networks in PyTorch."""

import io

import torch

from services.samples import Classes, FloatArray, SampleArray
from services.settings import WorkerSettings
from worker.model import Standardise, build_model
from worker.train import TrainConfig, fit, predict_probabilities

# Passes over the private samples and over the round's, where the settings do not say. ResNet-18
# costs some 250 times as much per sample as LeNet-5, and learns more in each pass.
EPOCHS = {"lenet": (20, 2), "mlp": (20, 2), "resnet18": (5, 1)}


class Network:
    """A network that is trained with Adam on a CPU, or on a GPU where there is one."""

    def __init__(
        self, name: str, n_classes: int, sample_shape: tuple[int, ...], settings: WorkerSettings
    ) -> None:
        torch.set_num_threads(settings.threads)
        self._model = build_model(n_classes, sample_shape, settings.seed, name)
        self._settings = settings
        epochs, distill_epochs = EPOCHS[name]
        self._epochs = settings.epochs or epochs
        self._distill_epochs = settings.distill_epochs or distill_epochs

    def fit(self, samples: SampleArray, labels: Classes) -> None:
        """Minimise the cross-entropy on the labels."""
        for part in self._model.children():
            if isinstance(part, Standardise):
                part.measure(torch.from_numpy(samples.astype("f4")))
        fit(self._model, samples, labels, self._config(self._epochs))

    def probabilities(self, samples: SampleArray) -> FloatArray:
        """Softmax of the logits."""
        return predict_probabilities(self._model, samples)

    def distil(self, samples: SampleArray, targets: FloatArray, weights: FloatArray) -> None:
        """Minimise the weighted cross-entropy with the targets (section 4.6)."""
        fit(self._model, samples, targets, self._config(self._distill_epochs), weights)

    def dump(self) -> bytes:
        """The weights."""
        buffer = io.BytesIO()
        torch.save(self._model.state_dict(), buffer)
        return buffer.getvalue()

    def load(self, data: bytes) -> None:
        """Take weights; nothing else is read, and no code is run."""
        weights = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
        self._model.load_state_dict(weights)

    def _config(self, epochs: int) -> TrainConfig:
        return TrainConfig(
            seed=self._settings.seed,
            epochs=epochs,
            batch_size=self._settings.batch_size,
            learning_rate=self._settings.learning_rate,
        )
