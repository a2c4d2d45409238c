"""Abstention: a worker labels where it expects not to lose."""

import numpy as np
import pytest

from worker.abstention import Abstention, calibrate

UNIFORM = np.full(10, 0.1)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits [n, C]."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def drawn(temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits of which, divided by the temperature, the softmax is the truth; and labels."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 5, (5_000, 10))
    drawn = [random.choice(10, p=row) for row in softmax(logits / temperature)]
    return logits, np.array(drawn)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_the_temperature_of_an_overconfident_learner_is_found(temperature: float) -> None:
    """To the tenth, from 5,000 labels that follow the cooler probabilities."""
    logits, labels = drawn(temperature)
    assert calibrate(softmax(logits), labels).temperature == pytest.approx(temperature, rel=0.1)


def test_a_modest_learner_is_not_made_bolder() -> None:
    """The validation split is private data, and public samples are other ones."""
    logits, labels = drawn(0.5)
    assert calibrate(softmax(logits), labels).temperature == 1.0


def test_certainty_is_accuracy_times_the_largest_probability() -> None:
    """Equation 5, of calibrated probabilities."""
    logits, labels = drawn(2.0)
    found = calibrate(softmax(logits), labels)
    expected = found.accuracy * softmax(logits / found.temperature).max(1)
    assert found.accuracy == (logits.argmax(1) == labels).mean()
    assert found.certainty(softmax(logits)) == pytest.approx(expected, abs=1e-4)


def test_one_validation_sample_is_enough_to_go_on() -> None:
    """Also where its class has probability 0."""
    found = calibrate(np.array([[1.0, 0.0]]), np.array([1]))
    assert found.accuracy == 0.0
    assert np.isfinite(found.temperature)
    assert found.certainty(np.array([[0.5, 0.5]])).tolist() == [0.0]


@pytest.mark.parametrize(("cost", "penalty"), [(0.0, 1.0), (0.5, 1.0), (2.0, 1.5)])
def test_a_rational_worker_labels_what_is_expected_not_to_lose(cost: float, penalty: float) -> None:
    """Exactly where equation 6 is not negative, in units of lambda."""
    random = np.random.default_rng(1)
    frequencies = random.dirichlet(np.ones(10))
    certainty, labels = random.random(1_000), random.integers(10, size=1_000)
    peer = frequencies[labels]
    profit = certainty * (1 / peer - penalty) + (1 - certainty) * -penalty - cost
    found = Abstention("rational", penalty, cost).is_labelled(certainty, labels, frequencies)
    assert np.array_equal(found, profit >= 0)
    assert 0 < found.sum() < 1_000


def test_a_threshold_is_plain() -> None:
    """At least as certain, whatever the class; none of it labels everything."""
    certainty, labels = np.array([0.2, 0.85, 0.9]), np.array([0, 1, 2])
    assert Abstention(0.85).is_labelled(certainty, labels, UNIFORM).tolist() == [False, True, True]
    assert Abstention("none").is_labelled(certainty, labels, UNIFORM).all()
