"""Every case measured on what trained workers say: the numbers of the record."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from experiments.judgements import N_WORKERS, Judgements
from experiments.limits import collusion, copying, identities, leaving_out, planning
from experiments.limits.best_response import Opinions, hindsight
from experiments.limits.groups import pays_from, spread, sweep
from experiments.limits.imbalance import example, imbalanced, self_predicting
from experiments.limits.plan import TARGETS, Plan
from experiments.limits.planning import KNOWN
from experiments.limits.two_rounds import Played

POOLS = {"one pool": 0, "leagues": 1}
SHARES = [size / N_WORKERS for size in range(1, N_WORKERS)]
COINED_SHARES = (0.0, 0.01)  # of the samples; the first means one sample
Numbers = dict[str, Any]


def measure(
    plan: Plan,
    said: Callable[[float, int], Judgements],
    played: Callable[[float, int, str], Played],
    progress: Callable[[str], None] = lambda _: None,
) -> Numbers:
    """All cases.

    Args:
        plan: the size.
        said: what the workers of an α and a seed say.
        played: what those of an α, a seed and targets think in two rounds.
        progress: is told what comes next.
    """
    alphas: Numbers = {}
    for alpha in plan.alphas:
        each = {seed: said(alpha, seed) for seed in plan.seeds}
        found: Numbers = {"accuracy": spread([of.accuracies.mean() for of in each.values()])}
        for name, case in CASES.items():
            progress(f"α = {alpha:g}: {name.replace('_', ' ')}")
            found[name] = case(plan, each)
        progress(f"α = {alpha:g}: rounds")
        classes = each[plan.seeds[0]].classes
        found["rounds"] = {
            targets: _rounds(
                plan, {seed: played(alpha, seed, targets) for seed in plan.seeds}, classes
            )
            for targets in TARGETS
        }
        alphas[f"{alpha:g}"] = found
    return {"plan": asdict(plan), "alphas": alphas, "example": example()}


def _shared_seed(plan: Plan, each: dict[int, Judgements]) -> Numbers:
    return {
        pool: _summary(
            [
                sweep(
                    of.labels,
                    of.classes,
                    collusion.by_shared_seed(of.classes, of.labels.shape[1]),
                    peering,
                    plan.draws,
                    _random(seed, 1),
                )
                for seed, of in each.items()
            ]
        )
        for pool, peering in POOLS.items()
    }


def _copying(plan: Plan, each: dict[int, Judgements]) -> Numbers:
    found: Numbers = {}
    for pool, peering in POOLS.items():
        sweeps = [
            copying.measure(of.labels, of.classes, peering, plan.draws, _random(seed, 2))
            for seed, of in each.items()
        ]
        found[pool] = {
            window: _summary([of[window] for of in sweeps]) for window in ("same", "fresh")
        }
    return found


def _summary(sweeps: list[dict[str, list[float]]]) -> Numbers:
    """Over seeds: what the group and the honest gain by share, and from where on the group wins."""
    group, honest = (spread([of[side] for of in sweeps]) for side in ("group", "honest"))
    return {
        "shares": SHARES,
        "group": group,
        "honest": honest,
        "pays_from": pays_from(SHARES, group["mean"], honest["mean"]),
    }


def _copies(plan: Plan, each: dict[int, Judgements]) -> Numbers:
    found: Numbers = {}
    for pool, peering in POOLS.items():
        by_seed = [
            [
                identities.copies(
                    of.labels, of.classes, number, peering, plan.draws, _random(seed, 3)
                )
                for number in identities.COPIES
            ]
            for seed, of in each.items()
        ]
        found[pool] = {
            "copies": list(identities.COPIES),
            "group": spread([[ours for ours, _ in row] for row in by_seed]),
            "honest": spread([[theirs for _, theirs in row] for row in by_seed]),
        }
    return found


def _coined(plan: Plan, each: dict[int, Judgements]) -> Numbers:
    return {
        pool: [
            {
                "classes": classes,
                "share": share,
                "gain": spread(
                    [
                        collusion.coin(
                            of.labels,
                            of.classes,
                            classes,
                            share,
                            peering,
                            plan.draws,
                            _random(seed, 4),
                        )
                        for seed, of in each.items()
                    ]
                ),
            }
            for classes in collusion.COINED
            for share in COINED_SHARES
        ]
        for pool, peering in POOLS.items()
    }


def _few(plan: Plan, each: dict[int, Judgements]) -> Numbers:
    found: Numbers = {}
    for pool, peering in POOLS.items():
        workers = [n for n in identities.FEW if peering == 0 or n >= 4]
        gains = [
            [
                identities.lazy_among(
                    of.labels, of.classes, n, peering, plan.draws, _random(seed, 5)
                )
                for n in workers
            ]
            for seed, of in each.items()
        ]
        found[pool] = {"workers": workers, "lazy": spread(gains)}
    pairs = [identities.two_workers(of.labels, of.classes, of.accuracies) for of in each.values()]
    return found | {"pairs": {name: spread([of[name] for of in pairs]) for name in pairs[0]}}


def _leaving_out(plan: Plan, each: dict[int, Judgements]) -> Numbers:
    return {
        pool: _summary(
            [
                leaving_out.measure(
                    of.labels, of.certainties, of.classes, peering, plan.draws, _random(seed, 9)
                )
                for seed, of in each.items()
            ]
        )
        for pool, peering in POOLS.items()
    }


def _imbalance(plan: Plan, each: dict[int, Judgements]) -> list[Numbers]:
    """Per share of the frequent class: Eq. 10, and everybody's best deviations."""
    found = []
    classes = each[plan.seeds[0]].classes
    for share in plan.frequent_shares:
        said = {
            seed: Opinions(of.labels, of.certainties).of(imbalanced(of.truth, classes, share, seed))
            for seed, of in each.items()
        }
        conditions = [self_predicting(of.labels, classes) for of in said.values()]
        best: Numbers = {}
        for pool, peering in POOLS.items():
            best[pool] = {
                name: _mean_and_most(
                    [
                        deviation.gain
                        for seed, of in said.items()
                        for deviation in hindsight(known(of), classes, peering, _random(seed, 7))
                    ]
                )
                for name, known in KNOWN.items()
            }
        found.append(
            {
                "share": share,
                "samples": [of.labels.shape[1] for of in said.values()],
                "condition": {
                    name: spread([of[name] for of in conditions]) for name in conditions[0]
                },
                "best": best,
            }
        )
    return found


