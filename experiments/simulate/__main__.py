"""Tell what workers may expect before a federation is started: `fedserum simulate --help`.

Neither data nor a chain is needed: labels are drawn by a model, scored and paid as the contract
would (docs/simulate.md).
"""

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from experiments.simulate.crowd import Crowd, confused_errors, even_errors
from experiments.simulate.outlook import (
    Conduct,
    Outlook,
    Terms,
    abstaining_below,
    colluding_by_map,
    colluding_by_seed,
    expect,
    honest,
    lazy_by_prior,
    lazy_uniform,
)
from services.arguments import within
from services.errors import SettingsError

ROW = "{:<26}{:>8}{:>10}{:>19}{:>19}{:>17}"
COLUMNS = ("", "workers", "labelled", "score per sample", "gain in deposits", "honest gain")


@dataclass(frozen=True)
class Question:
    """What federation to look at; fields as the arguments."""

    classes: int
    workers: int
    accuracy: float
    beta: float
    reward_scale: float = 0.5
    samples: int = 10_000
    peering: int = 1
    prior: tuple[float, ...] = ()
    confusion: float | None = None
    lazy: int = 1
    colluding: int = 2
    abstain_below: float = 0.5
    runs: int = 20
    seed: int = 0

    def crowd(self) -> Crowd:
        """Its honest workers.

        Raises:
            SettingsError: the numbers do not fit one another.
        """
        self._check()
        prior = np.array(self.prior or [1 / self.classes])
        if len(prior) == 1:
            rest = (1 - prior[0]) / (self.classes - 1)
            prior = np.array([prior[0], *[rest] * (self.classes - 1)])
        random = np.random.default_rng(self.seed)
        errors = (
            even_errors(self.classes)
            if self.confusion is None
            else confused_errors(self.classes, self.confusion, random)
        )
        return Crowd(self.workers, self.samples, self.accuracy, prior / prior.sum(), errors)

    def conducts(self) -> dict[str, tuple[Conduct, int]]:
        """What workers may do, and how many of them do it."""
        return {
            "honest": (honest, self.workers),
            "lazy, uniform": (lazy_uniform, self.lazy),
            "lazy, by prior": (lazy_by_prior, self.lazy),
            "colluding, two classes": (colluding_by_map, self.colluding),
            "colluding, shared seed": (colluding_by_seed, self.colluding),
            f"abstaining below {self.abstain_below:g}": (abstaining_below(self.abstain_below), 1),
        }

    def _check(self) -> None:
        least = 4 if self.peering else 3
        if self.workers < least:
            raise SettingsError(
                f"--workers is {self.workers}, but a round with peering {self.peering} pays from "
                f"{least} workers on"
            )
        if self.accuracy < 1 / self.classes:
            raise SettingsError(
                f"--accuracy is {self.accuracy:g}, but guessing among {self.classes} classes is "
                f"right in {1 / self.classes:.4g} of the cases; give at least that"
            )
        for name, number in (("lazy", self.lazy), ("colluding", self.colluding)):
            if number >= self.workers:
                raise SettingsError(
                    f"--{name} is {number} of {self.workers} workers; leave at least one honest"
                )
        if len(self.prior) > 1 and len(self.prior) != self.classes:
            raise SettingsError(
                f"--prior has {len(self.prior)} shares for {self.classes} classes; give one for "
                "each, or that of the first alone"
            )
        if len(self.prior) > 1 and abs(sum(self.prior) - 1) > 1e-6:
            raise SettingsError(f"--prior sums to {sum(self.prior):g}; expected 1")


def run(arguments: Sequence[str] = ()) -> None:
    """Print what workers may expect.

    Raises:
        SettingsError: the arguments make no federation.
    """
    question = Question(**vars(_parser().parse_args(arguments)))
    sys.stdout.write(report(question, simulate(question)))


def simulate(question: Question) -> dict[str, Outlook]:
    """Play every kind of conduct.

    Raises:
        SettingsError: the numbers do not fit one another.
    """
    crowd = question.crowd()
    terms = Terms(question.beta, question.peering, question.reward_scale)
    return {
        name: expect(crowd, terms, conduct, workers, question.runs, question.seed)
        for name, (conduct, workers) in question.conducts().items()
    }


