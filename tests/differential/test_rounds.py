"""Python reference == numpy == contract, to the last bit, over whole federations on a chain."""

from collections.abc import Callable

import pytest
from comparison import compare_ring
from federation_play import found, play
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from nodes import Node
from scenario import Scenario

from services.mechanism import WAD, Conduct

REVEALED, IDLE, LEFT = Conduct.REVEALED, Conduct.IDLE, Conduct.LEFT
WITHHELD, MISCOUNTED = Conduct.WITHHELD, Conduct.MISCOUNTED


@pytest.fixture(scope="module")
def node(start_node: Callable[..., Node]) -> Node:
    """A node of its own: these tests move its clock by months."""
    return start_node()


@st.composite
def scenarios(draw: st.DrawFn, peering: int, committee: int) -> Scenario:
    """Federations of any shape that the contract accepts and a test can afford.

    The first choice of each is what Hypothesis starts with, so it is not the trivial one.
    """
    min_workers = draw(st.sampled_from([4] if peering else [3, 4]))
    sizes = [9, 8] if committee == 4 else range(7, min_workers - 1, -1)
    n = draw(st.sampled_from(sizes))
    least_chunks = -(-n // committee) if committee else 1
    n_chunks = least_chunks + draw(st.sampled_from([0, 1]))
    n_rounds = draw(st.sampled_from([1, 2, 3]))
    conduct = st.sampled_from([*[REVEALED] * 10, *Conduct])
    return Scenario(
        n=n,
        samples=256 * n_chunks - draw(st.integers(0, 255)),
        classes=draw(st.sampled_from([10, 2, 3, 26])),
        committee=committee,
        peering=peering,
        min_workers=min_workers,
        deposit_wei=draw(st.sampled_from([1_000_003, WAD, 2**96 - 1, 1])),
        penalty_wad=draw(st.sampled_from([WAD, 0, WAD // 3, 2 * WAD])),
        reward_scale_wad=draw(st.sampled_from([WAD // 7, WAD, 1])),
        reward_decay_wad=draw(st.sampled_from([WAD // 3, WAD, 0])),
        stop_agreement_wad=draw(st.sampled_from([0, WAD // 2, WAD])),
        abstaining=draw(st.sampled_from([0.2, 0.0, 0.9])),
        skill=draw(st.sampled_from([0.9, 0.3])),
        conducts=tuple(tuple(draw(conduct) for _ in range(n)) for _ in range(n_rounds)),
        funds_wei=tuple(draw(st.sampled_from([12_345_677, 0, 1])) for _ in range(n_rounds)),
        seed=draw(st.integers(0, 2**32)),
    )


@pytest.mark.parametrize("committee", [0, 2, 4])
@pytest.mark.parametrize("peering", [0, 1])
def test_whole_federations_agree(node: Node, peering: int, committee: int) -> None:
    """Any mix of labels, idlers, leavers, withholders and wrong counts, over several rounds."""

    @seed(10 * committee + peering)
    @settings(
        max_examples=2 if committee == 4 else 3,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # to shrink would play for minutes; a failure names its scenario
        suppress_health_check=list(HealthCheck),
    )
    @given(scenarios(peering, committee))
    def agree(scenario: Scenario) -> None:
        play(node, scenario)

    agree()


def everyone(n: int, *exceptions: Conduct) -> tuple[Conduct, ...]:
    """The first ring positions do as given, the others reveal."""
    return exceptions + (REVEALED,) * (n - len(exceptions))


def test_a_worker_with_nothing_left_drops_out(node: Node) -> None:
    """λ = 1 takes an idle worker's whole balance: round 2 has one worker less and is smaller."""
    conducts = (everyone(6, IDLE), everyone(6))
    first, second = play(
        node, Scenario(6, 300, conducts, (0, 7), reward_scale_wad=WAD, reward_decay_wad=WAD)
    )
    assert first.balances_wei[0] == 0
    assert len(second.scores) == 5


def test_void_rounds_agree_however_they_come_about(node: Node) -> None:
    """Too few or one-sided commits, thirty days of silence, one-sided and too few reveals."""
    conducts = (
        everyone(10, *[IDLE] * 7),
        everyone(10, *[REVEALED, IDLE] * 5),
        everyone(10, LEFT, IDLE),
        everyone(10, *[REVEALED, WITHHELD] * 4),
        everyone(10, WITHHELD, MISCOUNTED),
    )
    scenario = Scenario(10, 256, conducts, (0, 5, 0, 0, 1), forgotten_round=3)
    outcomes = play(node, scenario)
    assert [outcome.is_void for outcome in outcomes] == [True] * 5


def test_early_agreement_closes_and_shares_the_pot(node: Node) -> None:
    """Perfect workers agree in round 1 of 3; the pot's rest after the division stays."""
    conducts = (everyone(5),) * 3
    scenario = Scenario(
        5, 256, conducts, (0, 0, 0), skill=1.0, abstaining=0.0, stop_agreement_wad=WAD
    )
    [outcome] = play(node, scenario)
    assert outcome.agreement_wad == WAD


def test_scores_that_earn_nothing_give_the_stakes_back(node: Node) -> None:
    """A prohibitive β and total abstention: nobody is paid, the pot carries over."""
    for peering, abstaining in ((0, 0.5), (1, 1.0)):
        scenario = Scenario(
            4,
            257,
            (everyone(4),),
            (99,),
            peering=peering,
            penalty_wad=2**64 - 1,
            abstaining=abstaining,
        )
        [outcome] = play(node, scenario)
        assert not outcome.is_void
        assert outcome.rewards_wei == [0] * 4
        assert outcome.pot_wei == 99


def test_a_thousand_classes_agree(node: Node) -> None:
    """Ten bit planes, most classes unseen: no division by a class that nobody gave."""
    play(node, Scenario(4, 100, (everyone(4),), (0,), classes=1000))


def test_chunks_of_several_groups_agree(node: Node) -> None:
    """512 samples a chunk, the last one ragged within its second group."""
    play(node, Scenario(5, 512 + 300, (everyone(5, WITHHELD),), (0,), chunk_samples=512))


def test_seventeen_peers_agree(node: Node) -> None:
    """Beyond 16 peers a vote's weight is rounded, on both sides alike."""
    scenario = Scenario(18, 60, (everyone(18),), (0,), classes=3, peering=0, abstaining=0.05)
    play(node, scenario)


@pytest.mark.parametrize(("n", "committee"), [(16, 4), (17, 8), (33, 6)])
def test_larger_rings_agree(node: Node, n: int, committee: int) -> None:
    """Committees and leagues at ring sizes around powers of two, where cycles are walked."""
    chunks = 2 * n // committee + 3
    scenario = Scenario(
        n,
        256 * chunks,
        (everyone(n),),
        (0,),
        committee=committee,
        min_workers=2 * committee,
    )
    workers = found(node, scenario)
    compare_ring(next(iter(workers.values())), scenario, 1)