def _rounds(plan: Plan, each: dict[int, Played], classes: int) -> list[Numbers]:
    """Per share of the frequent class: what lies gain that are planned by what can be known."""
    found = []
    for i, share in enumerate(plan.frequent_shares):
        rounds = {seed: of.rounds[i] for seed, of in each.items()}
        best: Numbers = {}
        for pool, peering in POOLS.items():
            by_seed = [
                planning.gains(each[seed], of, classes, peering, _random(seed, 8))
                for seed, of in rounds.items()
            ]
            best[pool] = {
                way: {
                    name: _mean_and_most([gain for by in by_seed for gain in by[way][name]])
                    for name in by_name
                }
                for way, by_name in by_seed[0].items()
            }
        found.append(
            {
                "share": share,
                "samples": [of.second.labels.shape[1] for of in rounds.values()],
                "accuracies": spread([of.accuracies.mean(1) for of in rounds.values()]),
                "best": best,
            }
        )
    return found


def _mean_and_most(gains: list[float]) -> Numbers:
    return {"mean": float(np.mean(gains)), "most": max(gains)}


def _random(seed: int, case: int) -> np.random.Generator:
    return np.random.default_rng([seed, case])


CASES: dict[str, Callable[[Plan, dict[int, Judgements]], Any]] = {
    "shared_seed": _shared_seed,
    "copies": _copies,
    "coined": _coined,
    "copying": _copying,
    "few": _few,
    "leaving_out": _leaving_out,
    "imbalance": _imbalance,
}
