"""Figure 4 of the paper: what a round teaches, against |X^priv| and |X^pub|."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments import plots
from experiments.figure import Figure
from experiments.jobs import Job
from experiments.plan import Plan
from experiments.rounds import Rounds, play_rounds
from experiments.summary import Claim, Numbers, spread, table, with_sd

AXES = {"private": "$|X^{priv}|$, samples of all workers", "public": "$|X^{pub}|$, samples"}


def jobs(plan: Plan) -> list[Job]:
    """A training for each size of the private set, the longest first."""
    return [
        Job(0, play_rounds, _rounds(plan, alpha, seed, size))
        for size in sorted(plan.private_sizes, reverse=True)
        for alpha in plan.alphas
        for seed in plan.seeds
    ]


def _rounds(plan: Plan, alpha: float, seed: int, private_samples: int) -> Rounds:
    """At one size of the private set the public one is varied as well."""
    is_varied = private_samples == plan.private_samples
    sizes = {plan.private_sizes_at, *(plan.public_sizes if is_varied else ())}
    case = replace(
        plan.case(alpha, seed), private_samples=private_samples, samples=max(plan.public_sizes)
    )
    return Rounds(case, tuple(sorted(sizes)))


def numbers(plan: Plan, cache: Path) -> Numbers:
    """For each axis and α: accuracies of the workers before and after, and what they gained."""
    found: dict[tuple[float, int, int, int], Any] = {}
    for alpha in plan.alphas:
        for seed in plan.seeds:
            for private in plan.private_sizes:
                rounds = _rounds(plan, alpha, seed, private)
                for public, played in zip(rounds.sizes, play_rounds(rounds, cache), strict=True):
                    found[alpha, seed, private, public] = played
    points = {
        "private": [(size, plan.private_sizes_at) for size in plan.private_sizes],
        "public": [(plan.private_samples, size) for size in plan.public_sizes],
    }
    return {
        "alphas": plan.alphas,
        "private": plan.private_sizes,
        "public": plan.public_sizes,
        "private_samples": plan.private_samples,
        "private_sizes_at": plan.private_sizes_at,
        **{
            f"by_{axis}": [
                _point([[found[alpha, seed, *at] for at in points[axis]] for seed in plan.seeds])
                for alpha in plan.alphas
            ]
            for axis in points
        },
    }


def _point(played: list[list[Any]]) -> Numbers:
    """Spreads over seeds of what rounds [seeds][sizes] came to."""
    accuracies = np.array([[each["accuracies"] for each in row] for row in played])
    own = np.array([[each["own_accuracies"] for each in row] for row in played])
    gains = accuracies[:, :, 1] - accuracies[:, :, 0]  # [seeds, sizes, n]
    return {
        "before": spread(accuracies[:, :, 0].mean(-1)),
        "after": spread(accuracies[:, :, 1].mean(-1)),
        "gain": spread(gains.mean(-1)),
        "worst_gain": spread(gains.min(-1)),
        "worst_own_gain": spread((own[:, :, 1] - own[:, :, 0]).min(-1)),
        "right": spread([[each["right"] for each in row] for row in played]),
        "agreement": spread([[each["agreement"] for each in row] for row in played]),
    }


def claims(numbers: Numbers) -> list[Claim]:
    """Workers gain on the mean, whatever the sizes; and more private data count for more."""
    found = []
    for place, alpha in enumerate(numbers["alphas"]):
        gains = [gain for axis in AXES for gain in numbers[f"by_{axis}"][place]["gain"]["mean"]]
        worst = min(
            gain for axis in AXES for gain in numbers[f"by_{axis}"][place]["worst_gain"]["mean"]
        )
        found.append(
            Claim(
                f"the mean gain is above 0 at every size, α = {alpha:g}",
                f"{min(gains):+.3f} to {max(gains):+.3f}; the worst worker's {worst:+.3f}",
                min(gains) > 0,
            )
        )
    for place, alpha in enumerate(numbers["alphas"]):
        private, public = (_reach(numbers[f"by_{axis}"][place]["after"]["mean"]) for axis in AXES)
        found.append(
            Claim(
                f"more private data matter more than more public data, α = {alpha:g}",
                f"accuracy after the round spans {private:.3f} over |X^priv| = "
                f"{_span(numbers['private'])}, {public:.3f} over |X^pub| = "
                f"{_span(numbers['public'])}",
                private > public,
            )
        )
    return found


def _reach(values: list[float]) -> float:
    return max(values) - min(values)


def _span(sizes: list[int]) -> str:
    return f"{min(sizes):,} to {max(sizes):,}"


def draw(numbers: Numbers, folder: Path) -> list[str]:
    """Accuracy before (dashed) and after, against either size."""
    figure, axes = plots.canvas(1, 2, sharey=True)
    for panel, (axis, label) in zip(axes[0], AXES.items(), strict=True):
        for place, alpha in enumerate(numbers["alphas"]):
            point = numbers[f"by_{axis}"][place]
            plots.line(
                panel, numbers[axis], point["before"], place, f"α = {alpha:g}, before", dashed=True
            )
            plots.line(panel, numbers[axis], point["after"], place, f"α = {alpha:g}, after")
        panel.set_xscale("log")
        panel.set_xticks(numbers[axis], [f"{size:,}" for size in numbers[axis]])
        panel.minorticks_off()
        panel.set_xlabel(label)
    axes[0, 0].set_title(f"$|X^{{pub}}|$ = {numbers['private_sizes_at']:,}")
    axes[0, 1].set_title(f"$|X^{{priv}}|$ = {numbers['private_samples']:,}")
    axes[0, 0].set_ylabel("accuracy on the test samples, 0..1")
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(numbers["alphas"]))
    plots.save(figure, folder / "figure4.png")
    return ["figure4.png"]


def tell(numbers: Numbers) -> str:
    """Every point of the plot, and how the worst worker fared."""
    columns = ["α", "|X^priv|", "|X^pub|", "before", "after", "mean gain", "worst worker's gain"]
    columns += ["right majority labels"]
    rows = []
    for place, alpha in enumerate(numbers["alphas"]):
        for axis in AXES:
            point = numbers[f"by_{axis}"][place]
            for at, size in enumerate(numbers[axis]):
                sizes = (
                    (size, numbers["private_sizes_at"])
                    if axis == "private"
                    else (numbers["private_samples"], size)
                )
                keys = ("before", "after", "gain", "worst_gain", "right")
                cells = [with_sd(point[key]["mean"][at], point[key]["sd"][at]) for key in keys]
                rows.append([f"{alpha:g}", *(f"{each:,}" for each in sizes), *cells])
    own = min(
        gain
        for axis in AXES
        for point in numbers[f"by_{axis}"]
        for gain in point["worst_own_gain"]["mean"]
    )
    return (
        f"{table(columns, rows)}\nOn its own validation split the worst worker of all gained "
        f"{own:+.3f}: a worker keeps its old model where the new one is worse there.\n"
    )


FIGURE = Figure(
    "Figure 4: what a round teaches",
    "Every worker is much better after the round; the size of the private data matters more than "
    "that of the public set, which still counts where private data are skewed.",
    jobs,
    numbers,
    claims,
    draw,
    tell,
)
