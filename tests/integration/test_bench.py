"""The bench measures what it says: rounds of the contract, and Algorithm 3 as it is printed."""

import numpy as np
from eth_abi.abi import decode, encode

from bench import paper
from bench.gas import COLUMNS, Case, measure
from bench.node import Node
from services import wire

WAD = 10**18


def _truncated(a: int, b: int) -> int:
    """Division as Solidity does it, towards 0; b is positive."""
    return a // b if a >= 0 else -(-a // b)


def _algorithm_three(labels: list[list[int | None]], classes: int) -> tuple[list[int], list[int]]:
    """Scores in 1e18 units and global labels, line by line, with penalty and scale 1."""
    n, m = len(labels), len(labels[0])
    counts = [[row.count(c) for c in range(classes)] for row in labels]
    given = [sum(row) for row in counts]  # M
    everyone = [sum(column) for column in zip(*counts, strict=True)]  # G
    scores = [0] * n
    for j in range(m):
        for i in range(n):
            x = labels[i][j]
            if x is None:
                continue
            r = _truncated(WAD * (everyone[x] - counts[i][x]), n * given[i])
            tau = 0
            for p in range(n):
                if p == i or labels[p][j] is None:
                    continue
                tau -= WAD
                if labels[p][j] == x and r > 0:
                    tau += WAD * WAD // r
            scores[i] += _truncated(_truncated(WAD * tau, n), WAD)
    votes = [[sum(row[j] == c for row in labels) for c in range(classes)] for j in range(m)]
    return scores, [row.index(max(row)) for row in votes]


def test_algorithm_three_is_the_papers() -> None:
    """Scores and global labels, with abstentions and a class that one worker alone gave."""
    random, classes = np.random.default_rng(1), 4
    drawn = random.integers(3, size=(4, 7)).astype(np.uint16)
    drawn[random.random(drawn.shape) < 0.2] = wire.abstain(classes)
    drawn[2, 5] = 3
    rows = [[int(x) if x < classes else None for x in row] for row in drawn]
    scores, labels = _algorithm_three(rows, classes)
    with Node(1, is_bound=False) as node:
        contract, _ = paper.run(node, list(drawn), classes)

        def ask(kind: str, name: str, index: int) -> int:
            data = paper.selector(f"{name}(uint256)") + encode(["uint256"], [index])
            return int(decode([kind], node.call(contract, data))[0])

        assert [ask("int256", "rewardScore", i) for i in range(4)] == scores
        assert [ask("uint8", "globalLabels", j) for j in range(7)] == labels


def test_a_case_gives_a_row() -> None:
    """Every column; the price is nearly what was paid, and the paper's way costs far more."""
    row = measure(Case("small", 4, samples=2_000, classes=3, abstention=0.1))
    assert len(row) == len(COLUMNS)
    cells = dict(zip(COLUMNS, row, strict=True))
    assert abs(float(cells["cost says"].rstrip("%"))) < 2
    assert cells["labels"] == "8,000"
    assert 2 * 40 * 2 / 8 < float(cells["floor"]) < float(cells["gas/label"])
    assert int(cells["calls"]) == 4 + 4 + 1 + 1
    assert int(cells["times"]) > 10
