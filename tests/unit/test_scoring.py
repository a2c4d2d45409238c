"""The vectorised scores are the readable reference's, to the last bit."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services import mechanism, scoring, wire

WAD = 10**18


def random_labels(
    rng: np.random.Generator, n: int, samples: int, classes: int, abstaining: float
) -> scoring.Labels:
    """Labels [n, samples] that agree more than chance would have it."""
    truth = rng.integers(0, classes, samples)
    noise = rng.integers(0, classes, (n, samples))
    labels = np.where(rng.random((n, samples)) < 0.6, truth, noise)
    labels[rng.random((n, samples)) < abstaining] = wire.abstain(classes)
    return labels.astype(np.uint16)


def readable(labels: scoring.Labels, classes: int) -> list[list[int | None]]:
    """The same labels as ``mechanism`` takes them."""
    return [[int(x) if x < classes else None for x in row] for row in labels]


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(1, 40),
    samples=st.integers(1, 60),
    classes=st.sampled_from([2, 3, 10, 47]),
    peering=st.sampled_from([0, 1]),
    abstaining=st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    penalty_wad=st.integers(0, 2**64 - 1),
)
def test_numpy_equals_the_reference(
    seed: int,
    n: int,
    samples: int,
    classes: int,
    peering: int,
    abstaining: float,
    penalty_wad: int,
) -> None:
    """Peer counts, scores, votes and global labels of any chunk, members missing at random."""
    rng = np.random.default_rng(seed)
    labels = random_labels(rng, n, samples, classes, abstaining)
    positions = sorted(rng.choice(2 * n, n, replace=False).tolist())
    counts = np.array([wire.count_labels(row, classes) for row in labels])
    counts += rng.integers(0, 1_000, counts.shape)  # labels of other chunks

    rows = dict(zip(positions, readable(labels, classes), strict=True))
    g = mechanism.peer_label_counts(
        dict(zip(positions, counts.tolist(), strict=True)), peering, classes
    )
    scores = mechanism.score_chunk(rows, g, peering, penalty_wad)
    votes = mechanism.vote(rows, classes, samples)

    fast_g = scoring.peer_label_counts(counts, positions, peering)
    assert fast_g.tolist() == list(g.values())
    assert scoring.score_chunk(labels, positions, fast_g, peering, penalty_wad) == list(
        scores.values()
    )
    fast_votes = scoring.vote(labels, classes)
    assert fast_votes.tolist() == votes
    globals_ = scoring.majority(fast_votes, wire.abstain(classes))
    assert readable(globals_[None], classes) == [[mechanism.majority(row) for row in votes]]


def test_products_beyond_64_bits_are_exact() -> None:
    """1e18 · A · T needs 130 bits here: all agree on one class of 40,000 samples."""
    labels = np.zeros((10, 40_000), dtype=np.uint16)
    counts = np.array([wire.count_labels(row, 10) for row in labels])
    counts[:, 1] = 2**32 - 1 - counts[:, 0]
    g = scoring.peer_label_counts(counts, range(10), 0)
    expected = WAD * 40_000 * (9 * (2**32 - 1)) // (9 * 40_000) - WAD * 40_000
    assert scoring.score_chunk(labels, range(10), g, 0, WAD) == [expected] * 10


def test_nobody_to_score_is_no_score() -> None:
    """A chunk whose members all withheld has no scores and no global labels."""
    labels = np.zeros((0, 256), dtype=np.uint16)
    g = scoring.peer_label_counts(np.zeros((0, 10), dtype=np.int64), [], 1)
    assert scoring.score_chunk(labels, [], g, 1, WAD) == []
    assert (scoring.majority(scoring.vote(labels, 10), 15) == 15).all()


@pytest.mark.parametrize("peering", [0, 1])
def test_a_paper_sized_round_scores_in_well_under_a_second(peering: int) -> None:
    """40,000 samples, 10 workers, 10 classes: the best of three takes under half a CPU second."""
    labels = random_labels(np.random.default_rng(0), 10, 40_000, 10, 0.1)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        counts = np.array([wire.count_labels(row, 10) for row in labels])
        g = scoring.peer_label_counts(counts, range(10), peering)
        scoring.score_chunk(labels, range(10), g, peering, WAD)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.5
