"""Figures 7 and 8 of the paper: what the honest and the others get, the more the others are."""

import functools
from pathlib import Path

import numpy as np

from experiments import plots
from experiments.behaviours import BEHAVIOURS
from experiments.figure import Figure
from experiments.jobs import Job
from experiments.judgements import judgements
from experiments.plan import Plan
from experiments.settlements import PEERINGS, Attack, attack
from experiments.summary import Claim, Numbers, spread, table

DEFAULT_PENALTY = 1.0  # β, the product's default
HONEST, OTHERS = 0, 1
PANELS = (  # of a plot, one row each: what, under which peering
    ("scores", 0, "score per sample,\neveryone else (the paper)"),
    ("gains", 0, "gain, deposits,\none pool (the paper)"),
    ("gains", 1, "gain, deposits,\ntwo leagues (the default)"),
)


def _attack(plan: Plan, behaviour: str, alpha: float, seed: int) -> Attack:
    return Attack(plan.case(alpha, seed), plan.few_penalties, behaviour, plan.n_draws)


def jobs(behaviours: tuple[str, ...], plan: Plan) -> list[Job]:
    """The trainings that the other figures need as well, and all shares of misbehaving workers."""
    return [
        *(Job(0, judgements, case) for case in plan.cases()),
        *(
            Job(1, attack, _attack(plan, behaviour, alpha, seed))
            for behaviour in behaviours
            for alpha in plan.alphas
            for seed in plan.seeds
        ),
    ]


def numbers(behaviours: tuple[str, ...], plan: Plan, cache: Path) -> Numbers:
    """Scores and gains for each behaviour and α: [peerings, kinds, penalties, shares]."""
    n = len(judgements(plan.case(plan.alphas[0], plan.seeds[0]), cache).labels)
    found: Numbers = {
        "alphas": plan.alphas,
        "penalties": plan.few_penalties,
        "shares": [k / n for k in range(n)],
    }
    for behaviour in behaviours:
        found[behaviour] = []
        for alpha in plan.alphas:
            played = [attack(_attack(plan, behaviour, alpha, seed), cache) for seed in plan.seeds]
            found[behaviour].append(
                {
                    key: spread(np.stack([each[key] for each in played]).transpose(0, 1, 4, 3, 2))
                    for key in ("scores", "gains")
                }
            )
    return found


def _lead(numbers: Numbers, behaviour: str, alpha: int, key: str, peering: int) -> list[float]:
    """By how much the honest get more at β = 1, for each share from the first above 0."""
    place = numbers["penalties"].index(DEFAULT_PENALTY)
    kinds = numbers[behaviour][alpha][key]["mean"][peering]
    honest, others = kinds[HONEST][place], kinds[OTHERS][place]
    return [a - b for a, b in zip(honest[1:], others[1:], strict=True)]


def claims(behaviours: tuple[str, ...], most: float, numbers: Numbers) -> list[Claim]:
    """The honest get more, up to some share of the others; β is 1."""
    found = []
    for behaviour in behaviours:
        for place, alpha in enumerate(numbers["alphas"]):
            for peering in PEERINGS:
                leads = {
                    key: [
                        lead
                        for share, lead in zip(
                            numbers["shares"][1:],
                            _lead(numbers, behaviour, place, key, peering),
                            strict=True,
                        )
                        if share <= most + 1e-9
                    ]
                    for key in ("scores", "gains")
                }
                found.append(
                    Claim(
                        f"honest > {behaviour} up to a share of {most:g}, α = {alpha:g}, "
                        f"peering {peering}",
                        f"least lead {min(leads['scores']):+.3f} per sample, "
                        f"{min(leads['gains']):+.3f} deposits",
                        min(leads["scores"]) > 0 and min(leads["gains"]) > 0,
                    )
                )
    return found


def draw(name: str, behaviours: tuple[str, ...], numbers: Numbers, folder: Path) -> list[str]:
    """A plot for each behaviour: a column for each α, honest solid, others dashed."""
    names = []
    for behaviour in behaviours:
        figure, axes = plots.canvas(len(PANELS), len(numbers["alphas"]), sharex=True, sharey="row")
        for column, data in enumerate(numbers[behaviour]):
            for row, (key, peering, label) in enumerate(PANELS):
                panel = axes[row, column]
                for place, penalty in enumerate(numbers["penalties"]):
                    for kind, word in ((HONEST, "honest"), (OTHERS, behaviour)):
                        of = {p: data[key][p][peering][kind][place] for p in ("mean", "sd")}
                        text = f"β = {penalty:g}, {word}"
                        plots.line(panel, numbers["shares"], of, place, text, dashed=kind == OTHERS)
                panel.axhline(0, color="black", linewidth=0.6)
                axes[row, 0].set_ylabel(label)
            axes[0, column].set_title(f"α = {numbers['alphas'][column]:g}")
            axes[-1, column].set_xlabel(f"share of workers {behaviour}, 0..1")
        handles = axes[0, 0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=len(numbers["penalties"]))
        names.append(f"{name}-{behaviour.replace(' ', '-')}.png")
        plots.save(figure, folder / names[-1])
    return names


def tell(behaviours: tuple[str, ...], numbers: Numbers) -> str:
    """How much the honest get more, share by share."""
    rows = []
    for behaviour in behaviours:
        for place, alpha in enumerate(numbers["alphas"]):
            for peering in PEERINGS:
                for key, unit in (("scores", "score per sample"), ("gains", "deposits")):
                    leads = _lead(numbers, behaviour, place, key, peering)
                    cells = [f"{lead:+.3f}" if lead > 0 else f"**{lead:+.3f}**" for lead in leads]
                    rows.append([behaviour, f"{alpha:g}", peering, unit, *cells])
    heads = [f"{share:g}" for share in numbers["shares"][1:]]
    return (
        "What an honest worker gets more than one of the others at β = 1, by the share of the "
        "others (bold where it gets less):\n\n"
        + table(["others", "α", "peering", "in", *heads], rows)
    )


def _figure(name: str, title: str, paper: str, behaviours: tuple[str, ...], most: float) -> Figure:
    assert set(behaviours) <= set(BEHAVIOURS)  # noqa: S101  (a typing error here)
    return Figure(
        title,
        paper,
        functools.partial(jobs, behaviours),
        functools.partial(numbers, behaviours),
        functools.partial(claims, behaviours, most),
        functools.partial(draw, name, behaviours),
        functools.partial(tell, behaviours),
    )


FIGURE7 = _figure(
    "figure7",
    "Figure 7: colluding workers",
    "Honest workers get more than workers who report 0 for the classes 0 to 4 and 9 for the "
    "others, even if a large part of all collude.",
    ("colluding",),
    0.8,
)
FIGURE8 = _figure(
    "figure8",
    "Figure 8: heuristic workers",
    "Honest workers get more than workers who guess, even if a large part of all guess; a guess "
    "earns 1 - β on average.",
    ("guessing uniformly", "guessing by prior"),
    0.8,
)
