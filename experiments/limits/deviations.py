"""What one worker's report is worth as a function of how it reports, without scoring anew.

A deviation is a policy: in each state (what the worker sees, and how sure it is) the chances to say
each class or nothing. Remapping classes, saying rare ones more often, abstaining and noise are all
policies. Everybody's expected score is rational in them, with sums over samples taken once. Only
floats here: what is found is recomputed by the protocol's integers (`best_response`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.scoring import Labels, vote

Floats = npt.NDArray[np.float64]
# Chances in each state, [..., S, C + 1]: of each class, and last of ABSTAIN.
Policies = Floats


@dataclass(frozen=True)
class States:
    """What a worker knows when it labels.

    Attributes:
        of_samples: the state of each sample, [m].
        honest: what an honest worker says in each, [S, C + 1].
    """

    of_samples: npt.NDArray[np.intp]
    honest: Policies


def states(
    labels: Labels,
    classes: int,
    certainties: npt.NDArray[np.floating] | None = None,
    sure_from: float = 0.0,
) -> States:
    """A worker's top-1 classes [m]; with certainties [m], 0..1, also whether it is sure of each."""
    seen = labels.astype(np.intp)
    sees = np.eye(classes + 1)[:classes]
    if certainties is None:
        return States(seen, sees)
    return States(seen + classes * (certainties >= sure_from), np.concatenate([sees, sees]))


@dataclass(frozen=True)
class OnePool:
    """Peering 0: everybody is scored against everybody else, so a report moves all scores.

    Sums over the samples of each state, for each answer; A = C + 1 of them.

    Attributes:
        own: what it adds to the worker's own score, [S, A].
        given: what it adds to the worker's label counts, [S, A, C].
        matches: what it leaves of Σ v/r of each other worker's labels, [S, A, n - 1, C].
        scored: how many labels of each other worker then have a peer, [S, A, n - 1].
        peer_counts: g of each other worker, without the worker's labels, [n - 1, C].
        penalty: β.
    """

    own: Floats
    given: Floats
    matches: Floats
    scored: Floats
    peer_counts: Floats
    penalty: float

    def gains(self, policies: Policies) -> Floats:
        """What the worker gains by each policy, in deposits, [K] of [K, S, A]."""
        return self._gains(
            np.einsum("ksa,sa->k", policies, self.own),
            np.einsum("ksa,sax->kx", policies, self.given),
            np.einsum("ksa,saix->kix", policies, self.matches),
            np.einsum("ksa,sai->ki", policies, self.scored),
        )

    def gains_of_steps(self, policy: Policies, steps: Sequence[float]) -> Floats:
        """What it gains if one state's chances move towards one answer, [T, S, A].

        Args:
            policy: from where, [S, A].
            steps: how far, 0..1, [T].
        """
        moved = [
            self._moved(each, policy, steps)
            for each in (self.own[..., None], self.given, self.matches, self.scored)
        ]
        shape = (len(steps), *policy.shape)
        own, given, matches, scored = (each.reshape(-1, *each.shape[3:]) for each in moved)
        return self._gains(own[:, 0], given, matches, scored).reshape(shape)

    @staticmethod
    def _moved(table: Floats, policy: Policies, steps: Sequence[float]) -> Floats:
        """Sums of a table [S, A, …] after each step, [T, S, A, …]."""
        by_state = np.einsum("sa,sa...->s...", policy, table)
        change = table - by_state[:, None]
        moved: Floats = by_state.sum(0) + np.multiply.outer(np.asarray(steps), change)
        return moved

    def _gains(self, own: Floats, given: Floats, matches: Floats, scored: Floats) -> Floats:
        """Of [K], [K, C], [K, n - 1, C] and [K, n - 1]."""
        counts = self.peer_counts + given[:, None]
        shares = np.einsum("kix,kix->ki", matches, 1 / np.maximum(counts, 1e-9))
        scores = shares * np.einsum("kix->ki", counts) - self.penalty * scored
        return _share(own, np.maximum(scores, 0).sum(1), 1 + len(self.peer_counts))


