"""The faults of a long run are drawn from its seed, and leave an honest worker its time."""

from collections import Counter

from services.chain import Phase
from soak.plan import LEAST_GUILTY_ROUNDS, OF_CHAIN, OF_WORKERS, Fault, Kind, draw

ROUNDS, WORKERS = 50, 8


def rounds_of(plan: list[Fault]) -> dict[int, list[Fault]]:
    """The faults by round."""
    found: dict[int, list[Fault]] = {}
    for fault in plan:
        found.setdefault(fault.round_number, []).append(fault)
    return found


def test_a_seed_draws_the_same_faults_again() -> None:
    """And another seed others."""
    assert draw(ROUNDS, WORKERS, 1) == draw(ROUNDS, WORKERS, 1) != draw(ROUNDS, WORKERS, 2)


def test_a_long_run_has_every_kind_of_fault() -> None:
    """A few in every round, whatever the seed."""
    for seed in range(5):
        plan = draw(ROUNDS, WORKERS, seed)
        assert {fault.kind for fault in plan if fault.kind is not Kind.WORKER_LEFT_OUT} >= {
            kind for kind in Kind if kind is not Kind.WORKER_LEFT_OUT
        }
        assert set(rounds_of(plan)) == set(range(ROUNDS + 1))
        assert 2 <= len(plan) / ROUNDS <= 4


def test_no_worker_has_two_faults_in_one_round() -> None:
    """Nor has one that has withheld, and so is gone."""
    for seed in range(20):
        gone: set[int] = set()
        for drawn in rounds_of(draw(ROUNDS, WORKERS, seed)).values():
            hit = Counter(fault.worker for fault in drawn if fault.kind in OF_WORKERS)
            assert set(hit.values()) <= {1}
            assert not gone & set(hit)
            gone |= {fault.worker for fault in drawn if fault.kind is Kind.WORKER_WITHHELD}
        assert 1 <= len(gone) <= WORKERS // 4


def test_no_chain_takes_back_what_a_worker_withholds() -> None:
    """Where a worker sleeps past the reveals, the chain is left alone."""
    for seed in range(20):
        for drawn in rounds_of(draw(ROUNDS, WORKERS, seed)).values():
            kinds = {fault.kind for fault in drawn}
            assert Kind.WORKER_WITHHELD not in kinds or not kinds & set(OF_CHAIN)


def test_a_short_run_costs_no_member() -> None:
    """And one without faults has none."""
    plan = draw(LEAST_GUILTY_ROUNDS - 1, WORKERS, 0)
    assert plan
    assert all(fault.kind is not Kind.WORKER_WITHHELD for fault in plan)
    assert all(Phase.REGISTRATION <= fault.phase < Phase.CLOSED for fault in plan)
    assert draw(LEAST_GUILTY_ROUNDS, WORKERS, 0, mean=0) == []
