"""What the demo shows: data in, text out."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from demo.display import Progress, last_step, live_view, round_lines, round_table

ADDRESS = "0x000000000000000000000000000000000000dEaD"


def text(renderable: Any, width: int = 120) -> str:
    """What a terminal of so many columns shows."""
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def log(folder: Path, *events: dict[str, Any] | str) -> Path:
    """A worker's log."""
    path = folder / "worker-0.log"
    lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
    path.write_text("\n".join(lines) + "\n")
    return path


def answer(**part: Any) -> dict[str, Any]:
    """What `GET /rounds/1` has about a round with one worker, some of it changed."""
    worker = {
        "address": ADDRESS,
        "slashed": None,
        "score": "12345" + "0" * 16,
        "reward_wei": "5" + "0" * 17,
        "balance_wei": "1" + "0" * 18,
        "top1_accuracy_before": 0.5,
        "top1_accuracy_after": 0.625,
        "private_samples": 400,
        "model": "lenet",
    }
    return {
        "round": 1,
        "phase": "settled",
        "agreement": 0.875,
        "gas_used": {"reveal": 1_000_000, "commit": 234_567},
        "workers": [worker | part],
    }


def row(table: str, name: str) -> list[str]:
    """The cells of the row that starts with a name."""
    line = next(line for line in table.splitlines() if name in line)
    return [cell.strip() for cell in line.strip("│┃ ").split("│")]


def test_a_row_has_a_workers_figures() -> None:
    """Accuracies in percent, the gain in points, score, reward and balance in whole units."""
    table = text(round_table(answer(), {ADDRESS: "worker-0"}))
    assert "Round 1 (settled)" in table
    cells = ["worker-0", "lenet", "400", "50.00%", "62.50%", "+12.50", "123.4", "0.5000", "1.0000"]
    assert row(table, "worker-0") in (cells, [*cells[:6], "123.5", *cells[7:]])


def test_a_row_fits_a_terminal_of_80_columns() -> None:
    """Of a usual federation, whatever the built-in model."""
    part = answer(model="resnet18", score="123456" + "0" * 17)
    table = text(round_table(part, {ADDRESS: "worker-0"}), 80)
    assert row(table, "worker-0")[:3] == ["worker-0", "resnet18", "400"]
    assert "…" not in table


def test_what_is_not_known_is_a_dash() -> None:
    """A worker that reported nothing and was not scored has a row all the same."""
    unknown = dict.fromkeys(
        (
            *("score", "reward_wei", "model", "private_samples"),
            *("top1_accuracy_before", "top1_accuracy_after"),
        )
    )
    table = text(round_table(answer(**unknown), {}))
    assert row(table, ADDRESS) == [ADDRESS, "-", "-", "-", "-", "-", "-", "-", "1.0000"]


def test_a_slashed_worker_has_the_reason_for_a_score() -> None:
    """Nobody has to guess why a reward is zero."""
    table = text(round_table(answer(slashed="withheld", score="0"), {ADDRESS: "worker-0"}))
    assert row(table, "worker-0")[6] == "withheld"


def test_a_loss_is_shown_with_its_sign() -> None:
    """A worker that got worse is not hidden, and a negative score is not either."""
    worse = answer(top1_accuracy_after=0.25, score="-" + "2" + "0" * 18)
    cells = row(text(round_table(worse, {ADDRESS: "worker-0"})), "worker-0")
    assert (cells[5], cells[6]) == ("-25.00", "-2.0")


def test_below_the_table_are_agreement_labels_gas_and_seconds() -> None:
    """Gas per function in the order of names, and its sum."""
    lines = round_lines(answer(), 0.99, {"commit": 12.4, "reveal": 3.0})
    assert [line.split(maxsplit=1)[0] for line in lines] == [
        "agreement",
        "global",
        "gas",
        "seconds",
    ]
    assert "87.50%" in lines[0]
    assert "99.00% correct" in lines[1]
    assert "commit 234,567, reveal 1,000,000; in all 1,234,567" in lines[2]
    assert "commit 12, reveal 3" in lines[3]


def test_a_round_without_votes_has_no_agreement() -> None:
    """A dash, not a failure."""
    assert round_lines(answer() | {"agreement": None}, 0.0, {})[0].split() == ["agreement", "-"]


def test_the_last_known_event_is_the_workers_step(tmp_path: Path) -> None:
    """Later lines that are no event, or none for a spectator, change nothing."""
    path = log(
        tmp_path,
        {"event": "training_started"},
        {"event": "model_trained", "top1_accuracy": 0.9},
        {"event": "duty_performed"},
        "a warning of some library",
        "{broken",
    )
    assert last_step(path) == "trained, accuracy 90.00%"


def test_a_learnt_round_shows_the_accuracy_after_it(tmp_path: Path) -> None:
    """Not the one before."""
    path = log(tmp_path, {"event": "round_learnt", "before": 0.1, "after": 0.2})
    assert last_step(path) == "learnt the round, accuracy 20.00%"


def test_a_line_that_is_json_but_no_event_is_passed_over(tmp_path: Path) -> None:
    """A library may print a number or a list on a line of its own."""
    path = log(tmp_path, {"event": "labels_committed"}, "5", "[1]", "null", '"text"')
    assert last_step(path) == "committed"


def test_no_log_is_no_step(tmp_path: Path) -> None:
    """Before the process has said anything."""
    assert last_step(tmp_path / "missing.log") == ""
    assert last_step(log(tmp_path)) == ""


def test_the_headline_says_where_the_federation_stands() -> None:
    """Before an answer, in Registration, and in a round."""
    progress = Progress()
    assert progress.headline() == "starting"
    progress.federation = {"round": 0, "phase": "registration", "workers": 3}
    assert progress.headline() == "round 0, registration: 3 workers registered"
    progress.federation = {"round": 1, "phase": "reveal", "workers": 4}
    progress.current = {"committed": 4, "revealed": 2, "aggregated_chunks": 0, "chunks": 5}
    assert progress.headline() == (
        "round 1, reveal: 4 committed, 2 revealed, 0/5 chunks aggregated"
    )


def test_the_live_view_has_a_line_per_worker() -> None:
    """Its name and its step, below the headline."""
    shown = text(live_view(Progress(steps={"worker-0": "training", "worker-1": "committed"})))
    lines = [line.split() for line in shown.splitlines()]
    assert lines[0] == ["starting"]
    assert ["worker-0", "training"] in lines
    assert ["worker-1", "committed"] in lines
