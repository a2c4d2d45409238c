"""The one style of all plots."""

import io
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

# Okabe and Ito's colours, which the colour-blind can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
PANEL_INCHES = (3.3, 2.7)
N_COLOURS = 64

STYLE: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "errorbar.capsize": 2,
    "legend.frameon": False,
    "legend.fontsize": 7,
}


def canvas(n_rows: int, n_columns: int, **options: Any) -> tuple[Figure, npt.NDArray[np.object_]]:
    """An empty figure and its axes [n_rows, n_columns]; options as `Figure.subplots` takes them."""
    matplotlib.style.use(STYLE)
    width, height = PANEL_INCHES
    figure = Figure((width * n_columns, height * n_rows), dpi=100, layout="constrained")
    return figure, figure.subplots(n_rows, n_columns, squeeze=False, **options)


def line(
    axes: Axes,
    x: npt.ArrayLike,
    spread: dict[str, Any],
    number: int,
    label: str | None,
    *,
    dashed: bool = False,
) -> None:
    """Means with error bars, one standard deviation over seeds each way.

    Args:
        axes: where.
        x: [k].
        spread: mean and sd, [k] each, None where there is nothing.
        number: of the colour and marker.
        label: in the legend; None: not there.
        dashed: and with a hollow marker.
    """
    axes.errorbar(
        np.asarray(x, float),
        np.array(spread["mean"], float),
        np.array(spread["sd"], float),
        color=COLOURS[number],
        marker=MARKERS[number],
        markerfacecolor="white" if dashed else COLOURS[number],
        linestyle="--" if dashed else "-",
        elinewidth=0.8,
        label=label,
    )


def save(figure: Figure, path: Path) -> None:
    """Write a PNG of few colours, which is small, and the same whenever it is drawn."""
    buffer = io.BytesIO()
    figure.savefig(buffer)
    with Image.open(buffer) as image:
        few = image.convert("RGB").quantize(N_COLOURS, dither=Image.Dither.NONE)
        few.save(path, format="png", optimize=True)
