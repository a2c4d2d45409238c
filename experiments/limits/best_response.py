"""The best that one worker can do while all others are honest, found by search.

`hindsight`: it knows what the others say of these very samples, which bounds from above what it
could plan. `planned`: it knows only what somebody said of other samples.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from experiments.limits.deviations import (
    Floats,
    Leagues,
    OnePool,
    Policies,
    States,
    leagues,
    one_pool,
    states,
)
from experiments.limits.groups import PENALTY, gains_of, random_ring
from experiments.rewards import pay
from services import wire
from services.samples import IndexArray
from services.scoring import Labels

SURE_FROM = 0.85  # the certainty from which on docs/learning.md recommends to label

# How far a state's chances move towards one answer in a step.
STEPS = (0.02, 0.1, 0.3, 1.0)
MAX_STEPS = 60
LEAST_GAIN = 1e-4  # deposits; where no step gains more, the search ends


@dataclass(frozen=True)
class Opinions:
    """What workers think of some samples.

    Attributes:
        labels: top-1 classes, uint16 [n, m], without abstentions.
        certainties: of each label, 0..1, [n, m], if a policy may tell sure ones apart.
    """

    labels: Labels
    certainties: npt.NDArray[np.floating] | None = None

    def of(self, samples: IndexArray) -> "Opinions":
        """The same of some of the samples."""
        sureness = None if self.certainties is None else self.certainties[:, samples]
        return Opinions(self.labels[:, samples], sureness)

    def by_class(self) -> "Opinions":
        """Nothing is known of how sure anybody is."""
        return Opinions(self.labels)

    def states(self, worker: int, classes: int) -> States:
        """What a worker's policy can tell apart."""
        sureness = None if self.certainties is None else self.certainties[worker]
        return states(self.labels[worker], classes, sureness, SURE_FROM)


@dataclass(frozen=True)
class Deviation:
    """The best one of a worker.

    Attributes:
        gain: over honesty, in deposits, by the protocol's integers.
        predicted: the same by the sums that were searched in.
        policy: chances in each state, [S, C + 1].
    """

    gain: float
    predicted: float
    policy: Policies


def hindsight(
    honest: Opinions, classes: int, peering: int, random: np.random.Generator
) -> list[Deviation]:
    """Of each worker in turn.

    Args:
        honest: what everybody says.
        classes: C.
        peering: 0 one pool, 1 two leagues.
        random: draws the leagues and what policies say.
    """
    labels = honest.labels
    ring = random_ring(len(labels), random)
    scores = pay(labels, classes, PENALTY, peering, ring).scores(1).tolist()
    found = []
    for worker in range(len(labels)):
        seen = honest.states(worker, classes)
        pool: OnePool | Leagues
        if peering == 0:
            pool = one_pool(labels, worker, seen, classes, PENALTY)
            policy = search(pool, seen.honest)
        else:
            pool = leagues(labels, scores, ring, worker, seen, classes, PENALTY)
            policy = best_own(pool.own)
        predicted = pool.gains(np.stack([policy, seen.honest]))
        gain = _paid(policy, labels, worker, seen, classes, peering, ring, random)
        deviation = Deviation(gain, float(predicted[0] - predicted[1]), policy)
        # What is drawn by a policy may come out worse than expected; honesty is always there.
        found.append(deviation if gain > 0 else Deviation(0.0, 0.0, seen.honest))
    return found


def planned(
    policies: list[Policies],
    honest: Opinions,
    classes: int,
    peering: int,
    random: np.random.Generator,
) -> list[float]:
    """What each worker gains over honesty by a policy that it brought along, in deposits, [n].

    Args:
        policies: of each worker, by the same kind of states as `honest` has.
        honest: what everybody thinks of the round's samples.
        classes: C.
        peering: 0 one pool, 1 two leagues.
        random: draws the leagues and what policies say.
    """
    ring = random_ring(len(policies), random)
    return [
        _paid(
            policy,
            honest.labels,
            worker,
            honest.states(worker, classes),
            classes,
            peering,
            ring,
            random,
        )
        for worker, policy in enumerate(policies)
    ]


def plan(own: Opinions, worker: int, peers: Labels, classes: int, peering: int) -> Policies:
    """What would have been best for a worker if it had known what its peers said, [S, C + 1].

    With leagues it does not know in which it will be, and takes all others for its peers. In a
    state in which it never was it is honest.

    Args:
        own: what it thinks of m samples, in its row.
        worker: which row.
        peers: what the n - 1 others said of these, [n - 1, m].
        classes: C.
        peering: 0 one pool, 1 two leagues.
    """
    seen = own.states(worker, classes)
    pool = one_pool(np.vstack([own.labels[worker], peers]), 0, seen, classes, PENALTY)
    policy = search(pool, seen.honest) if peering == 0 else best_own(pool.own)
    is_new = np.bincount(seen.of_samples, minlength=len(policy)) == 0
    return np.where(is_new[:, None], seen.honest, policy)


def _paid(
    policy: Policies,
    labels: Labels,
    worker: int,
    seen: States,
    classes: int,
    peering: int,
    ring: list[int],
    random: np.random.Generator,
) -> float:
    """What a policy gains over honesty, in deposits, by the protocol's integers."""
    said = labels.copy()
    said[worker] = draw(policy, seen, classes, random)
    before, after = (gains_of(each, classes, peering, ring)[worker] for each in (labels, said))
    return float(after - before)


def best_own(own: Floats) -> Policies:
    """In each state what scores most oneself, of [S, C + 1]; nobody can do better with leagues."""
    answers: Policies = np.eye(own.shape[1])[own.argmax(1)]
    return answers


def search(pool: OnePool, honest: Policies) -> Policies:
    """The best of what is reached from several policies, [S, C + 1]."""
    climbed = [climb(pool, start) for start in _starts(pool, honest)]
    return climbed[int(pool.gains(np.stack(climbed)).argmax())]


def _starts(pool: OnePool, honest: Policies) -> list[Policies]:
    """Honesty, what scores most oneself, and the rarest class for some of the labels."""
    answers = honest.shape[1]
    given = pool.peer_counts.sum(0)
    rarest = np.eye(answers)[np.where(given > 0, given, np.inf).argmin()]
    return [honest, best_own(pool.own), 0.9 * honest + 0.1 * rarest]


def climb(pool: OnePool, policy: Policies) -> Policies:
    """Change one state's chances at a time, by whatever gains most, until nothing does."""
    best = float(pool.gains(policy[None])[0])
    for _ in range(MAX_STEPS):
        gains = pool.gains_of_steps(policy, STEPS)
        if gains.max() < best + LEAST_GAIN:
            break
        best = float(gains.max())
        step, state, answer = np.unravel_index(int(gains.argmax()), gains.shape)
        policy = policy.copy()
        policy[state] *= 1 - STEPS[step]
        policy[state, answer] += STEPS[step]
    return policy


def draw(policy: Policies, seen: States, classes: int, random: np.random.Generator) -> Labels:
    """What a worker says by a policy, [m]: in each state as nearly as often as the chances say."""
    said = np.empty(len(seen.of_samples), np.uint16)
    answers = np.append(np.arange(classes), wire.abstain(classes)).astype(np.uint16)
    for state, chances in enumerate(policy):
        samples = random.permutation(np.flatnonzero(seen.of_samples == state))
        ends = np.rint(np.cumsum(chances) / chances.sum() * len(samples)).astype(np.intp)
        said[samples] = np.repeat(answers, np.diff(ends, prepend=0))
    return said
