"""The plots of the study: one column for each α, gains in deposits throughout."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from experiments.plots import COLOURS, MARKERS, canvas, line, save

Numbers = dict[str, Any]
GAIN = "gain in deposits (λ = 1)"


def draw_all(numbers: Numbers, folder: Path) -> list[Path]:
    """Write every plot into a folder."""
    drawings = {
        "shared-seed": draw_shared_seed,
        "copies": draw_copies,
        "copying": draw_copying,
        "deviations": draw_deviations,
    }
    alphas = numbers["alphas"]
    paths = []
    for name, draw in drawings.items():
        figure, axes = canvas(1, len(alphas))
        for column, (alpha, found) in zip(axes[0], alphas.items(), strict=True):
            column.set_title(f"α = {alpha}")
            draw(column, found)
        axes[0, 0].set_ylabel(GAIN)
        axes[0, 0].legend()
        paths.append(folder / f"{name}.png")
        save(figure, paths[-1])
    return paths


def draw_shared_seed(axes: Axes, found: Numbers) -> None:
    """Colluders and honest workers by share of colluders, for both ways of sharing."""
    for pool, numbers in found["shared_seed"].items():
        _sides(axes, numbers["shares"], numbers, "colluding", pool)
    axes.set_xlabel("share of the workers who collude")


def draw_copies(axes: Axes, found: Numbers) -> None:
    """Each of k identities of one model, and the nine other workers."""
    for pool, numbers in found["copies"].items():
        _sides(axes, numbers["copies"], numbers, "copy", pool)
    axes.set_xlabel("identities of one model, beside 9 workers")


def draw_copying(axes: Axes, found: Numbers) -> None:
    """Copiers of the last answer with leagues, for both kinds of samples."""
    for window, numbers in found["copying"]["leagues"].items():
        _sides(axes, numbers["shares"], numbers, "copying", window)
    axes.set_xlabel("share of the workers who copy (leagues)")


def draw_deviations(axes: Axes, found: Numbers) -> None:
    """The most that a worker gains by share of the frequent class, and the mean (dashed)."""
    rows = found["imbalance"]
    shares = [row["share"] for row in rows]
    for number, pool in enumerate(rows[0]["best"]):
        for of_all, style in (("most", "-"), ("mean", "--")):
            axes.plot(
                shares,
                [row["best"][pool]["class"][of_all] for row in rows],
                style,
                marker=MARKERS[number],
                color=COLOURS[number],
                label=f"{pool}, {of_all}",
            )
    axes.set_xlabel("share of the frequent class")


def _sides(axes: Axes, x: list[float], numbers: Numbers, group: str, variant: str) -> None:
    """Two lines; the second variant is dashed."""
    is_dashed = variant in ("leagues", "fresh")
    for number, (side, name) in enumerate((("group", group), ("honest", "honest"))):
        line(axes, x, numbers[side], number, f"{name}, {variant}", dashed=is_dashed)
