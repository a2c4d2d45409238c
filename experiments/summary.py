"""Numbers as records and pages have them: means and deviations, rank correlations, claims."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

DIGITS = 5  # of every number in a record

Numbers = dict[str, Any]


@dataclass(frozen=True)
class Claim:
    """Something that a figure must show.

    Attributes:
        text: what, with what is expected.
        found: the number that decides, in words.
        holds: whether it does.
    """

    text: str
    found: str
    holds: bool


def spread(values: npt.ArrayLike) -> Numbers:
    """Mean and standard deviation over the first axis, which is the seeds', as lists.

    One seed has no deviation: 0. What is not there (NaN) is None.
    """
    array = np.asarray(values, dtype=np.float64)
    deviation = array.std(0, ddof=1) if len(array) > 1 else np.zeros(array.shape[1:])
    return {"mean": listed(array.mean(0)), "sd": listed(deviation)}


def listed(values: npt.ArrayLike) -> Any:
    """Nested lists of rounded numbers, with None for NaN."""
    rounded = np.round(np.asarray(values, dtype=np.float64), DIGITS)
    cells = np.array(rounded, dtype=object)
    cells[np.isnan(rounded)] = None
    return cells.tolist()


def spearman(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Rank correlation of two samples [n], -1..1; ties share their mean rank; 0 if all are tied."""
    ranks = np.array([_ranks(np.asarray(one)), _ranks(np.asarray(other))])
    if (ranks.std(1) == 0).any():
        return 0.0
    return float(np.corrcoef(ranks)[0, 1])


def _ranks(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last: npt.NDArray[np.float64] = np.cumsum(counts) - (counts - 1) / 2
    return last[places]


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    cells = [[str(cell).replace("|", r"\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def with_sd(mean: float | None, sd: float | None, digits: int = 3) -> str:
    """As pages write it: mean ± standard deviation."""
    if mean is None or sd is None:
        return "–"
    return f"{mean:.{digits}f} ± {sd:.{digits}f}"
