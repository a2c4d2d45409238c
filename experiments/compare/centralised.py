"""What one network learns from all private samples together: no exchange could do without it."""

import time

import torch

from experiments.compare.run import Data, Run
from experiments.judgements import Case
from worker.data import labels_of
from worker.model import build_model
from worker.study import accuracy
from worker.train import TrainConfig, fit, predict_probabilities


def train(case: Case, data: Data, epochs: int) -> Run:
    """Train LeNet-5 on everybody's samples.

    Args:
        case: the seed.
        data: of the case.
        epochs: passes over the samples.
    """
    started = time.monotonic()
    torch.set_num_threads(1)
    private, _, test = data
    labels = labels_of(private)
    model = build_model(int(labels.max()) + 1, private.samples.shape[1:], case.seed)
    fit(model, private.samples, labels, TrainConfig(seed=case.seed, epochs=epochs))
    reached = accuracy(predict_probabilities(model, test.samples), labels_of(test))
    return Run(
        method=f"centralised, {epochs} epochs",
        alpha=None,
        seed=case.seed,
        accuracies=[[reached]],
        traffic=[],
        n_public=0,
        seconds=time.monotonic() - started,
    )
