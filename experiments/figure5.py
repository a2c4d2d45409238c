"""Figure 5 of the paper: reward against local accuracy (early stopping) and local data size.

Ten workers with alike classes (the first α of the plan) stop after different numbers of epochs, or
have different amounts of data. They stop twice: with so few samples that every epoch still teaches,
and with the paper's 20,000, where the last epochs change next to nothing.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from experiments import plots
from experiments.figure import Figure
from experiments.jobs import Job
from experiments.judgements import Case, judgements
from experiments.plan import Plan
from experiments.settlements import PEERINGS, Settlement, settle
from experiments.summary import Claim, Numbers, spearman, spread, table, with_sd

EFFORTS = {
    "accuracy": "local accuracy",
    "saturation": "local accuracy where training saturates",
    "data": "local data size",
}
DRAWN = ("accuracy", "data")
LEAST = {"accuracy": 0.9, "saturation": 0.9, "data": 0.85}  # Spearman's correlation
DEFAULT_PENALTY = 1.0  # β, the product's default
ROOM = 1.1  # the split deals nobody exactly its share


def _case(plan: Plan, effort: str, seed: int) -> Case:
    case = plan.case(plan.alphas[0], seed)
    if effort == "saturation":
        return replace(case, epochs_of_each=plan.stopping)
    if effort == "accuracy":
        return replace(case, epochs_of_each=plan.stopping, private_samples=plan.stopping_samples)
    n_private = round(ROOM * max(plan.data_sizes) * len(plan.data_sizes))
    return replace(case, private_samples=n_private, samples_of_each=plan.data_sizes)


def _settlement(plan: Plan, effort: str, seed: int) -> Settlement:
    return Settlement(_case(plan, effort, seed), plan.penalties, n_draws=plan.n_rings)


def jobs(plan: Plan) -> list[Job]:
    """Three trainings for each seed, and what they are paid."""
    which = [(effort, seed) for effort in EFFORTS for seed in plan.seeds]
    return [
        *(Job(0, judgements, _case(plan, *each)) for each in which),
        *(Job(1, settle, _settlement(plan, *each)) for each in which),
    ]


def numbers(plan: Plan, cache: Path) -> Numbers:
    """What each worker did and got, and the correlations of both."""
    return {
        "alpha": plan.alphas[0],
        "penalties": plan.penalties,
        **{effort: _numbers(plan, effort, cache) for effort in EFFORTS},
    }


def _numbers(plan: Plan, effort: str, cache: Path) -> Numbers:
    said = [judgements(_case(plan, effort, seed), cache) for seed in plan.seeds]
    paid = [settle(_settlement(plan, effort, seed), cache) for seed in plan.seeds]
    # Both [seeds, peerings, penalties, n].
    paid_by = {key: np.array([each[key] for each in paid]) for key in ("scores", "gains")}
    measures = {
        "test_accuracy": [each.accuracies for each in said],
        "own_accuracy": [each.own_accuracies for each in said],
        "samples": [each.split.sum(1) for each in said],
    }
    against = ["samples"] if effort == "data" else ["test_accuracy", "own_accuracy"]
    return {
        **{name: spread(values) for name, values in measures.items()},
        **{key: spread(values) for key, values in paid_by.items()},
        "spearman": {
            name: {
                key: spread(
                    [
                        [
                            [spearman(measures[name][seed], row) for row in peering]
                            for peering in values[seed]
                        ]
                        for seed in range(len(said))
                    ]
                )
                for key, values in paid_by.items()
            }
            for name in against
        },
    }


def _measure(effort: str) -> str:
    return "samples" if effort == "data" else "test_accuracy"


def claims(numbers: Numbers) -> list[Claim]:
    """Who does more gets more."""
    place = numbers["penalties"].index(DEFAULT_PENALTY)
    found = []
    for effort, name in EFFORTS.items():
        for peering in PEERINGS:
            by = numbers[effort]["spearman"][_measure(effort)]
            least = min(by[key]["mean"][peering][place] for key in by)
            found.append(
                Claim(
                    f"Spearman's correlation of score and reward with {name} is at least "
                    f"{LEAST[effort]} (β = 1, peering {peering})",
                    f"{least:.3f}",
                    least >= LEAST[effort],
                )
            )
    return found


def draw(numbers: Numbers, folder: Path) -> list[str]:
    """Scores and gains under peering 0, the paper's, a colour for each β."""
    figure, axes = plots.canvas(2, 2, sharey="row")
    for column, effort in enumerate(DRAWN):
        data = numbers[effort]
        x = data[_measure(effort)]
        order = np.argsort(x["mean"])
        for row, key in enumerate(("scores", "gains")):
            panel = axes[row, column]
            for place, penalty in enumerate(numbers["penalties"]):
                mean, sd = (np.array(data[key][part][0][place])[order] for part in ("mean", "sd"))
                panel.errorbar(
                    np.array(x["mean"])[order],
                    mean,
                    sd,
                    np.array(x["sd"])[order],
                    color=plots.COLOURS[place],
                    marker=plots.MARKERS[place],
                    elinewidth=0.8,
                    label=f"β = {penalty:g}",
                )
            panel.axhline(0, color="black", linewidth=0.6)
    sizes = numbers["data"]["samples"]["mean"]
    for panel in axes[:, 1]:
        panel.set_xscale("log")
        panel.set_xticks(sizes[::3], [f"{size:,.0f}" for size in sizes[::3]])
        panel.minorticks_off()
    axes[1, 0].set_xlabel("local accuracy on the test samples, 0..1")
    axes[1, 1].set_xlabel("private samples of the worker")
    axes[0, 0].set_ylabel("score per sample")
    axes[1, 0].set_ylabel("gain, deposits")
    axes[0, 1].legend()
    plots.save(figure, folder / "figure5.png")
    return ["figure5.png"]


