"""Targets: what the same votes teach, read in four ways."""

import numpy as np
import pytest

from services import scoring
from services.wire import abstain
from worker.targets import READINGS, make_targets

NONE = abstain(3)
VOTES = np.array(
    [  # a row per worker, a column per sample
        [0, 0, NONE, 2, 1],
        [0, 1, NONE, 0, 1],
        [0, NONE, NONE, 2, 0],
        [1, NONE, NONE, 2, 0],
    ],
    np.uint16,
)


def test_majority_is_the_contracts() -> None:
    """Ties go to the lowest class; what nobody labelled is not there."""
    found = make_targets("majority", VOTES, 3)
    expected = scoring.majority(scoring.vote(VOTES, 3), NONE)
    assert found.samples.tolist() == [0, 1, 3, 4]
    assert found.targets.argmax(1).tolist() == [0, 0, 2, 0] == expected[found.samples].tolist()
    assert np.array_equal(found.targets, np.eye(3)[found.targets.argmax(1)])


def test_weights_are_the_share_of_votes_that_agree() -> None:
    """A single vote agrees with itself."""
    assert make_targets("majority", VOTES, 3).weights.tolist() == [0.75, 0.5, 0.75, 0.5]
    alone = np.array([[1], [NONE]], np.uint16)
    assert make_targets("majority", alone, 3).weights.tolist() == [1.0]


def test_shares_are_soft() -> None:
    """Of the votes that were given, not of the workers."""
    found = make_targets("shares", VOTES, 3)
    expected = [[0.75, 0.25, 0], [0.5, 0.5, 0], [0.25, 0, 0.75], [0.5, 0.5, 0]]
    assert found.targets.tolist() == expected
    assert found.weights[0] == pytest.approx(0.75**2 + 0.25**2)


def test_corrected_prefers_the_class_that_is_seldom_named() -> None:
    """Votes are 7 for class 0, 4 for 1, 3 for 2: a tie goes to 1, and 3 : 1 does not."""
    found = make_targets("corrected", VOTES, 3)
    assert found.targets.argmax(1).tolist() == [0, 1, 2, 1]


def test_dawid_skene_tells_the_reliable_from_the_others() -> None:
    """Two who know against three who say one class for another: the majority is wrong there."""
    random = np.random.default_rng(0)
    truth = random.integers(3, size=2_000)
    votes = np.tile(truth, (5, 1))
    for row in votes[2:]:
        # They tell 1 from 2 by chance.
        unsure = (truth > 0) & (random.random(2_000) < 0.9)
        row[unsure] = random.integers(1, 3, unsure.sum())
    right = {
        name: (make_targets(name, votes.astype(np.uint16), 3).targets.argmax(1) == truth).mean()
        for name in ("majority", "dawid-skene")
    }
    assert right["majority"] < 0.95
    assert right["dawid-skene"] > 0.99


@pytest.mark.parametrize("name", READINGS)
def test_every_reading_gives_distributions(name: str) -> None:
    """float32 rows that sum to 1, and weights within 0..1; also of a round without votes."""
    found = make_targets(name, VOTES, 3)
    assert (found.targets.dtype, found.weights.dtype) == (np.float32, np.float32)
    assert found.targets.sum(1) == pytest.approx(np.ones(4), abs=1e-6)
    assert (found.weights >= 0).all()
    assert (found.weights <= 1 + 1e-6).all()
    for silent in (np.full((2, 4), NONE, np.uint16), np.zeros((0, 4), np.uint16)):
        nothing = make_targets(name, silent, 3)
        assert (len(nothing.samples), nothing.targets.shape) == (0, (0, 3))
