"""Three plots of a comparison; every function draws into the Axes that it is given."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from experiments.compare.tables import Curve, Numbers, alone, alphas, centralised, curves
from experiments.compare.traffic import Network, label_bytes, weight_bytes

SAMPLES = (12_000, 40_000)  # m, of which the labels are drawn beside the weights
KILO, MEGA = 1e3, 1e6


def save(numbers: Numbers, folder: Path) -> None:
    """Draw all of them: `bytes.png`, `rounds.png`, `networks.png`."""
    found = curves(numbers)
    for name, draw in (("bytes", draw_bytes), ("rounds", draw_rounds)):
        splits = alphas(found)
        figure, axes = plt.subplots(
            1, len(splits), figsize=(4.5 * len(splits), 4.2), sharey=True, squeeze=False
        )
        for axis, alpha in zip(axes[0], splits, strict=True):
            draw(axis, found, alpha)
        axes[0, 0].set_ylabel("accuracy on test samples")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
        _save(folder / f"{name}.png")
    _, axis = plt.subplots(figsize=(6, 4.2))
    draw_networks(axis, [Network(**each) for each in numbers["networks"]])
    _save(folder / "networks.png")


def draw_bytes(axis: Axes, found: list[Curve], alpha: float) -> None:
    """Accuracy against the bytes that a worker sends and receives.

    Filled markers leave the public images out, hollow ones count them once, compressed.
    """
    for curve in _exchanging(found, alpha):
        kilobytes = np.array(curve.traffic[1:]) / KILO
        (line,) = axis.plot(kilobytes, curve.means[1:], marker="o", ms=4, label=curve.method)
        if curve.is_labels:
            axis.plot(
                kilobytes + curve.images / KILO,
                curve.means[1:],
                marker="o",
                ms=4,
                mfc="none",
                ls=":",
                color=line.get_color(),
            )
    axis.set_xscale("log")
    axis.set_xlabel("kB per worker, both ways (hollow: with public images)")
    _bounds(axis, found, alpha)


def draw_rounds(axis: Axes, found: list[Curve], alpha: float) -> None:
    """Accuracy against the number of exchanges; error bars are deviations of the seeds."""
    for curve in _exchanging(found, alpha):
        first = 0 if curve.is_labels else 1  # before it, FedAvg's network knows nothing
        axis.errorbar(
            range(first, len(curve.means)),
            curve.means[first:],
            curve.deviations[first:],
            marker="o",
            ms=4,
            capsize=2,
            label=curve.method,
        )
    axis.set_xlabel("exchanges")
    axis.locator_params(axis="x", integer=True)
    _bounds(axis, found, alpha)


def draw_networks(axis: Axes, networks: list[Network]) -> None:
    """Bytes that a worker sends in one exchange, against the size of its network."""
    sizes = [each.n_parameters for each in networks]
    megabytes = [weight_bytes(size) / MEGA for size in sizes]
    axis.plot(sizes, megabytes, marker="o", label="FedAvg: weights, 4 bytes each")
    for network, size, height in zip(networks, sizes, megabytes, strict=True):
        axis.annotate(network.name, (size, height), (-6, 6), textcoords="offset points", ha="right")
    axis.margins(0.15)
    for classes, style in ((10, "--"), (1000, ":")):
        for n_samples, colour in zip(SAMPLES, ("C1", "C2"), strict=True):
            axis.axhline(
                label_bytes(n_samples, classes) / MEGA,
                ls=style,
                color=colour,
                label=f"{n_samples:,} labels of {classes} classes",
            )
    axis.set(xscale="log", yscale="log", xlabel="parameters", ylabel="MB sent per exchange")
    axis.legend(fontsize="small")


def _exchanging(found: list[Curve], alpha: float) -> list[Curve]:
    return [each for each in found if each.alpha == alpha]


def _bounds(axis: Axes, found: list[Curve], alpha: float) -> None:
    """What is reached alone, and by one network on everything."""
    axis.set_title(f"α = {alpha:g}")
    axis.axhline(alone(found, alpha), color="grey", ls="--", lw=1, label="local only")
    for curve, style in zip(centralised(found), ("-", "-."), strict=False):
        axis.axhline(curve.means[-1], color="black", ls=style, lw=1, label=curve.method)


def _save(path: Path) -> None:
    figure = plt.gcf()
    figure.set_layout_engine("constrained")
    figure.savefig(path, dpi=120)
    plt.close(figure)
