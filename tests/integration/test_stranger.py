"""Strangers with nothing but the protocol's page and the contract's ABI play whole federations.

Every number that the contract shows is compared with the strangers' own arithmetic, to the last
bit (`stranger.py`, `stranger_ledger.py`, `stranger_stage.py`, `stranger_round.py`). Only the
fixture, which starts a chain, is the project's: a failure means that page and contract parted.
"""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stranger_round import Opening, Round
from stranger_stage import CLOSED, COMMIT, Stage

WITHHELD, WRONG_LABEL_COUNT = range(2)


@dataclass(frozen=True)
class Play:
    """Who does what, by place among the strangers; everybody else labels honestly."""

    n_strangers: int
    task: dict[str, Any]
    withholds: int = 0  # in round 1: slashed after the deadline
    leaves: int = 1  # in Commit of round 2
    guesses: int | None = None  # in every round
    lies: int | None = None  # in round 1, about its label count
    idles: int | None = None  # in round 2: neither commits nor leaves
    noise: tuple[float, ...] = (0.1, 0.1)  # share of random labels, round by round
    pays: bool = True  # whether anybody earns something in round 1
    n_rounds: int = 2  # that are played before the federation closes


PLAYS = {
    "committees of two in leagues": Play(6, {"committee": 2}),
    "committees of two without leagues": Play(
        5, {"committee": 2, "peering": 0, "min_workers": 3, "classes": 47}
    ),
    "everyone in leagues, stopped by agreement": Play(
        6,
        {"chunk_samples": 512, "classes": 15, "rounds": 9, "stop_agreement_wad": 9 * 10**17},
        noise=(0.6, 0.0),
    ),
    "everyone without leagues, one guesses, one lies": Play(
        6, {"peering": 0, "min_workers": 3}, guesses=2, lies=3
    ),
    "no score above 0, then void by commits": Play(
        5, {"penalty_wad": 18 * 10**18}, idles=3, pays=False
    ),
    "void by reveals": Play(5, {}, lies=3, n_rounds=1),
}


def play_round(stage: Stage, play: Play) -> None:
    """One round: commit, reveal, aggregate, settle, with whoever misbehaves in it."""
    now = Round(stage)
    now.check_assignment()

    def cast(place: int | None, round_number: int) -> str | None:
        return stage.members[place] if place is not None and round_number == now.number else None

    withholder, liar = cast(play.withholds, 1), cast(play.lies, 1)
    leaver, idler = cast(play.leaves, 2), cast(play.idles, 2)
    guesser = cast(play.guesses, now.number)
    if now.number == 1:
        stage.fund(12_345_678_901)
    if leaver is not None:
        now.leave(leaver)
    for worker in now.ring:
        if worker in (leaver, idler):
            continue
        opening = now.label(worker, 1.0 if worker == guesser else play.noise[now.number - 1])
        if worker == liar:
            count = [opening.label_count[0] + 1, *opening.label_count[1:]]
            opening = Opening(opening.labels, count, opening.salt)
        now.commit(worker, opening)
    if idler is not None:
        assert stage.show("phase") == COMMIT
        stage.pass_deadline()
    if now.is_void(now.openings):
        now.void()
        return

    now.check_reveal_opened()
    for worker in now.openings:
        if worker == withholder:
            continue
        now.reveal(worker)
        if worker == liar:
            now.check_slashed(worker, WRONG_LABEL_COUNT)
        else:
            now.check_revealed(worker)
    if withholder is not None:
        stage.pass_deadline()
        now.check_slashed(withholder, WITHHELD)
    if now.is_void(now.revealed):
        now.void()
        return

    now.check_aggregation_opened()
    now.aggregate()
    rewards = now.settle()
    if now.number == 1:
        assert any(rewards.values()) == (max(now.scores.values()) > 0) == play.pays


@pytest.mark.parametrize("name", PLAYS)
def test_the_page_is_enough_to_take_part(node: Any, name: str) -> None:
    """From registration to the last withdrawal the contract shows what strangers compute."""
    play = PLAYS[name]
    stage = Stage(node, play.n_strangers, **play.task)
    stage.register()
    n_rounds = 0
    while stage.show("phase") != CLOSED:
        play_round(stage, play)
        n_rounds += 1
    assert n_rounds == play.n_rounds
    stage.pay_out()


def test_strangers_import_nothing_of_the_project() -> None:
    """The page is the only thing that the stranger's client shares with ours."""
    folders = {"services", "worker", "orchestrator", "demo", "conftest"}
    files = list(Path(__file__).parent.glob("stranger*.py"))
    assert len(files) == 4
    for file in [*files, Path(__file__)]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & folders, file.name
