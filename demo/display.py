"""What a demo shows: the round while it runs, and the tables at its end. Data in, text out."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.task import WAD

# The worker's log events, in the words of somebody who watches.
STEPS = {
    "worker_started": "started",
    "worker_registered": "registered",
    "training_started": "training",
    "model_trained": "trained",
    "labels_journalled": "labels on disk",
    "labels_committed": "committed",
    "labels_revealed": "revealed",
    "distillation_started": "distilling",
    "round_learnt": "learnt the round",
    "round_reported": "reported",
    "balance_withdrawn": "withdrew",
}


@dataclass
class Progress:
    """Where a demo stands.

    Attributes:
        federation: what ``GET /federation`` answered last.
        current: what ``GET /rounds/{round}`` answered last, if there is a round.
        steps: per worker process, the last thing that it said.
        seconds: per round and phase, how long it lasted or has lasted, seen from outside.
    """

    federation: dict[str, Any] = field(default_factory=dict)
    current: dict[str, Any] | None = None
    steps: dict[str, str] = field(default_factory=dict)
    seconds: dict[tuple[int, str], float] = field(default_factory=dict)

    def headline(self) -> str:
        """One line: round, phase and how far it is."""
        if not self.federation:
            return "starting"
        line = f"round {self.federation['round']}, {self.federation['phase']}"
        current = self.current
        if current is None:
            return f"{line}: {self.federation['workers']} workers registered"
        return (
            f"{line}: {current['committed']} committed, {current['revealed']} revealed, "
            f"{current['aggregated_chunks']}/{current['chunks']} chunks aggregated"
        )


def live_view(progress: Progress) -> RenderableType:
    """The headline and one line per worker."""
    table = Table("worker", "step", box=None, padding=(0, 2))
    for name, step in progress.steps.items():
        table.add_row(name, step)
    return Group(Text(progress.headline(), style="bold"), table)


def last_step(log_file: Path) -> str:
    """The last known event of a worker's log, in words; empty before the first."""
    try:
        lines = log_file.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    for line in reversed(lines):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        step = STEPS.get(event.get("event", "")) if isinstance(event, dict) else None
        if step is None:
            continue
        accuracy = event.get("after", event.get("top1_accuracy"))
        return step if accuracy is None else f"{step}, accuracy {accuracy:.2%}"
    return ""


def round_table(answer: dict[str, Any], names: dict[str, str]) -> Table:
    """One row per worker of ``GET /rounds/{round}``.

    Args:
        answer: the answer.
        names: what to call each address.
    """
    title = f"Round {answer['round']} ({answer['phase']})"
    # Tight, or it would be wider than 80 columns.
    table = Table(title=title, collapse_padding=True, pad_edge=False)
    for heading in ("worker", "model"):
        table.add_column(heading)
    for heading in ("private", "before", "after", "gain", "score", "reward", "balance"):
        table.add_column(heading, justify="right")
    for worker in answer["workers"]:
        before, after = worker["top1_accuracy_before"], worker["top1_accuracy_after"]
        gain = None if before is None or after is None else after - before
        table.add_row(
            names.get(worker["address"], worker["address"]),
            worker["model"] or "-",
            "-" if worker["private_samples"] is None else str(worker["private_samples"]),
            _percent(before),
            _percent(after),
            "-" if gain is None else f"{gain * 100:+.2f}",
            worker["slashed"] or _fixed(worker["score"], 1),
            _fixed(worker["reward_wei"], 4),
            _fixed(worker["balance_wei"], 4),
        )
    table.caption = (
        "private: samples; before, after: accuracy on the test part; gain: points; "
        "reward, balance: ether"
    )
    return table


def round_lines(
    answer: dict[str, Any], global_accuracy: float | None, seconds: dict[str, float]
) -> list[str]:
    """What stands below the table."""
    agreement = answer["agreement"]
    gas = answer["gas_used"]
    return [
        f"agreement            {_percent(agreement)}",
        "global labels        "
        + ("truth unknown" if global_accuracy is None else f"{global_accuracy:.2%} correct"),
        "gas                  "
        + ", ".join(f"{name} {amount:,}" for name, amount in sorted(gas.items()))
        + f"; in all {sum(gas.values()):,}",
        "seconds              "
        + ", ".join(f"{phase} {length:.0f}" for phase, length in seconds.items()),
    ]


def _percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{fraction:.2%}"


def _fixed(amount: str | None, digits: int) -> str:
    # Shown, never computed with: amounts stay integers everywhere else.
    return "-" if amount is None else f"{int(amount) / WAD:.{digits}f}"
