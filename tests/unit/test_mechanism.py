"""Protocol sections 4 and 5, worked by hand, and what must hold for every round."""

from hypothesis import given
from hypothesis import strategies as st

from services import mechanism
from services.mechanism import ONE_VOTE, WAD, Conduct, Label, Rules, Turn

REVEALED, IDLE, LEFT = Conduct.REVEALED, Conduct.IDLE, Conduct.LEFT
WITHHELD, MISCOUNTED = Conduct.WITHHELD, Conduct.MISCOUNTED

EVERYONE = Rules(classes=2, peering=0, min_workers=3, deposit_wei=1_000, penalty_wad=WAD)
LEAGUES = Rules(classes=2, peering=1, min_workers=4, deposit_wei=1_000, penalty_wad=WAD)


def revealed(*labels: Label, balance_wei: int = 1_000) -> Turn:
    """A worker that revealed one chunk of these labels."""
    return Turn(balance_wei, REVEALED, {0: labels})


@st.composite
def rounds(draw: st.DrawFn) -> tuple[Rules, list[Turn], list[int], int, int, bool]:
    """Arguments of ``play_round``: any mix of conducts, balances and labels."""
    rules = Rules(
        classes=draw(st.integers(2, 4)),
        peering=draw(st.sampled_from([0, 1])),
        min_workers=draw(st.integers(3, 5)),
        deposit_wei=draw(st.integers(1, 10**20)),
        penalty_wad=draw(st.integers(0, 2 * WAD)),
    )
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=2))
    label = st.none() | st.integers(0, rules.classes - 1)
    turns = []
    for _ in range(draw(st.integers(3, 8))):
        conduct = draw(st.sampled_from([*[REVEALED] * 6, *Conduct]))
        balance = 0 if conduct is LEFT else draw(st.integers(1, 2 * rules.deposit_wei))
        labels = {
            q: draw(st.lists(label, min_size=size, max_size=size)) for q, size in enumerate(sizes)
        }
        turns.append(Turn(balance, conduct, labels if conduct is REVEALED else {}))
    pot, scale = draw(st.integers(0, 10**20)), draw(st.integers(1, WAD))
    return rules, turns, sizes, pot, scale, draw(st.sampled_from([True, True, True, False]))


