"""PTSFD vectorised: protocol section 4 in numpy, equal to ``mechanism`` to the last bit.

For whoever checks or simulates whole rounds. Sums run in int64, which holds them for any task the
contract accepts (A < 720720 · 2³²); the products with 1e18 do not fit and are Python integers.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.mechanism import ONE_VOTE, chunk_score

Labels = npt.NDArray[np.uint16]
Counts = npt.NDArray[np.int64]


def peer_label_counts(label_counts: Counts, positions: Sequence[int], peering: int) -> Counts:
    """g: the sum of the label counts of each worker's peers, [n, classes] (section 4).

    Args:
        label_counts: [n, classes], of everyone who revealed.
        positions: their ring positions, [n].
        peering: 0 everyone else, 1 the other league.
    """
    leagues = np.asarray(positions, dtype=np.intp) % 2
    by_league = np.stack([label_counts[leagues == league].sum(axis=0) for league in (0, 1)])
    everyone: Counts = by_league.sum(axis=0) - label_counts
    other_league: Counts = by_league[1 - leagues]
    return everyone if peering == 0 else other_league


def vote(labels: Labels, classes: int) -> Counts:
    """Votes per sample and class, [samples, classes]; codes ≥ classes are abstentions."""
    _, samples = np.nonzero(labels < classes)
    cells = samples * classes + labels[labels < classes]
    return np.bincount(cells, minlength=labels.shape[1] * classes).reshape(-1, classes)


def majority(votes: Counts, abstain: int) -> Labels:
    """Global labels [samples]: most votes, ties to the lowest class, none is ``abstain``."""
    return np.where(votes.any(axis=1), votes.argmax(axis=1), abstain).astype(np.uint16)


def score_chunk(
    labels: Labels,
    positions: Sequence[int],
    peer_counts: Counts,
    peering: int,
    penalty_wad: int,
) -> list[int]:
    """What one chunk adds to each member's score, in 1e18 units, [k] (Eq. 2, 3, 12, 13).

    Args:
        labels: of the members that revealed, [k, samples]; codes ≥ classes are abstentions.
        positions: their ring positions, [k].
        peer_counts: their g, [k, classes]; see ``peer_label_counts``.
        peering: 0 everyone else, 1 the other league.
        penalty_wad: β.
    """
    classes = peer_counts.shape[1]
    members, samples = np.nonzero(labels < classes)  # one entry per label given
    given = labels[members, samples].astype(np.int64)
    if peering == 0:
        votes = vote(labels, classes)
        same = votes[samples, given] - 1
        n_votes = votes.sum(axis=1)[samples] - 1
    else:
        leagues = np.asarray(positions, dtype=np.intp) % 2
        votes = np.stack([vote(labels[leagues == league], classes) for league in (0, 1)])
        other = 1 - leagues[members]
        same = votes[other, samples, given]
        n_votes = votes.sum(axis=2)[other, samples]

    weights = np.zeros(len(labels) + 1, dtype=np.int64)  # w(r); 0 where no peer voted
    weights[1:] = ONE_VOTE // np.arange(1, len(labels) + 1)
    matches = np.zeros(len(labels) * classes, dtype=np.int64)  # A
    np.add.at(matches, members * classes + given, same * weights[n_votes])
    n_scored = np.bincount(members[n_votes > 0], minlength=len(labels))  # N
    return [
        chunk_score(a, g, n, penalty_wad)
        for a, g, n in zip(
            matches.reshape(-1, classes).tolist(),
            peer_counts.tolist(),
            n_scored.tolist(),
            strict=True,
        )
    ]
