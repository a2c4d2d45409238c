"""Protocol section 6: the ring and the committees."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.assignment import assigned_chunks, is_everyone, members, ring

SEEDS = st.binary(min_size=32, max_size=32)


@given(SEEDS, st.integers(1, 1024))
def test_the_ring_is_a_permutation(seed: bytes, n: int) -> None:
    """Every roster index has exactly one position, for any size of roster."""
    assert sorted(ring(seed, n)) == list(range(n))


def test_every_worker_comes_first_equally_often() -> None:
    """Over 3000 seeds each of 5 workers is at position 0 in about 600, within 5 sigma."""
    first = Counter(ring(seed.to_bytes(32, "big"), 5)[0] for seed in range(3_000))
    assert all(abs(first[index] - 600) < 5 * 22 for index in range(5))


def test_malformed_seeds_and_empty_rosters_are_refused() -> None:
    """Both would silently give another ring than the contract's."""
    with pytest.raises(ValueError, match="32 bytes, got 31"):
        ring(bytes(31), 4)
    with pytest.raises(ValueError, match="at least 1"):
        ring(bytes(32), 0)


@pytest.mark.parametrize(
    ("n", "committee", "everyone"),
    [(10, 0, True), (7, 4, True), (8, 4, False), (9, 4, False), (3, 2, True), (4, 2, False)],
)
def test_a_committee_above_half_the_ring_is_everyone(n: int, committee: int, everyone: bool):
    """More than n/2 members are the whole ring, in ring order."""
    assert is_everyone(n, committee) is everyone
    assert (members(3, n, committee) == list(range(n))) is everyone


def test_committees_follow_the_formula_worked_by_hand() -> None:
    """n = 9, k = 4: E has positions 0 2 4 6 8, O has 1 3 5 7, and O skips one each time round."""
    assert members(0, 9, 4) == [0, 1, 2, 3]  # u = 0, 1
    assert members(1, 9, 4) == [4, 5, 6, 7]  # u = 2, 3
    assert members(2, 9, 4) == [8, 3, 0, 5]  # u = 4, 5: O[(4+1) mod 4], O[(5+1) mod 4]
    assert members(4, 9, 4) == [6, 5, 8, 7]  # u = 8, 9: O[(8+2) mod 4], O[(9+2) mod 4]


@given(st.integers(3, 1024), st.integers(1, 40), st.integers(0, 2_000))
def test_a_committee_is_distinct_and_half_from_each_league(n: int, half: int, chunk: int) -> None:
    """No worker labels a chunk twice, and both leagues have the same say in it."""
    committee = 2 * half
    if is_everyone(n, committee):
        return
    positions = members(chunk, n, committee)
    assert len(set(positions)) == committee
    assert all(0 <= position < n for position in positions)
    assert [position % 2 for position in positions] == [0, 1] * half


@given(st.integers(3, 1024), st.integers(1, 20), st.integers(0, 400), st.integers(0, 10))
def test_everyone_has_work_in_every_allowed_task(n: int, half: int, spare: int, more: int) -> None:
    """Where chunks · committee ≥ maxWorkers, no active worker is left without a chunk."""
    max_workers = min(1024, n + spare)
    n_chunks = -(-max_workers // (2 * half)) + more
    labelled = {position for chunk in range(n_chunks) for position in members(chunk, n, 2 * half)}
    assert labelled == set(range(n))


@given(st.integers(3, 60), st.sampled_from([0, 2, 4, 8]), st.integers(1, 40))
def test_assigned_chunks_are_the_committees_one_sits_in(n: int, committee: int, n_chunks: int):
    """A worker's chunks, ascending, are exactly those that name it as a member."""
    for position in range(n):
        chunks = assigned_chunks(position, n, committee, n_chunks)
        assert chunks == sorted(chunks)
        assert [position in members(q, n, committee) for q in range(n_chunks)] == [
            q in chunks for q in range(n_chunks)
        ]