def report(asked: Question, found: dict[str, Outlook]) -> str:
    """A sentence, a table and an advice."""
    crowd = asked.crowd()
    lines = [
        f"{asked.workers} workers, {asked.samples:,} samples of {asked.classes} classes, the most "
        f"frequent {crowd.prior.max():.0%}; right in {asked.accuracy:.0%}; β = {asked.beta:g}, "
        f"λ = {asked.reward_scale:g}, peering {asked.peering}",
        "each row is a federation of its own, with that many of the kind among honest workers",
        "",
        ROW.format(*COLUMNS),
        *(_row(name, outlook) for name, outlook in found.items()),
        "",
        f"mean ± standard deviation of one worker in one round, over {asked.runs} rounds",
        _advice(asked, crowd, found),
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, outlook: Outlook) -> str:
    score, gain, others = outlook.score, outlook.gain, outlook.others
    return ROW.format(
        name,
        outlook.workers,
        f"{outlook.labelled:.1%}",
        f"{_zero(score.mean, 3)} ± {score.deviation:.3f}",
        f"{_zero(gain.mean, 4)} ± {gain.deviation:.4f}",
        "" if others is None else _zero(others.mean, 4),
    ).rstrip()


def _zero(value: float, digits: int) -> str:
    """With a sign, but never minus zero."""
    return f"{round(value, digits) + 0.0:+.{digits}f}"


def _advice(asked: Question, crowd: Crowd, found: dict[str, Outlook]) -> str:
    agreement, lazy = crowd.agreement(), found["lazy, uniform"]
    rule = f"lazy labels score 1 - β on average, honest ones {agreement:.2f} - β"
    if agreement < 1 + 1e-6:
        return f"advice: {rule}: no β tells them apart; find better workers"
    if asked.beta < 1:
        return f"advice: {rule}: lazy workers are paid; take β from 1 up to {agreement:.2f}"
    if asked.beta >= agreement:
        return f"advice: {rule}: nobody is paid; take β from 1 up to {agreement:.2f}"
    assert lazy.others is not None  # noqa: S101  (`_check` leaves one honest)
    return (
        f"advice: {rule}: any β from 1 up to {agreement:.2f} pays the honest alone; beside "
        f"{asked.lazy} lazy an honest worker gains {lazy.others.mean:+.3f} deposits, a lazy one "
        f"{lazy.gain.mean:+.3f}"
    )


class _Parser(ArgumentParser):
    """Says what is wrong in one line, as every verb does."""

    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{message}; see fedserum simulate --help")


def _parser() -> ArgumentParser:
    parser = _Parser(
        prog="fedserum simulate",
        description="Show what honest, lazy, colluding and abstaining workers may expect.",
        epilog="A model draws the labels (docs/simulate.md); scores and pay are the contract's.",
    )

    def add(name: str, parse: Callable[[str], object], metavar: str, text: str) -> None:
        default = getattr(Question, name, None)
        parser.add_argument(
            "--" + name.replace("_", "-"),
            type=parse,
            metavar=metavar,
            required=not hasattr(Question, name),
            default=default,
            help=text if not default else f"{text} ({default:g})",
        )

    add("classes", within(int, 2, 1023), "C", "number of classes")
    add("workers", within(int, 3, 768), "N", "everybody")
    add("accuracy", within(float, 0, 1), "A", "share of honest labels that are right")
    add("beta", within(float, 0, 18), "β", "penalty of every label")
    add("reward_scale", within(float, 1e-6, 1), "λ", "share of the deposit that is at stake")
    add("samples", within(int, 1, 1_000_000), "M", "public samples per round")
    add("peering", within(int, 0, 1), "P", "0: scored against all, 1: the other league")
    add("prior", _shares, "S[,S…]", "share of the first class, or of each; all alike by default")
    add("confusion", within(float, 1e-3, 1e6), "K", "errors by Dir(K), not evenly")
    add("lazy", within(int, 1, 767), "L", "workers who do not look")
    add("colluding", within(int, 1, 767), "K", "workers who collude")
    add("abstain_below", within(float, 0, 1), "T", "certainty below which one labels nothing")
    add("runs", within(int, 1, 10_000), "R", "rounds to play")
    add("seed", within(int, 0, 2**32 - 1), "S", "of the draws")
    return parser


def _shares(text: str) -> tuple[float, ...]:
    return tuple(within(float, 0, 1)(each) for each in text.split(","))


if __name__ == "__main__":
    run(sys.argv[1:])
