"""Accuracy per worker and round: what a demo of several rounds shows and records."""

from typing import Any

import pytest
from rich.console import Console

from demo.accuracies import SHOWN_ROUNDS, accuracy_table, collect_accuracies

NAMES = {"0xa": "worker-0", "0xb": "worker-1"}


def answer(number: int, accuracies: dict[str, tuple[float | None, float | None]]) -> dict[str, Any]:
    """What `GET /rounds/{number}` has about the accuracy before and after it."""
    return {
        "round": number,
        "agreement": 0.9,
        "global_labels_accuracy": 0.8,
        "workers": [
            {"address": address, "top1_accuracy_before": before, "top1_accuracy_after": after}
            for address, (before, after) in accuracies.items()
        ],
    }


TWO_ROUNDS = [
    answer(1, {"0xa": (0.5, 0.6), "0xb": (0.7, 0.6)}),
    answer(2, {"0xa": (0.6, 0.75), "0xb": (0.6, 0.65)}),
]


def lines(collected: dict[str, Any], width: int = 120) -> list[list[str]]:
    """The cells of every line of the table, as a terminal of so many columns shows it."""
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(accuracy_table(collected))
    return [
        [cell.strip() for cell in line.strip()[1:-1].replace("┃", "│").split("│")]
        for line in captured.get().splitlines()
    ]


def test_the_record_follows_every_worker() -> None:
    """Once trained, after each round, their mean, and the least gain."""
    collected = collect_accuracies(TWO_ROUNDS, NAMES)
    assert collected["workers"] == {
        "worker-0": {"trained": 0.5, "after": [0.6, 0.75]},
        "worker-1": {"trained": 0.7, "after": [0.6, 0.65]},
    }
    assert collected["mean"]["trained"] == pytest.approx(0.6)
    assert collected["mean"]["after"] == pytest.approx([0.6, 0.7])
    assert collected["worst_gain"] == pytest.approx(-0.05)
    assert [each["round"] for each in collected["rounds"]] == [1, 2]


def test_five_rounds_fit_an_ordinary_terminal() -> None:
    """Eighty columns show every name and figure whole."""
    rounds = [answer(n, {"0xa": (0.5, 0.75), "0xb": (0.5, 0.75)}) for n in range(1, 6)]
    shown = lines(collect_accuracies(rounds, NAMES), 80)
    assert ["worker-1", "50.00%", *["75.00%"] * 5, "+25.00"] in shown
    assert ["global labels", "", *["80.00%"] * 5, ""] in shown


def test_the_table_has_a_row_per_worker_and_a_column_per_round() -> None:
    """And the mean, the agreement and how many global labels are true below."""
    shown = lines(collect_accuracies(TWO_ROUNDS, NAMES))
    assert ["worker", "trained", "round 1", "round 2", "gain"] in shown
    assert ["worker-0", "50.00%", "60.00%", "75.00%", "+25.00"] in shown
    assert ["worker-1", "70.00%", "60.00%", "65.00%", "-5.00"] in shown
    assert ["mean", "60.00%", "60.00%", "70.00%", "+10.00"] in shown
    assert ["agreement", "", "90.00%", "90.00%", ""] in shown
    assert ["global labels", "", "80.00%", "80.00%", ""] in shown


def test_what_is_not_known_is_a_dash() -> None:
    """A worker that was slashed, left or reported nothing has a row all the same."""
    answers = [answer(1, {"0xa": (0.5, 0.6), "0xb": (None, None)}), answer(2, {"0xa": (0.6, None)})]
    collected = collect_accuracies(answers, NAMES)
    assert collected["mean"]["after"] == [0.6, None]
    shown = lines(collected)
    assert ["worker-0", "50.00%", "60.00%", "-", "+10.00"] in shown
    assert ["worker-1", "-", "-", "-", "-"] in shown


def test_of_many_rounds_the_last_are_shown() -> None:
    """The record has all of them."""
    answers = [answer(n, {"0xa": (0.5, 0.6), "0xb": (0.5, 0.6)}) for n in range(1, 21)]
    collected = collect_accuracies(answers, NAMES)
    assert len(collected["rounds"]) == 20
    heading = next(line for line in lines(collected) if line[0] == "worker")
    assert heading[2:-1] == [f"round {n}" for n in range(21 - SHOWN_ROUNDS, 21)]
