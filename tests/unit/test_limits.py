"""The study of where the mechanism breaks: its cases on drawn labels, record, plots and page."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.judgements import Case, Judgements, judgements
from experiments.limits import collusion, copying, identities, leaving_out
from experiments.limits.best_response import Opinions
from experiments.limits.figures import draw_all
from experiments.limits.groups import pays_from, random_ring, sweep
from experiments.limits.imbalance import (
    example,
    frequent_class,
    imbalanced,
    ratios,
    self_predicting,
)
from experiments.limits.page import gain, page
from experiments.limits.plan import Plan, fast
from experiments.limits.study import POOLS, SHARES, measure
from experiments.limits.two_rounds import Played, TwoRounds, play
from experiments.record import Record
from experiments.rewards import pay
from experiments.simulate.crowd import Crowd, even_errors

ROOT = Path(__file__).parents[2]
C = 10
PLAN = replace(fast(Plan("mnist-data")), alphas=(100.0, 0.1), draws=1, frequent_shares=(0.5,))


def _judgements(accuracy: float, m: int = 800, seed: int = 0) -> Judgements:
    """As if ten workers had been trained."""
    crowd = Crowd(10, m, accuracy, np.full(C, 1 / C), even_errors(C))
    random = np.random.default_rng(seed)
    said = crowd.draw(random)
    names = Judgements.__dataclass_fields__
    known = {
        "labels": said.labels,
        "certainties": said.certainties.astype(np.float32),
        "accuracies": np.full(10, accuracy),
        "own_accuracies": np.full(10, accuracy),
        "split": np.ones((10, C), np.int64),
        "truth": np.arange(m, dtype=np.uint16) % C,
    }
    return Judgements(**{name: known[name] for name in names})


def _played(said: Judgements) -> Played:
    """As if they had played two rounds of the same samples, and learnt nothing."""
    opinions = Opinions(said.labels, said.certainties)
    accuracies = np.stack([said.accuracies, said.accuracies])
    rounds = TwoRounds(opinions, opinions, opinions, accuracies)
    return Played(list(said.labels), [said.truth] * 10, [rounds])


@pytest.fixture
def random() -> np.random.Generator:
    """One source of chance for each test."""
    return np.random.default_rng(11)


@pytest.mark.parametrize("peering", [0, 1])
def test_a_shared_seed_pays_from_half_of_good_workers(
    peering: int, random: np.random.Generator
) -> None:
    """Below, the honest agree more often; above, the colluders do."""
    labels = _judgements(0.9).labels
    found = sweep(labels, C, collusion.by_shared_seed(C, labels.shape[1]), peering, 8, random)
    assert pays_from(SHARES, found["group"], found["honest"]) == pytest.approx(0.5, abs=0.1)
    assert found["group"][0] < -0.9


def test_a_share_pays_only_if_all_larger_ones_do() -> None:
    """A single lucky draw is no threshold."""
    shares = [0.1, 0.2, 0.3]
    assert pays_from(shares, [1, 0, 1], [0, 1, 0]) == 0.3
    assert pays_from(shares, [1, 1, 1], [0, 0, 0]) == 0.1
    assert pays_from(shares, [1, 1, 0], [0, 0, 0]) is None


def test_a_coined_class_is_worth_one_per_sample(random: np.random.Generator) -> None:
    """Each of the two scores that much more, for one sample."""
    labels = _judgements(0.8, m=2_000).labels
    said = labels.copy()
    said[:2, 7] = C
    before, after = (pay(each, C + 1, 1.0, 0).scores(2_000) for each in (labels, said))
    assert (after - before)[:2] == pytest.approx(1, abs=0.01)
    assert (after - before)[2:] == pytest.approx(0, abs=0.01)
    for peering in (0, 1):
        one, five = (collusion.coin(labels, C, k, 0.0, peering, 3, random) for k in (1, 5))
        assert 0.1 < one < five


def test_a_copied_answer_is_worth_as_much_as_its_samples(random: np.random.Generator) -> None:
    """The same ones: more than honesty. Fresh ones: nothing."""
    found = copying.measure(_judgements(0.6, m=3_000).labels, C, 1, 3, random)
    assert found["same"]["group"][0] > 0.1
    assert found["fresh"]["group"][0] < -0.9


@pytest.mark.parametrize("peering", [0, 1])
def test_doubtful_labels_are_worth_more_than_none(
    peering: int, random: np.random.Generator
) -> None:
    """Where all others leave them out; and what one gains they lose."""
    said = _judgements(0.8, m=3_000)
    found = leaving_out.measure(said.labels, said.certainties, C, peering, 4, random)
    assert found["group"][0] > 0.02 > 0 > found["honest"][0]
    assert 9 * found["honest"][0] == pytest.approx(-found["group"][0])


def test_more_identities_of_one_model_gain_more(random: np.random.Generator) -> None:
    """They agree always, the others often."""
    labels = _judgements(0.7).labels
    one, five = (identities.copies(labels, C, k, 1, 12, random) for k in (1, 5))
    assert abs(one[0]) < 0.1
    assert five[0] > 0.1 > five[1]


def test_two_workers_are_paid_alike(random: np.random.Generator) -> None:
    """A liar gets away among two, and not among three."""
    labels = _judgements(0.9, m=2_000).labels
    assert identities.lazy_among(labels, C, 2, 0, 4, random) == pytest.approx(0, abs=0.6)
    assert identities.lazy_among(labels, C, 3, 0, 4, random) < -0.9
    found = identities.two_workers(labels, C, np.linspace(0.8, 0.9, 10))
    assert found["difference"] < 0.01
    assert 0 <= found["right"] <= 1


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_an_imbalanced_set_has_the_shares_that_were_asked_for(
    share: float, random: np.random.Generator
) -> None:
    """One class has its share, the others share the rest, and no sample comes twice."""
    truth = random.integers(C, size=20_000).astype(np.uint16)
    chosen, frequent = imbalanced(truth, C, share, 1), frequent_class(1, C)
    shares = np.bincount(truth[chosen], minlength=C) / len(chosen)
    assert shares[frequent] == pytest.approx(share, abs=0.01)
    assert np.delete(shares, frequent) == pytest.approx((1 - share) / 9, abs=0.01)
    assert len(set(chosen.tolist())) == len(chosen)
    n_frequent, n_rare = (share * len(chosen), (1 - share) / 9 * len(chosen))
    assert n_frequent > 1_800 or n_rare > 1_800  # no more could be had


def test_eyes_that_tell_classes_apart_are_self_predicting() -> None:
    """Good workers' are; those of one who swaps two classes are not, for just these."""
    labels = _judgements(0.8, m=3_000).labels
    assert self_predicting(labels, C) == {"classes": 0, "labels": 0}
    own = labels[0].copy()
    labels[0] = np.where(own == 2, 5, np.where(own == 5, 2, own))
    assert set(np.flatnonzero(ratios(labels, C, 0).argmax(1) != np.arange(C))) == {2, 5}
    assert self_predicting(labels, C)["classes"] == pytest.approx(2 / 100)


