"""What workers are paid who are certain, uncertain, colluding or guessing."""

from pathlib import Path

import numpy as np
import pytest

from experiments.judgements import N_WORKERS, Case
from experiments.kept import kept
from experiments.rewards import draw_positions, pay
from experiments.settlements import Attack, Settlement, abstain_below, attack, misbehave, settle
from services.mechanism import WAD

CLASSES, SAMPLES = 10, 3_000
CASE = Case("none", samples=SAMPLES)
PENALTIES = (0.0, 1.0)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """With judgements of workers of whom each knows more than the one before, and knows it."""
    random = np.random.default_rng(0)
    truth = random.integers(0, CLASSES, SAMPLES).astype(np.uint16)
    skills = np.linspace(0.5, 0.95, N_WORKERS)
    is_known = random.random((N_WORKERS, SAMPLES)) < skills[:, None]
    noise = random.integers(0, CLASSES, is_known.shape)
    arrays = {
        "labels": np.where(is_known, truth, noise).astype(np.uint16),
        "certainties": np.where(is_known, 0.9, 0.3).astype(np.float32),
        "accuracies": skills,
        "own_accuracies": skills,
        "split": np.ones((N_WORKERS, CLASSES), np.int64),
        "truth": truth,
    }
    kept("judgements", CASE, lambda: arrays, tmp_path)
    return tmp_path


def test_who_knows_more_gets_more(cache: Path) -> None:
    """Scores and rewards grow with skill under both peerings, and nothing is made or lost."""
    found = settle(Settlement(CASE, PENALTIES), cache)
    scores, gains = found["scores"], found["gains"]
    assert scores.shape == gains.shape == (2, len(PENALTIES), N_WORKERS)
    assert (np.diff(scores) > 0).all()
    assert (gains[..., -1] > 0).all()
    assert (gains[..., 0] < 0).all()
    assert np.allclose(gains.sum(-1), 0, atol=1e-12)
    assert np.allclose(scores[:, 0] - scores[:, 1], 1)  # β, where everyone labels everything
    assert float(found["labelled"]) == float(found["covered"]) == 1


def test_who_is_uncertain_abstains(cache: Path) -> None:
    """Above the threshold are right labels only; above all certainties there are none."""
    certain = settle(Settlement(CASE, PENALTIES, 0.5), cache)
    everything = settle(Settlement(CASE, PENALTIES), cache)
    assert 0.5 < certain["labelled"] < 1
    assert certain["right"] == certain["covered"] > everything["right"]
    nothing = settle(Settlement(CASE, PENALTIES, 0.95), cache)
    assert nothing["labelled"] == nothing["covered"] == nothing["right"] == 0
    assert not nothing["scores"].any()
    assert not nothing["gains"].any()


def test_misbehaviour_is_what_the_paper_says(cache: Path) -> None:
    """0-4 become 0 and 5-9 become 9; guesses are even, or as frequent as honest labels."""
    random = np.random.default_rng(1)
    labels = random.choice(CLASSES, (4, 20_000), p=[0.55, *[0.05] * 9]).astype(np.uint16)
    others = np.array([1, 3])
    colluding = misbehave(labels, CLASSES, others, "colluding", random)
    assert np.array_equal(colluding[others], np.where(labels[others] <= 4, 0, 9))
    assert np.array_equal(colluding[[0, 2]], labels[[0, 2]])
    for behaviour, expected in (("guessing uniformly", 0.1), ("guessing by prior", 0.55)):
        guessed = misbehave(labels, CLASSES, others, behaviour, random)[others]
        assert (guessed == 0).mean() == pytest.approx(expected, abs=0.02)
        assert (guessed == labels[others]).mean() == pytest.approx(
            0.1 if expected == 0.1 else 0.55**2 + 9 * 0.05**2, abs=0.02
        )


def test_guessing_pays_less_than_work(cache: Path) -> None:
    """A guess scores 1 - β on average, and the honest get more however many guess."""
    for behaviour in ("guessing uniformly", "guessing by prior"):
        found = attack(Attack(CASE, PENALTIES, behaviour, n_draws=2), cache)
        scores, gains = found["scores"], found["gains"]
        assert scores.shape == gains.shape == (2, N_WORKERS, len(PENALTIES), 2)
        assert np.isnan(scores[:, 0, :, 1]).all()
        assert not np.isnan(scores[:, 1:]).any()
        assert np.allclose(scores[:, 1:, :, 1], 1 - np.array(PENALTIES), atol=0.1)
        assert (scores[:, 1:-1, :, 0] > scores[:, 1:-1, :, 1]).all()
        assert (gains[:, 1:-1, 1, 0] > gains[:, 1:-1, 1, 1]).all()


def test_what_is_kept_is_not_computed_again(cache: Path) -> None:
    """Without the judgements the result still is there; with another β it is not."""
    settlement = Settlement(CASE, PENALTIES, n_draws=1)
    first = settle(settlement, cache)
    for path in cache.glob("judgements-*"):
        path.unlink()
    assert np.array_equal(settle(settlement, cache)["scores"], first["scores"])
    with pytest.raises(Exception, match="none"):
        settle(Settlement(CASE, (2.0,), n_draws=1), cache)


def test_positions_are_a_permutation_and_carry_the_payment_along() -> None:
    """Whoever swaps places with another swaps league, peers and payment."""
    random = np.random.default_rng(3)
    assert sorted(draw_positions(random, N_WORKERS)) == list(range(N_WORKERS))
    labels = random.integers(0, 3, (4, 600)).astype(np.uint16)
    straight = pay(labels, 3, 0.5, 1)
    crossed = pay(labels[[3, 0, 1, 2]], 3, 0.5, 1, [3, 0, 1, 2])
    assert crossed.scores_wad == [straight.scores_wad[worker] for worker in (3, 0, 1, 2)]
    assert crossed.balances_wei == [straight.balances_wei[worker] for worker in (3, 0, 1, 2)]
    assert sum(straight.balances_wei) == pytest.approx(4 * WAD, abs=4)
    assert not np.array_equal(pay(labels, 3, 0.5, 1, [0, 2, 1, 3]).gains, straight.gains)


def test_a_certainty_at_the_threshold_labels() -> None:
    """Only what is below abstains, with the protocol's code for that."""
    labels = np.array([[1, 2, 3]], np.uint16)
    found = abstain_below(labels, np.array([[0.4, 0.5, 0.6]]), 0.5, CLASSES)
    assert found.tolist() == [[15, 2, 3]]
