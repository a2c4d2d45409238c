"""What a round's public votes teach: targets for distillation, and how much each sample counts.

Pure numpy: votes go in, arrays come out. The contract's majority is what the paper distils; the
same votes hold more than that, and each worker may read them as it likes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services import scoring
from services.samples import FloatArray


@dataclass(frozen=True)
class Targets:
    """What to learn from k of a round's m samples, those that have votes.

    Attributes:
        samples: which of the round's samples, int64 [k], ascending.
        targets: float32 [k, C], rows sum to 1.
        weights: how much each counts, float32 [k], 0..1: the share of its votes that agree with
            its target.
    """

    samples: npt.NDArray[np.intp]
    targets: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]


def make_targets(name: str, votes: scoring.Labels, classes: int) -> Targets:
    """Read votes in one of the ways of `READINGS`.

    Args:
        name: ``majority``, ``shares``, ``corrected`` or ``dawid-skene``.
        votes: uint16 [n, m], one row for each worker; codes ≥ classes are no vote.
        classes: C.
    """
    counts = scoring.vote(votes, classes)  # [m, C]
    samples = np.flatnonzero(counts.any(1))
    if not len(samples):
        return Targets(samples, np.zeros((0, classes), np.float32), np.zeros(0, np.float32))
    found = READINGS[name](votes[:, samples], counts[samples])
    agreement = (found * _shares(counts[samples])).sum(1)
    return Targets(samples, found.astype(np.float32), agreement.astype(np.float32))


def _shares(counts: scoring.Counts) -> FloatArray:
    """Votes [k, C] as shares of each sample's votes."""
    shares: FloatArray = counts / counts.sum(1, keepdims=True)
    return shares


def _one_hot(labels: npt.NDArray[np.intp], classes: int) -> FloatArray:
    one_hot: FloatArray = np.eye(classes)[labels]
    return one_hot


def _majority(votes: scoring.Labels, counts: scoring.Counts) -> FloatArray:
    """The class with most votes, the lowest of equals: the contract's global label."""
    return _one_hot(counts.argmax(1), counts.shape[1])


def _vote_shares(votes: scoring.Labels, counts: scoring.Counts) -> FloatArray:
    """Soft: every class gets its share of the votes."""
    return _shares(counts)


def _corrected(votes: scoring.Labels, counts: scoring.Counts) -> FloatArray:
    """The class whose votes are most for how often it is voted for at all: argmax votes/G.

    Where private data are skewed, classes that many workers have seen outvote the others.
    """
    total = np.maximum(counts.sum(0), 1)  # G, [C]
    return _one_hot((counts / total).argmax(1), counts.shape[1])


DAWID_SKENE_STEPS = 50
DAWID_SKENE_TOLERANCE = 1e-4  # change of the mean posterior at which it has converged


def _dawid_skene(votes: scoring.Labels, counts: scoring.Counts) -> FloatArray:
    """Soft: the posterior of each class when every worker errs in its own way.

    Dawid and Skene 1979: expectation maximisation over a confusion matrix per worker, from the vote
    shares on.
    """
    classes = counts.shape[1]
    one_hot = [np.eye(classes + 1)[np.minimum(row, classes)][:, :classes] for row in votes]
    posterior = _shares(counts)  # [k, C]
    for _ in range(DAWID_SKENE_STEPS):
        prior = posterior.mean(0) + 1e-9  # [C]
        evidence = np.tile(np.log(prior), (len(posterior), 1))
        for given in one_hot:  # [k, C]
            # One label of every kind is added, so that what was never seen is not impossible.
            confusion = posterior.T @ given + 1 / classes  # [true, given]
            confusion /= confusion.sum(1, keepdims=True)
            evidence += given @ np.log(confusion).T
        evidence = np.exp(evidence - evidence.max(1, keepdims=True))
        before, posterior = posterior, evidence / evidence.sum(1, keepdims=True)
        if np.abs(posterior - before).mean() < DAWID_SKENE_TOLERANCE:
            break
    return posterior


READINGS: dict[str, Callable[[scoring.Labels, scoring.Counts], FloatArray]] = {
    "majority": _majority,
    "shares": _vote_shares,
    "corrected": _corrected,
    "dawid-skene": _dawid_skene,
}