def test_the_papers_example_is_as_printed_and_pays() -> None:
    """0.8/0.9 - β and 0.2/0.1 - β; in both readings lying scores and gains more."""
    found = example()
    assert found["paper"] == pytest.approx({"a": -1 / 9, "b": 1})
    # Half a at 0.8/0.9 and half b that nobody says; lying: half at 0.2/0.1, half at 1/0.9.
    assert found["blind"]["honest"] == pytest.approx(0.5 * 0.8 / 0.9 - 1)
    assert found["blind"]["deviating"] == pytest.approx(0.5 * 2 + 0.5 / 0.9 - 1)
    # A quarter at 0.8/0.9 or at 0.2/0.1, 0.7 at 1/0.9, and 0.05 at 1/0.1.
    sure = 0.7 / 0.9 + 0.05 / 0.1 - 1
    assert found["unsure"]["honest"] == pytest.approx(sure + 0.25 * 0.8 / 0.9)
    assert found["unsure"]["deviating"] == pytest.approx(sure + 0.25 * 2)
    for reading in ("blind", "unsure"):
        assert found[reading]["one pool"] > found[reading]["leagues"] > 0


def test_rings_have_every_position_once(random: np.random.Generator) -> None:
    """So both leagues are as large as can be."""
    assert sorted(random_ring(7, random)) == list(range(7))


def test_trained_workers_run_through_the_whole_study(tmp_path: Path) -> None:
    """A part of `make limits FAST=1`: the record, its plots, and a page with its numbers."""
    case = Case("mnist-data", epochs=1, private_samples=800, samples=400)
    said = judgements(case, tmp_path)
    plan = replace(PLAN, alphas=(100.0,))

    def played(_: float, __: int, targets: str) -> Played:
        return play(replace(plan.setting(100.0, 0, targets), case=case), tmp_path)

    numbers = measure(plan, lambda _, __: said, played)
    record = Record("limits-fast", [0], tmp_path)
    text = page(record.write(numbers))
    paths = draw_all(numbers, record.folder)
    assert len(paths) == 4
    for path in paths:
        assert path.read_bytes()[:4] == b"\x89PNG"
        assert f"results/{record.folder.name}/{path.name})" in text
    found = numbers["alphas"]["100"]
    assert found["accuracy"]["mean"] == pytest.approx(said.accuracies.mean())
    for pool in POOLS:
        group = found["shared_seed"][pool]["group"]["mean"]
        assert (
            f"| {gain(group[0])} / {gain(found['shared_seed'][pool]['honest']['mean'][0])} |"
            in text
        )
        for name, best in found["imbalance"][0]["best"][pool].items():
            assert f"| {name} | " in text
            assert f"| {gain(best['mean'])} | {gain(best['most'])} |" in text


def test_the_page_has_every_alpha_and_no_blanks(tmp_path: Path) -> None:
    """Tables of two α, from labels that are drawn; nothing is left to fill in."""

    def said(alpha: float, seed: int) -> Judgements:
        return _judgements(0.9 if alpha > 1 else 0.4, seed=seed)

    numbers = measure(PLAN, said, lambda alpha, seed, _: _played(said(alpha, seed)))
    text = page(Record("limits-fast", [0], tmp_path).write(numbers))
    assert "$" not in text
    assert "at α = 100, 0.1" in text
    for alpha in ("100", "0.1"):
        assert text.count(f"\n| {alpha} | ") > 15
    assert max(map(len, (line for line in text.splitlines() if line[:1] == "|"))) < 200


def test_the_limits_page_is_what_the_record_says() -> None:
    """docs/limits.md is the newest record's; `make limits` writes both."""
    records = sorted((ROOT / "results").glob("*-limits/record.json"))
    written = ROOT / "docs" / "limits.md"
    assert written.exists() == bool(records)
    if records:
        assert written.read_text(encoding="utf-8") == page(records[-1])


def test_data_that_are_not_there_end_it_with_one_line(tmp_path: Path) -> None:
    """And leave no file."""
    where = ["--cache", str(tmp_path / "cache"), "--results", str(tmp_path / "results")]
    command = [sys.executable, "-m", "experiments.limits", "--private", "/nowhere", *where]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: /nowhere: no such folder or file; name a folder of")
    assert len(ended.stderr.splitlines()) == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
