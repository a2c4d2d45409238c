"""Figure 3 of the paper: how a Dirichlet split deals the classes out to ten workers."""

import itertools
from pathlib import Path

import numpy as np

from experiments import plots
from experiments.figure import Figure
from experiments.jobs import Job
from experiments.judgements import judgements
from experiments.plan import Plan
from experiments.summary import Claim, Numbers, spread, table, with_sd


def jobs(plan: Plan) -> list[Job]:
    """The trainings that the other figures need as well."""
    return [Job(0, judgements, case) for case in plan.cases()]


def numbers(plan: Plan, cache: Path) -> Numbers:
    """The first seed's split; and over all seeds how many classes a worker has.

    Counted as exp(entropy), which is k for k classes in equal shares.
    """
    splits = np.array(
        [
            [judgements(plan.case(alpha, seed), cache).split for alpha in plan.alphas]
            for seed in plan.seeds
        ]
    )  # [seeds, alphas, n, C]
    shares = splits / splits.sum(-1, keepdims=True)
    logarithms = np.log(shares, where=shares > 0, out=np.zeros_like(shares))
    samples = splits.sum(-1)
    return {
        "alphas": plan.alphas,
        "split": splits[0].tolist(),
        "classes": spread(np.exp(-(shares * logarithms).sum(-1)).mean(-1)),
        "largest_share": spread(shares.max(-1).mean(-1)),
        "fewest_samples": spread(samples.min(-1)),
        "most_samples": spread(samples.max(-1)),
    }


def claims(numbers: Numbers) -> list[Claim]:
    """The smaller α, the fewer classes."""
    by_alpha = sorted(zip(numbers["alphas"], numbers["classes"]["mean"], strict=True))
    found = [classes for _, classes in by_alpha]
    return [
        Claim(
            "the smaller α, the fewer classes a worker has",
            ", ".join(f"{classes:.1f} at α = {alpha:g}" for alpha, classes in by_alpha),
            all(a < b for a, b in itertools.pairwise(found)),
        )
    ]


def draw(numbers: Numbers, folder: Path) -> list[str]:
    """One panel for each α: an area for each worker and class."""
    figure, axes = plots.canvas(1, len(numbers["alphas"]), sharey=True)
    for panel, alpha, split in zip(axes[0], numbers["alphas"], numbers["split"], strict=True):
        counts = np.array(split)
        workers, classes = np.indices(counts.shape)
        panel.scatter(workers, classes, s=counts / counts.max() * 130, color=plots.COLOURS[0])
        panel.set_title(f"α = {alpha:g} (largest: {counts.max():,} samples)")
        panel.set_xlabel("worker")
        panel.set_xticks(range(len(counts)))
        panel.set_yticks(range(counts.shape[1]))
    axes[0, 0].set_ylabel("class (area: private samples)")
    plots.save(figure, folder / "figure3.png")
    return ["figure3.png"]


def tell(numbers: Numbers) -> str:
    """The split in numbers."""
    rows = [
        [
            f"{alpha:g}",
            *(
                with_sd(numbers[key]["mean"][place], numbers[key]["sd"][place], digits)
                for key, digits in (
                    ("classes", 2),
                    ("largest_share", 3),
                    ("fewest_samples", 0),
                    ("most_samples", 0),
                )
            ),
        ]
        for place, alpha in enumerate(numbers["alphas"])
    ]
    columns = [
        "α",
        "classes of a worker, exp(entropy)",
        "share of its largest class",
        "fewest samples of a worker",
        "most",
    ]
    return table(columns, rows)


FIGURE = Figure(
    "Figure 3: the data split",
    "At α = 100 all workers have the same classes, at α = 1 some more of one, at α = 0.1 a few "
    "classes each.",
    jobs,
    numbers,
    claims,
    draw,
    tell,
)