@dataclass(frozen=True)
class Leagues:
    """Peering 1: nobody with whom the worker shares is scored against it.

    Attributes:
        own: what a label adds to the worker's own score, [S, C + 1].
        mates: sum of the scores above 0 of the others in its league.
        size: of its league.
    """

    own: Floats
    mates: float
    size: int

    def gains(self, policies: Policies) -> Floats:
        """What the worker gains by each policy, in deposits, [K] of [K, S, C + 1]."""
        own = np.einsum("ksx,sx->k", policies, self.own)
        return _share(own, np.full(len(own), self.mates), self.size)


def one_pool(labels: Labels, worker: int, seen: States, classes: int, penalty: float) -> OnePool:
    """Sums for a worker while all others are honest, from labels [n, m] without abstentions."""
    others = np.delete(labels, worker, axis=0)
    votes = vote(others, classes)
    n_states, (n_others, m) = len(seen.honest), others.shape
    agreeing = np.empty((n_states, n_others, classes))  # votes of others for the label, summed
    samples = np.empty_like(agreeing)
    for i, row in enumerate(others):
        cells, size = seen.of_samples * classes + row, n_states * classes
        same = votes[np.arange(m), row] - 1
        agreeing[:, i] = np.bincount(cells, same, size).reshape(n_states, classes)
        samples[:, i] = np.bincount(cells, minlength=size).reshape(n_states, classes)
    matches = np.repeat(agreeing[:, None] / n_others, classes + 1, axis=1)  # [S, A, n - 1, C]
    for x in range(classes):
        matches[:, x, :, x] += samples[:, :, x] / n_others
    matches[:, classes] = agreeing / max(n_others - 1, 1)
    scored = np.repeat(samples.sum(2)[:, None], classes + 1, axis=1)
    if n_others == 1:
        scored[:, classes] = 0
    counts = np.bincount(seen.of_samples, minlength=n_states)
    per_worker = np.stack([np.bincount(row, minlength=classes) for row in others])
    return OnePool(
        own=own_scores(votes, seen, penalty),
        given=counts[:, None, None] * np.eye(classes + 1)[:, :classes],
        matches=matches,
        scored=scored,
        peer_counts=(votes.sum(0) - per_worker).astype(np.float64),
        penalty=penalty,
    )


def leagues(
    labels: Labels,
    scores: Sequence[float],
    ring: Sequence[int],
    worker: int,
    seen: States,
    classes: int,
    penalty: float,
) -> Leagues:
    """Sums for a worker while all others are honest.

    Args:
        labels: honest ones, [n, m].
        scores: of everybody if the worker is honest, too, [n].
        ring: position of each, [n].
        worker: which.
        seen: its states.
        classes: C.
        penalty: β.
    """
    parity = np.array(ring) % 2
    is_mate = (parity == parity[worker]) & (np.arange(len(labels)) != worker)
    votes = vote(labels[parity != parity[worker]], classes)
    return Leagues(
        own=own_scores(votes, seen, penalty),
        mates=float(np.maximum(np.array(scores)[is_mate], 0).sum()),
        size=1 + int(is_mate.sum()),
    )


def own_scores(votes: npt.NDArray[np.int64], seen: States, penalty: float) -> Floats:
    """What each label adds to a worker's score, given its peers' votes [m, C]; [S, C + 1]."""
    n_states, classes = len(seen.honest), votes.shape[1]
    n_votes = votes.sum(1)
    frequencies = votes.sum(0) / max(votes.sum(), 1)
    worth = votes / np.maximum(n_votes, 1)[:, None]
    worth = np.divide(worth, frequencies, out=np.zeros_like(worth), where=frequencies > 0)
    worth -= penalty * (n_votes > 0)[:, None]
    own = np.zeros((n_states, classes + 1))
    for x in range(classes):
        own[:, x] = np.bincount(seen.of_samples, worth[:, x], minlength=n_states)
    return own


def _share(own: Floats, others: Floats, n: int) -> Floats:
    """n·s/Σs - 1 where λ is 1 (protocol section 5); 0 where nobody has a score."""
    positive = np.maximum(own, 0)
    total = positive + others
    return np.where(total > 0, n * positive / np.where(total > 0, total, 1) - 1, 0.0)
