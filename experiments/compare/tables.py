"""The record of a comparison as rows: means over workers and seeds, and what follows from them.

Reads the JSON alone, so that plots, the page and anybody else's script compute the same.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

Numbers = dict[str, Any]
FEDAVG = "FedAvg"


@dataclass(frozen=True)
class Curve:
    """One method on one split, over all seeds.

    Attributes:
        method: its name; for rounds of labels it ends in what was read in them.
        alpha: of the split; None where nothing is split.
        means: accuracy, the mean of the workers and then of the seeds, [exchanges + 1].
        deviations: of the seeds' means, [exchanges + 1].
        worst: accuracy of the worst worker, the mean of the seeds, [exchanges + 1].
        up: bytes that a worker has sent after each exchange, [exchanges + 1].
        down: bytes that it has received, without the public images.
        images: bytes of the public images that it needs, compressed; 0 if none.
        raw_images: the same, uncompressed.
    """

    method: str
    alpha: float | None
    means: list[float]
    deviations: list[float]
    worst: list[float]
    up: list[float]
    down: list[float]
    images: int
    raw_images: int

    @property
    def is_labels(self) -> bool:
        """Whether labels are exchanged."""
        return self.images > 0

    @property
    def traffic(self) -> list[float]:
        """Bytes sent and received after each exchange, without the public images."""
        return [up + down for up, down in zip(self.up, self.down, strict=True)]


def curves(numbers: Numbers) -> list[Curve]:
    """One curve for each method and split, the most even split first and the unsplit last."""
    images = {each["samples"]: each for each in numbers["public_images"]}
    none = {"bytes": 0, "gzip_bytes": 0}
    grouped: dict[tuple[str, float | None], list[dict[str, Any]]] = {}
    for run in numbers["runs"]:
        grouped.setdefault((run["method"], run["alpha"]), []).append(run)
    found = []
    for (method, alpha), runs in grouped.items():
        means = np.array([[np.mean(each) for each in run["accuracies"]] for run in runs])
        size = images.get(runs[0]["n_public"], none)
        found.append(
            Curve(
                method=method,
                alpha=alpha,
                means=means.mean(0).tolist(),
                deviations=means.std(0).tolist(),
                worst=np.mean([[min(e) for e in run["accuracies"]] for run in runs], 0).tolist(),
                up=_total(runs, "up"),
                down=_total(runs, "down"),
                images=size["gzip_bytes"],
                raw_images=size["bytes"],
            )
        )
    return sorted(found, key=_place)


def _place(curve: Curve) -> tuple[float, bool, str, str]:
    """By split, FedAvg first, then by reading and schedule."""
    reading = curve.method.rpartition(", ")[2]
    return -(curve.alpha or 0), curve.method != FEDAVG, reading, curve.method


def _total(runs: list[dict[str, Any]], way: str) -> list[float]:
    """Bytes one way after each exchange; before the first there are none."""
    by_exchange = np.array([[each[way] for each in run["traffic"]] for run in runs], float)
    return [0.0, *np.cumsum(by_exchange.mean(0)).tolist()]


def alphas(found: list[Curve]) -> list[float]:
    """The splits, the most even first."""
    return sorted({each.alpha for each in found if each.alpha is not None}, reverse=True)


def alone(found: list[Curve], alpha: float) -> float:
    """Mean accuracy of workers that exchange nothing: those that play rounds, before them."""
    return next(each.means[0] for each in found if each.alpha == alpha and each.is_labels)


def centralised(found: list[Curve]) -> list[Curve]:
    """Training on all private samples together."""
    return [each for each in found if each.alpha is None]


@dataclass(frozen=True)
class Crossing:
    """The first round after which FedAvg is as accurate as some rounds of labels.

    Attributes:
        n_rounds: how many; None if all that were played are not enough.
        traffic: bytes of a worker by then, or after all of them.
    """

    n_rounds: int | None
    traffic: float


def crossing(labels: Curve, fedavg: Curve) -> Crossing:
    """Where FedAvg catches up with rounds of labels on the same split."""
    for n_rounds, mean in enumerate(fedavg.means):
        if n_rounds and mean >= labels.means[-1]:
            return Crossing(n_rounds, fedavg.traffic[n_rounds])
    return Crossing(None, fedavg.traffic[-1])
