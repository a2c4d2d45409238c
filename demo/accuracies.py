"""Accuracy per worker and round: what a demo of several rounds shows at its end, and records."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

SHOWN_ROUNDS = 8  # fit a terminal; the record has all of them


def collect_accuracies(answers: Sequence[dict[str, Any]], names: dict[str, str]) -> dict[str, Any]:
    """What became of every worker over all rounds; accuracies are fractions 0..1, None unknown.

    Args:
        answers: of ``GET /rounds/{round}``, in order, each with ``global_labels_accuracy``.
        names: what to call each address.

    Returns:
        ``rounds``: per round its number, agreement and how many global labels are true;
        ``workers``: per name the accuracy once ``trained`` and ``after`` each round;
        ``mean``: the same over all workers; ``worst_gain``: the least that a worker gained.
    """
    workers: dict[str, dict[str, Any]] = {
        name: {"trained": None, "after": [None] * len(answers)} for name in names.values()
    }
    for index, answer in enumerate(answers):
        for worker in answer["workers"]:
            figures = workers[names[worker["address"]]]
            figures["after"][index] = worker["top1_accuracy_after"]
            if index == 0:
                figures["trained"] = worker["top1_accuracy_before"]
    gains = [gain for each in workers.values() if (gain := _gain(each)) is not None]
    after = zip(*(each["after"] for each in workers.values()), strict=True)
    return {
        "rounds": [
            {
                "round": answer["round"],
                "agreement": answer["agreement"],
                "global_labels_accuracy": answer["global_labels_accuracy"],
            }
            for answer in answers
        ],
        "workers": workers,
        "mean": {
            "trained": _mean([each["trained"] for each in workers.values()]),
            "after": [_mean(column) for column in after],
        },
        "worst_gain": min(gains, default=None),
    }


def accuracy_table(accuracies: dict[str, Any]) -> Table:
    """A row per worker and one for their mean, a column per round; of `collect_accuracies`."""
    rounds = accuracies["rounds"][-SHOWN_ROUNDS:]
    # Five rounds fit the 80 columns of a terminal, names and all.
    table = Table(title="Accuracy after each round", padding=0)
    for heading in ("worker", "trained", *(f"round {each['round']}" for each in rounds), "gain"):
        table.add_column(heading, justify="left" if heading == "worker" else "right")
    for name, figures in accuracies["workers"].items():
        table.add_row(name, *_cells(figures))
    table.add_section()
    table.add_row("mean", *_cells(accuracies["mean"]))
    for heading, key in (("agreement", "agreement"), ("global labels", "global_labels_accuracy")):
        table.add_row(heading, "", *(_percent(each[key]) for each in rounds), "")
    worst = accuracies["worst_gain"]
    table.caption = (
        "on the test part; gain: points since training, the least of them "
        f"{'-' if worst is None else f'{worst * 100:+.2f}'}; global labels: how many are true"
    )
    return table


def _cells(figures: dict[str, Any]) -> list[str]:
    gain = _gain(figures)
    return [
        _percent(figures["trained"]),
        *map(_percent, figures["after"][-SHOWN_ROUNDS:]),
        "-" if gain is None else f"{gain * 100:+.2f}",
    ]


def _gain(figures: dict[str, Any]) -> float | None:
    """From training to the last round of which the accuracy is known."""
    known = [each for each in figures["after"] if each is not None]
    if figures["trained"] is None or not known:
        return None
    return float(known[-1] - figures["trained"])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{fraction:.2%}"
