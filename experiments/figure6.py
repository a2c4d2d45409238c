"""Figure 6 of the paper: labels only where a worker is certain enough, against β."""

from pathlib import Path

import numpy as np

from experiments import plots
from experiments.figure import Figure
from experiments.jobs import Job
from experiments.judgements import judgements
from experiments.plan import Plan
from experiments.settlements import Settlement, settle
from experiments.summary import Claim, Numbers, spread, table, with_sd

PEAK = (0.8, 0.95)  # where the majority is to be best at the skewest α
MEASURES = {
    "right_of_covered": "right, of samples with a label",
    "right": "right, of all samples",
    "labelled": "samples that a worker labels",
}


def _settlement(plan: Plan, alpha: float, seed: int, threshold: float) -> Settlement:
    return Settlement(plan.case(alpha, seed), plan.penalties, threshold, plan.n_draws)


def jobs(plan: Plan) -> list[Job]:
    """The trainings that the other figures need as well, and a settlement for each threshold."""
    return [
        *(Job(0, judgements, case) for case in plan.cases()),
        *(
            Job(1, settle, _settlement(plan, alpha, seed, threshold))
            for alpha in plan.alphas
            for seed in plan.seeds
            for threshold in plan.thresholds
        ),
    ]


def numbers(plan: Plan, cache: Path) -> Numbers:
    """For each α and threshold: the majority's accuracy, and the mean score for each β."""
    by_alpha = []
    for alpha in plan.alphas:
        found = [
            [
                settle(_settlement(plan, alpha, seed, threshold), cache)
                for threshold in plan.thresholds
            ]
            for seed in plan.seeds
        ]
        by = {
            key: np.array([[each[key] for each in row] for row in found])
            for key in ("scores", "labelled", "right", "covered")
        }
        scores = by["scores"].mean(-1)  # [seeds, thresholds, peerings, penalties]
        no_label = np.where(by["covered"] > 0, by["covered"], np.nan)
        by_alpha.append(
            {
                "labelled": spread(by["labelled"]),
                "right": spread(by["right"]),
                "right_of_covered": spread(by["right"] / no_label),
                # [peerings, penalties, thresholds]
                "scores": spread(np.moveaxis(scores, 1, -1)),
            }
        )
    return {
        "alphas": plan.alphas,
        "thresholds": plan.thresholds,
        "penalties": plan.penalties,
        "by_alpha": by_alpha,
    }


def _peak(numbers: Numbers, means: list[float | None]) -> tuple[float, float]:
    """The threshold at which something is largest, and how large."""
    values = [-np.inf if mean is None else mean for mean in means]
    place = int(np.argmax(values))
    return numbers["thresholds"][place], values[place]


def claims(numbers: Numbers) -> list[Claim]:
    """At the skewest α the majority is best where workers abstain below 0.8 to 0.95."""
    place = int(np.argmin(numbers["alphas"]))
    found = []
    for key in ("right", "right_of_covered"):
        data = numbers["by_alpha"][place][key]["mean"]
        threshold, value = _peak(numbers, data)
        found.append(
            Claim(
                f"the majority ({MEASURES[key]}) is best at a threshold of {PEAK[0]} to {PEAK[1]}, "
                f"α = {numbers['alphas'][place]:g}",
                f"at {threshold:g}: {value:.3f}, against {data[0]:.3f} without a threshold",
                PEAK[0] <= threshold <= PEAK[1],
            )
        )
    best = [_peak(numbers, means)[0] for means in numbers["by_alpha"][place]["scores"]["mean"][0]]
    found.append(
        Claim(
            "the larger β, the higher the threshold that pays most, "
            f"α = {numbers['alphas'][place]:g}",
            ", ".join(
                f"{threshold:g} at β = {penalty:g}"
                for penalty, threshold in zip(numbers["penalties"], best, strict=True)
            ),
            best == sorted(best) and best[0] < best[-1],
        )
    )
    return found


def draw(numbers: Numbers, folder: Path) -> list[str]:
    """Above the score for each β under peering 0, below the majority's accuracy; a column an α."""
    figure, axes = plots.canvas(2, len(numbers["alphas"]), sharex=True, sharey="row")
    x = numbers["thresholds"]
    for column, (alpha, data) in enumerate(
        zip(numbers["alphas"], numbers["by_alpha"], strict=True)
    ):
        top, bottom = axes[:, column]
        for place, penalty in enumerate(numbers["penalties"]):
            of_penalty = {part: data["scores"][part][0][place] for part in ("mean", "sd")}
            plots.line(top, x, of_penalty, place, f"β = {penalty:g}")
        top.axhline(0, color="black", linewidth=0.6)
        top.set_title(f"α = {alpha:g}")
        for place, (key, label) in enumerate(MEASURES.items()):
            plots.line(bottom, x, data[key], place, label)
        bottom.axvspan(*PEAK, color="#eeeeee")
        bottom.set_xlabel("threshold of certainty, 0..1")
    axes[0, 0].set_ylabel("mean score per sample of the round")
    axes[1, 0].set_ylabel("share, 0..1")
    axes[0, 0].legend()
    axes[1, 0].legend()
    plots.save(figure, folder / "figure6.png")
    return ["figure6.png"]


def tell(numbers: Numbers) -> str:
    """Where the majority is best, and which threshold pays."""
    rows = []
    for alpha, data in zip(numbers["alphas"], numbers["by_alpha"], strict=True):
        cells = []
        for key in ("right", "right_of_covered"):
            threshold, _ = _peak(numbers, data[key]["mean"])
            place = numbers["thresholds"].index(threshold)
            cells += [
                with_sd(data[key]["mean"][0], data[key]["sd"][0]),
                f"{with_sd(data[key]['mean'][place], data[key]['sd'][place])} at {threshold:g}",
            ]
        rows.append([f"{alpha:g}", *cells])
    columns = [
        "α",
        "right of all samples, no threshold",
        "at best",
        "right of samples with a label",
    ]
    majority = table([*columns, "at best"], rows)
    pays = [
        [
            f"{alpha:g}",
            *(f"{_peak(numbers, means)[0]:g}" for means in data["scores"]["mean"][0]),
        ]
        for alpha, data in zip(numbers["alphas"], numbers["by_alpha"], strict=True)
    ]
    heads = [f"β = {penalty:g}" for penalty in numbers["penalties"]]
    return (
        "The majority's labels:\n\n"
        + majority
        + "\nThe threshold with the largest mean score (peering 0), if all workers take it:\n\n"
        + table(["α", *heads], pays)
    )


FIGURE = Figure(
    "Figure 6: labels of the certain",
    "With a larger β it pays to label only what one is certain of, which keeps workers of low "
    "quality from polluting the round.",
    jobs,
    numbers,
    claims,
    draw,
    tell,
)
