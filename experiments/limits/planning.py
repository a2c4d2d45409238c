"""What a lie gains that is planned by what its worker can know, in rounds as they are played."""

from collections.abc import Callable

import numpy as np

from experiments.limits.best_response import Opinions, hindsight, plan, planned
from experiments.limits.deviations import Policies
from experiments.limits.two_rounds import Played, TwoRounds
from services.scoring import Labels

# What a policy can tell apart.
KNOWN: dict[str, Callable[[Opinions], Opinions]] = {
    "class": Opinions.by_class,
    "class and certainty": lambda opinions: opinions,
}


def gains(
    played: Played, rounds: TwoRounds, classes: int, peering: int, random: np.random.Generator
) -> dict[str, dict[str, list[float]]]:
    """By way to plan and by what is known: what each worker gains over honesty, in deposits, [n].

    Args:
        played: has what each worker knows before the first round.
        rounds: of one public set of `played`.
        classes: C.
        peering: 0 one pool, 1 two leagues.
        random: draws leagues, and what policies say.
    """
    blind = _by_own_data(played, classes, peering)
    found = {
        "first round, by its own data": {
            "class": planned(blind, rounds.first.by_class(), classes, peering, random)
        }
    }
    said = rounds.first.labels
    for name, known in KNOWN.items():
        now = known(rounds.second)
        for way, opinions in (
            ("second round, by what it said", rounds.first),
            ("second round, by what it would say now", rounds.again),
        ):
            policies = _by_last_round(known(opinions), said, classes, peering)
            found.setdefault(way, {})[name] = planned(policies, now, classes, peering, random)
        found.setdefault("second round, with hindsight", {})[name] = [
            deviation.gain for deviation in hindsight(now, classes, peering, random)
        ]
    return found


def _by_own_data(played: Played, classes: int, peering: int) -> list[Policies]:
    """As if its validation split were the public set, and all others knew the classes."""
    n_others = len(played.own) - 1
    return [
        plan(Opinions(said[None]), 0, np.tile(truth, (n_others, 1)), classes, peering)
        for said, truth in zip(played.own, played.own_truth, strict=True)
    ]


def _by_last_round(own: Opinions, said: Labels, classes: int, peering: int) -> list[Policies]:
    """As if everybody said again what it said, [n, a], where the worker thinks the same."""
    return [
        plan(own, worker, np.delete(said, worker, axis=0), classes, peering)
        for worker in range(len(said))
    ]