def tell(numbers: Numbers) -> str:
    """The correlations, and how far rewards are apart."""
    names = {
        "test_accuracy": "accuracy on the test samples",
        "own_accuracy": "accuracy on its own validation split",
        "samples": "private samples",
    }
    rows = []
    for effort, title in EFFORTS.items():
        for name, by in numbers[effort]["spearman"].items():
            for place, penalty in enumerate(numbers["penalties"]):
                cells = [
                    with_sd(by[key]["mean"][peering][place], by[key]["sd"][peering][place])
                    for peering in PEERINGS
                    for key in ("scores", "gains")
                ]
                rows.append([title, names[name], f"{penalty:g}", *cells])
    columns = ["workers differ in", "against", "β", "score, peering 0", "reward, peering 0"]
    correlations = table([*columns, "score, peering 1", "reward, peering 1"], rows)
    place = numbers["penalties"].index(DEFAULT_PENALTY)
    lines = []
    for effort, name in EFFORTS.items():
        measure = numbers[effort][_measure(effort)]["mean"]
        least, most = int(np.argmin(measure)), int(np.argmax(measure))
        gains = numbers[effort]["gains"]["mean"][0][place]
        digits = ".0f" if effort == "data" else ".3f"
        lines.append(
            f"At β = 1 the worker with the least {name} ({measure[least]:{digits}}) ends with "
            f"{gains[least]:+.3f} deposits, the one with the most ({measure[most]:{digits}}) with "
            f"{gains[most]:+.3f}."
        )
    return f"Spearman's correlation, over ten workers at α = {numbers['alpha']:g}:\n\n" + (
        correlations + "\n" + " ".join(lines) + "\n"
    )


FIGURE = Figure(
    "Figure 5: effort and reward",
    "A high local accuracy and a large private data set lead to a higher reward.",
    jobs,
    numbers,
    claims,
    draw,
    tell,
)
