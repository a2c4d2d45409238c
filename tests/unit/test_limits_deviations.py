"""The best deviation: its sums against the protocol's integers, and what the search finds."""

import numpy as np
import pytest

from experiments.limits.best_response import (
    Opinions,
    best_own,
    climb,
    draw,
    hindsight,
    plan,
    planned,
    search,
)
from experiments.limits.deviations import Policies, leagues, one_pool, states
from experiments.limits.groups import gains_of
from experiments.rewards import pay
from experiments.simulate.crowd import Crowd, Said, confused_errors

C, N, M = 4, 6, 900
RING = [3, 0, 5, 1, 4, 2]


def _said(frequent: float = 0.4, accuracy: float = 0.7, m: int = M) -> Said:
    prior = np.array([frequent, *[(1 - frequent) / (C - 1)] * (C - 1)])
    errors = confused_errors(C, 0.5, np.random.default_rng(3))
    return Crowd(N, m, accuracy, prior, errors).draw(np.random.default_rng(4))


def _policies(n_states: int, number: int) -> Policies:
    """Deterministic ones, so that what is drawn is what is expected; some states abstain."""
    answers = np.random.default_rng(5).integers(C + 1, size=(number, n_states))
    return np.eye(C + 1)[answers]


@pytest.mark.parametrize("worker", [0, 3])
def test_sums_of_one_pool_are_what_the_protocol_pays(worker: int) -> None:
    """For remappings and abstentions, by class and by certainty."""
    said = _said()
    seen = states(said.labels[worker], C, said.certainties[worker], 0.8)
    pool = one_pool(said.labels, worker, seen, C, 1.0)
    policies = np.concatenate([seen.honest[None], _policies(2 * C, 8)])
    for policy, expected in zip(policies, pool.gains(policies), strict=True):
        labels = said.labels.copy()
        labels[worker] = draw(policy, seen, C, np.random.default_rng(0))
        assert gains_of(labels, C, 0, RING)[worker] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("worker", [1, 2])
def test_sums_of_leagues_are_what_the_protocol_pays(worker: int) -> None:
    """The others' scores stay as they are."""
    labels = _said().labels
    seen = states(labels[worker], C)
    scores = pay(labels, C, 1.0, 1, RING).scores(1).tolist()
    pool = leagues(labels, scores, RING, worker, seen, C, 1.0)
    policies = np.concatenate([seen.honest[None], _policies(C, 8)])
    for policy, expected in zip(policies, pool.gains(policies), strict=True):
        said = labels.copy()
        said[worker] = draw(policy, seen, C, np.random.default_rng(0))
        assert gains_of(said, C, 1, RING)[worker] == pytest.approx(expected, abs=1e-6)


def test_mixtures_are_paid_what_is_expected() -> None:
    """Chances come out as shares of the samples, up to luck."""
    labels = _said(m=20_000).labels
    seen = states(labels[0], C)
    policy = 0.7 * seen.honest + 0.3 * np.eye(C + 1)[1]
    expected = one_pool(labels, 0, seen, C, 1.0).gains(policy[None])[0]
    labels[0] = draw(policy, seen, C, np.random.default_rng(1))
    assert gains_of(labels, C, 0, RING)[0] == pytest.approx(expected, abs=0.01)


def test_gains_of_steps_are_gains_of_the_moved_policies() -> None:
    """The search looks at changes only; that changes nothing."""
    labels = _said().labels
    seen = states(labels[0], C)
    pool = one_pool(labels, 0, seen, C, 1.0)
    policy = 0.8 * seen.honest + 0.2 / (C + 1)
    found = pool.gains_of_steps(policy, (0.1, 1.0))
    assert found.shape == (2, C, C + 1)
    for t, step in enumerate((0.1, 1.0)):
        for state in range(C):
            for answer in range(C + 1):
                moved = policy.copy()
                moved[state] *= 1 - step
                moved[state, answer] += step
                expected = pool.gains(moved[None])[0]
                assert found[t, state, answer] == pytest.approx(expected, abs=1e-9)


def test_nothing_random_beats_what_is_found() -> None:
    """Neither any policy nor any small change of the one that was found."""
    labels = _said(frequent=0.85).labels
    seen = states(labels[0], C)
    pool = one_pool(labels, 0, seen, C, 1.0)
    policy = search(pool, seen.honest)
    best = pool.gains(policy[None])[0]
    random = np.random.default_rng(6)
    tried = random.dirichlet(np.full(C + 1, 0.3), (4_000, C))
    near = 0.97 * policy + 0.03 * random.dirichlet(np.full(C + 1, 0.3), (4_000, C))
    assert pool.gains(np.concatenate([tried, near])).max() < best + 1e-3
    assert pool.gains(climb(pool, seen.honest)[None])[0] <= best + 1e-9


def test_no_policy_beats_the_best_own_under_leagues() -> None:
    """Nor does any under leagues score more than what scores most in each state."""
    labels = _said().labels
    seen = states(labels[0], C)
    scores = pay(labels, C, 1.0, 1, RING).scores(1).tolist()
    pool = leagues(labels, scores, RING, 0, seen, C, 1.0)
    best = pool.gains(best_own(pool.own)[None])[0]
    tried = np.random.default_rng(7).dirichlet(np.full(C + 1, 0.3), (2_000, C))
    assert pool.gains(tried).max() <= best


def test_one_pool_pays_a_liar_where_leagues_do_not() -> None:
    """One class at 90 %, and workers who know the classes."""
    honest = Opinions(_said(frequent=0.9, accuracy=0.9, m=3_000).labels)
    one, two = (hindsight(honest, C, peering, np.random.default_rng(8)) for peering in (0, 1))
    assert min(deviation.gain for deviation in one) > 0.15
    assert max(deviation.gain for deviation in two) < 0.05
    for deviation in one:
        assert deviation.gain == pytest.approx(deviation.predicted, abs=0.03)


@pytest.mark.parametrize(("peering", "least", "most"), [(0, 0.1, 0.9), (1, -0.1, 0.01)])
def test_plans_hold_while_nobody_learns(peering: int, least: float, most: float) -> None:
    """What was best for half of the samples is good for the others: with one pool."""
    honest = Opinions(_said(frequent=0.9, accuracy=0.9, m=3_000).labels)
    last, now = honest.of(np.arange(1_500)), honest.of(np.arange(1_500, 3_000))
    policies = [
        plan(last, worker, np.delete(last.labels, worker, axis=0), C, peering)
        for worker in range(N)
    ]
    assert least < np.mean(planned(policies, now, C, peering, np.random.default_rng(9))) < most


def test_honest_policies_say_what_is_seen() -> None:
    """With and without levels of certainty."""
    said = _said()
    for seen in (
        states(said.labels[0], C),
        states(said.labels[0], C, said.certainties[0], 0.8),
    ):
        assert (draw(seen.honest, seen, C, np.random.default_rng(0)) == said.labels[0]).all()