def test_scores_against_everyone_worked_by_hand() -> None:
    """Three workers, four samples, β = 1: shares of 2, 1 and no peers, abstentions no votes.

    Counts (2,2) (1,2) (2,0), so g_0 = (3,2), g_1 = (4,2), g_2 = (3,4). Worker 0 matches both peers,
    one of two, its only one, and has none on the last sample: 1.5 · 5/3 + 1 · 5/2 − 3 = 2.
    """
    turns = [revealed(0, 0, 1, 1), revealed(0, 1, 1, None), revealed(0, 0, None, None)]
    outcome = mechanism.play_round(EVERYONE, turns, [4], 0, WAD)
    assert outcome.scores == [2 * WAD, 3 * WAD // 2, 3 * WAD // 2]
    assert outcome.global_labels == [[0, 0, 1, 1]]
    assert outcome.agreement_wad == WAD * 8 // 9


def test_a_round_of_two_leagues_worked_by_hand() -> None:
    """Both leagues see g = (3, 2); nobody in league 0 scores above 0, one does in league 1.

    League 0 gets its stakes back and its part of the pot, 50 of 101, stays; in league 1 all of
    500 + 500 + 51 goes to worker 1.
    """
    turns = [revealed(0, 0, 1), revealed(0, 1, 1), revealed(None, 0, 1), revealed(0, None, 0)]
    outcome = mechanism.play_round(LEAGUES, turns, [3], 101, WAD // 2)
    assert outcome.scores == [
        -83_333_333_333_333_334,  # floor(5/3) + 1/2 · 5/2 − 3
        1_166_666_666_666_666_666,  # floor(5/3) + 5/2 − 3
        -750_000_000_000_000_000,  # 1/2 · 5/2 − 2
        -333_333_333_333_333_334,  # floor(5/3) − 2
    ]
    assert outcome.global_labels == [[0, 0, 1]]
    assert outcome.agreement_wad == 8 * WAD // 10
    assert outcome.pool_wei == 2_101
    assert outcome.rewards_wei == [0, 1_051, 0, 0]
    assert outcome.balances_wei == [1_000, 1_551, 1_000, 500]
    assert outcome.pot_wei == 50


def test_scores_are_rounded_down_once_per_class() -> None:
    """Two thirds in each of two classes stay two roundings, however many samples they are."""
    assert mechanism.chunk_score([ONE_VOTE, ONE_VOTE], [3, 3], 0, WAD) == 4 * WAD
    assert mechanism.chunk_score([ONE_VOTE, ONE_VOTE, 0], [3, 3, 1], 0, WAD) == 2 * (7 * WAD // 3)
    assert mechanism.chunk_score([2 * ONE_VOTE, 0, 0], [3, 3, 1], 1, 1) == 14 * WAD // 3 - 1


def test_a_class_that_no_peer_ever_gave_adds_nothing() -> None:
    """g = 0 implies A = 0: no division, only the penalty."""
    assert mechanism.chunk_score([0, ONE_VOTE], [0, 4], 2, WAD) == -WAD


def test_seventeen_peers_lose_the_fraction_of_a_vote() -> None:
    """w(17) = floor(720720 / 17) = 42395, so 17 matches count a little less than one."""
    turns = [revealed(0)] * 18
    outcome = mechanism.play_round(EVERYONE, turns, [1], 0, WAD)
    assert outcome.scores == [WAD * 17 * 42_395 // ONE_VOTE - WAD] * 18


def test_ties_go_to_the_lowest_class_and_silence_is_abstain() -> None:
    """A sample without votes has no global label; class 0 needs votes like any other."""
    assert mechanism.majority([1, 2, 2]) == 1
    assert mechanism.majority([0, 0, 0]) is None
    assert mechanism.agreement_wad([[0, 0], [0, 0]]) == 0


def test_peer_counts_are_of_the_whole_round() -> None:
    """R counts labels of other chunks too.

    Worker 0's g holds worker 3's labels of the other chunk: T = 3 and g[0] = 1, so its match is
    worth 3, less β.
    """
    turns = [
        Turn(1_000, REVEALED, {0: [0]}),
        Turn(1_000, REVEALED, {0: [0]}),
        Turn(1_000, REVEALED, {1: [1, 1]}),
        Turn(1_000, REVEALED, {1: [1, 1]}),
    ]
    outcome = mechanism.play_round(LEAGUES, turns, [1, 2], 0, WAD)
    assert outcome.scores[:2] == [2 * WAD, 2 * WAD]
    assert outcome.scores[2:] == [2 * (3 * WAD // 2) - 2 * WAD] * 2


def test_rewards_go_by_the_score_per_assigned_sample() -> None:
    """Twice the score for twice the samples is the same reward.

    Every label matches and is worth 2 − β = 1: scores 2 2 4 4 for 2 2 4 4 samples.
    """
    turns = [Turn(1_000, REVEALED, {0: [0, 1]})] * 2 + [
        Turn(1_000, REVEALED, {1: [0, 1, 0, 1]})
    ] * 2
    outcome = mechanism.play_round(EVERYONE, turns, [2, 4], 8, WAD)
    assert outcome.scores == [2 * WAD, 2 * WAD, 4 * WAD, 4 * WAD]
    assert outcome.rewards_wei == [1_002] * 4


def test_the_rest_of_the_division_stays_in_the_pot() -> None:
    """A pool of 17 at two equal rates: 8 each; the third paid its stake for nothing."""
    assert mechanism.pay(0, [10] * 3, [5] * 3, [3, 3, 0], 2) == ([8, 8, 0], [13, 13, 5], 1)


def test_the_odd_wei_of_the_pot_goes_to_league_one() -> None:
    """floor(pot / 2) for league 0, the rest for league 1; dust of both is the new pot."""
    rewards, balances, pot = mechanism.pay(1, [0] * 4, [0] * 4, [1, 1, 1, 1], 7)
    assert (rewards, balances, pot) == ([1, 2, 1, 2], [1, 2, 1, 2], 1)


def test_idle_workers_pay_for_what_they_learn() -> None:
    """Who stays and does nothing loses its stake; who left has none."""
    turns = [revealed(0, 1)] * 3 + [Turn(1_000, IDLE), Turn(0, LEFT)]
    outcome = mechanism.play_round(EVERYONE, turns, [2], 0, WAD // 10)
    assert outcome.balances_wei == [1_033, 1_033, 1_033, 900, 0]
    assert outcome.pot_wei == 1


def test_the_slashed_fund_the_pool_of_their_round() -> None:
    """Withholding and miscounting cost the whole balance, paid out in the same round."""
    turns = [revealed(0, 1)] * 3 + [Turn(1_000, WITHHELD), Turn(700, MISCOUNTED)]
    outcome = mechanism.play_round(EVERYONE, turns, [2], 0, WAD // 10)
    assert outcome.pool_wei == 2_000
    assert outcome.balances_wei == [1_566, 1_566, 1_566, 0, 0]
    assert outcome.pot_wei == 2


def test_too_few_commits_void_the_round_and_slash_nobody() -> None:
    """The idle pay, those who committed keep everything, even if they would have withheld."""
    turns = [revealed(0), Turn(1_000, WITHHELD), Turn(1_000, IDLE), Turn(300, IDLE), Turn(0, LEFT)]
    outcome = mechanism.play_round(EVERYONE, turns, [1], 5, WAD // 2)
    assert outcome.is_void
    assert outcome.balances_wei == [1_000, 1_000, 500, 0, 0]
    assert outcome.pot_wei == 805
    assert outcome.scores == outcome.rewards_wei == [0] * 5


def test_too_few_reveals_void_the_round_after_slashing() -> None:
    """The withholder pays everything, the idle their stake, the honest nothing."""
    turns = [revealed(0), revealed(0), Turn(1_000, WITHHELD), Turn(1_000, IDLE)]
    outcome = mechanism.play_round(EVERYONE, turns, [1], 0, WAD // 2)
    assert outcome.is_void
    assert outcome.balances_wei == [1_000, 1_000, 0, 500]
    assert outcome.pot_wei == 1_500


def test_an_empty_league_voids_only_rounds_with_leagues() -> None:
    """Four reveals in one league have no peers; without leagues they are everyone's peers."""
    turns = [revealed(0) if i % 2 == 0 else Turn(1_000, IDLE) for i in range(8)]
    assert mechanism.play_round(LEAGUES, turns, [1], 0, WAD).is_void
    assert not mechanism.play_round(EVERYONE, turns, [1], 0, WAD).is_void


def test_a_round_never_aggregated_is_void() -> None:
    """Thirty days without aggregation give everybody who committed everything back."""
    turns = [revealed(0)] * 3 + [Turn(1_000, IDLE)]
    outcome = mechanism.play_round(EVERYONE, turns, [1], 0, WAD, is_aggregated=False)
    assert outcome.is_void
    assert outcome.balances_wei == [1_000, 1_000, 1_000, 0]
    assert outcome.pot_wei == 1_000


def test_a_rate_that_rounds_to_nothing_is_no_rate() -> None:
    """A score below one unit per assigned sample must not divide by a sum of 0."""
    assert mechanism.pay(0, [10] * 3, [5] * 3, [0] * 3, 4) == ([0] * 3, [10] * 3, 4)


def test_the_reward_scale_decays_rounding_down() -> None:
    """λ_2 = floor(λ_1 · decay / 1e18)."""
    assert mechanism.next_reward_scale(7, WAD // 2) == 3
    assert mechanism.next_reward_scale(WAD, WAD) == WAD


def test_closing_shares_the_pot_equally_and_keeps_the_rest() -> None:
    """With nobody active all of it stays."""
    assert mechanism.close(11, 4) == (2, 3)
    assert mechanism.close(11, 0) == (0, 11)


@given(rounds())
def test_money_is_neither_made_nor_lost(
    case: tuple[Rules, list[Turn], list[int], int, int, bool],
) -> None:
    """Σ balances + pot is the same before and after, and nothing is negative."""
    rules, turns, sizes, pot, scale, is_aggregated = case
    outcome = mechanism.play_round(rules, turns, sizes, pot, scale, is_aggregated=is_aggregated)
    before = sum(turn.balance_wei for turn in turns) + pot
    assert sum(outcome.balances_wei) + outcome.pot_wei == before
    assert min(*outcome.balances_wei, *outcome.rewards_wei, outcome.pot_wei) >= 0


@given(rounds())
def test_only_the_slashed_lose_more_than_their_stake(
    case: tuple[Rules, list[Turn], list[int], int, int, bool],
) -> None:
    """Nobody else loses more than λ · deposit, and nobody who committed loses in a void round."""
    rules, turns, sizes, pot, scale, is_aggregated = case
    outcome = mechanism.play_round(rules, turns, sizes, pot, scale, is_aggregated=is_aggregated)
    for turn, balance in zip(turns, outcome.balances_wei, strict=True):
        loss = turn.balance_wei - balance
        if turn.conduct not in (WITHHELD, MISCOUNTED):
            assert loss <= scale * rules.deposit_wei // WAD
        if outcome.is_void and turn.conduct is REVEALED:
            assert loss == 0


@given(rounds(), st.data())
def test_with_leagues_no_report_changes_a_competitors_score(
    case: tuple[Rules, list[Turn], list[int], int, int, bool], data: st.DataObject
) -> None:
    """Whatever a worker reports instead, the scores of its own league's others stay the same."""
    rules, turns, sizes, pot, scale, _ = case
    rules = Rules(rules.classes, 1, 4, rules.deposit_wei, rules.penalty_wad)
    liar = data.draw(st.integers(0, len(turns) - 1))
    label = st.none() | st.integers(0, rules.classes - 1)
    lies = {
        q: data.draw(st.lists(label, min_size=size, max_size=size)) for q, size in enumerate(sizes)
    }
    if turns[liar].conduct is not REVEALED:
        return
    lied = list(turns)
    lied[liar] = Turn(turns[liar].balance_wei, REVEALED, lies)
    honest = mechanism.play_round(rules, turns, sizes, pot, scale).scores
    other = mechanism.play_round(rules, lied, sizes, pot, scale).scores
    for i in range(liar % 2, len(turns), 2):
        assert i == liar or honest[i] == other[i]
