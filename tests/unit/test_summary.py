"""The numbers of a record: means, deviations, rank correlations, tables."""

import math

import numpy as np
import pytest

from experiments.summary import listed, spearman, spread, table, with_sd


def test_ranks_decide_the_correlation() -> None:
    """Any growing function has 1, any falling one -1, and a known case with ties what books say."""
    x = np.array([0.1, 0.5, 0.2, 0.9])
    assert spearman(x, np.exp(9 * x)) == pytest.approx(1)
    assert spearman(x, -x) == pytest.approx(-1)
    # Ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4: covariance 4.5 of 4.5 and 5.
    assert spearman([1, 2, 2, 3], [1, 3, 2, 4]) == pytest.approx(4.5 / math.sqrt(4.5 * 5))
    assert spearman([1, 1, 1], [1, 2, 3]) == 0


def test_a_spread_is_over_the_first_axis() -> None:
    """Seeds come first; one alone has no deviation, and what is missing stays missing."""
    found = spread([[1.0, 4.0], [3.0, np.nan]])
    assert found == {"mean": [2.0, None], "sd": [round(math.sqrt(2), 5), None]}
    assert spread([[1.0, 4.0]]) == {"mean": [1.0, 4.0], "sd": [0.0, 0.0]}
    assert spread([1.0, 3.0]) == {"mean": 2.0, "sd": round(math.sqrt(2), 5)}
    assert listed([[1.234567, np.nan]]) == [[1.23457, None]]


def test_tables_keep_their_columns() -> None:
    """A bar inside a cell is no end of it."""
    lines = table(["|X|", "b"], [[1, with_sd(0.5, 0.01, 2)], [2, with_sd(None, None)]]).splitlines()
    assert lines == [r"| \|X\| | b |", "| --- | --- |", "| 1 | 0.50 ± 0.01 |", "| 2 | – |"]
