"""Kernels == reference == numpy, to the last bit, on ten thousand chunks of every shape.

A mismatch names its case. With FEDSERUM_KERNEL_CASE=<its number> this plays that one alone.
"""

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from kernel_calls import BOTH_WAYS, COUNT_KERNEL, SCORE_KERNEL, Calls, place
from kernel_cases import Case
from nodes import Node

from services import wire

N_CASES = 10_000
BATCH = 25  # cases that one request asks for
LEAST = 20  # cases in every corner
WAYS = ((SCORE_KERNEL, "score"), (BOTH_WAYS, "sliced"), (BOTH_WAYS, "plain"))
TOO_MANY_TO_SLICE = 64  # classes
FEWEST_PAIRED = 16  # groups from which on a histogram takes two labels at a time
REPLAYED = os.environ.get("FEDSERUM_KERNEL_CASE")


@pytest.fixture(scope="module")
def node(start_node: Callable[..., Node]) -> Node:
    """A node that has the kernels."""
    node = start_node()
    place(node)
    return node


@pytest.mark.timeout(1800)  # it takes more than a minute of two free cores
def test_the_kernels_say_what_the_reference_and_numpy_say(node: Node) -> None:
    """Whichever way a kernel takes; on every ninth case both ways are asked as well."""
    if REPLAYED:
        check(node.url, [int(REPLAYED)])
        return
    batches = [range(first, first + BATCH) for first in range(0, N_CASES, BATCH)]
    met: Counter[str] = Counter()
    with ProcessPoolExecutor((os.cpu_count() or 1) + 1) as pool:
        for found in pool.map(check, [node.url] * len(batches), batches):
            met += found
    assert met["cases"] == N_CASES
    scarce = {corner: met[corner] for corner in Case.of(0).conditions() if met[corner] < LEAST}
    assert not scarce


def check(url: str, numbers: range | list[int]) -> Counter[str]:
    """Hold the cases with these numbers against one another; how often each corner was met."""
    calls, cases = Calls(url), [Case.of(number) for number in numbers]
    expected, what, met = [], [], Counter({"cases": len(cases)})
    for case in cases:
        answer = case.by_reference()
        assert case.by_numpy() == answer, _failed(case, "numpy")
        ways = WAYS if case.number % 9 == 0 else WAYS[:1]
        calls.score(case, *ways)
        expected += [answer] * len(ways)
        what += [(case, name) for _, name in ways]
        labels, counted = _to_count(case)
        for kernel, name in _ways_to_count(case):
            calls.count(labels, case.classes, (kernel, name))
            expected.append(counted)
            what.append((case, name))
        met.update(corner for corner, is_met in case.conditions().items() if is_met)
    for (case, way), answer, found in zip(what, expected, calls.answers(), strict=True):
        assert found == answer, _failed(case, way)
    return met


def _ways_to_count(case: Case) -> list[tuple[str, str]]:
    """The kernel's own choice; on every ninth case both ways, as far as they go."""
    ways = [(COUNT_KERNEL, "count")]
    if case.number % 9 == 0:
        ways.append((BOTH_WAYS, "countTallied"))
        if case.classes < TOO_MANY_TO_SLICE:
            ways.append((BOTH_WAYS, "countSliced"))
    return ways


def _to_count(case: Case) -> tuple[bytes, tuple[list[int], int]]:
    """A member's labels, or any bits: counts by class, and how many codes are valid."""
    n_bits, no_label = wire.label_bits(case.classes), wire.abstain(case.classes)
    rng = np.random.default_rng((case.number, 3))
    if case.labels and case.number % 2:
        data = case.packed[next(iter(case.labels))]
    else:
        groups = case.groups + case.number % 3 * FEWEST_PAIRED
        data = rng.bytes(groups * n_bits * wire.WORD_BYTES)
    bits = np.unpackbits(np.frombuffer(data, np.uint8).reshape(-1, n_bits, 32), axis=-1)
    codes = np.zeros(len(bits) * wire.GROUP_SAMPLES, dtype=np.uint16)
    for plane in range(n_bits):
        codes = 2 * codes + bits[:, plane].reshape(-1)
    counts = wire.count_labels(codes, case.classes)
    return data, (counts, sum(counts) + int((codes == no_label).sum()))


def _failed(case: Case, way: str) -> str:
    return (
        f"{way} is not the reference: FEDSERUM_KERNEL_CASE={case.number} "
        f"pytest tests/differential/test_kernel.py: {case}"
    )
