"""`fedserum simulate`: the model, what it expects of each kind of worker, and what it refuses."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.simulate.__main__ import Question, report, run, simulate
from experiments.simulate.crowd import Crowd, confused_errors, even_errors
from experiments.simulate.outlook import Terms, expect, honest, lazy_by_prior, lazy_uniform
from fedserum import main
from services.errors import SettingsError

ROOT = Path(__file__).parents[2]
ARGUMENTS = ["--classes", "10", "--workers", "10", "--accuracy", "0.9", "--beta", "1"]
SKEWED = np.array([0.7, 0.2, 0.1])


def _crowd(accuracy: float = 0.8, errors: np.ndarray | None = None, samples: int = 4_000) -> Crowd:
    return Crowd(8, samples, accuracy, SKEWED, even_errors(3) if errors is None else errors)


def test_the_page_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/simulate.md has the answer to its example, to the last digit."""
    assert main(["simulate", *ARGUMENTS]) == 0
    assert capsys.readouterr().out in (ROOT / "docs" / "simulate.md").read_text(encoding="utf-8")


def test_every_argument_is_documented() -> None:
    """The page has a row for each field of the question."""
    page = (ROOT / "docs" / "simulate.md").read_text(encoding="utf-8")
    for name in Question.__dataclass_fields__:
        assert f"| `--{name.replace('_', '-')}` |" in page


def test_simulating_needs_no_torch_and_no_matplotlib() -> None:
    """Whoever plans a federation installs neither."""
    code = (
        "import sys, experiments.simulate.__main__; "
        "sys.exit(bool({'torch', 'matplotlib', 'web3'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_the_crowd_is_as_the_model_says() -> None:
    """Classes follow the prior, labels are right as often as said, errors go where they should."""
    errors = np.array([[0, 0.75, 0.25], [1, 0, 0], [0.5, 0.5, 0]])
    crowd = Crowd(1, 200_000, 0.6, SKEWED, errors)
    said = crowd.draw(np.random.default_rng(1))
    says = 0.6 * np.eye(3) + 0.4 * errors
    shares = np.bincount(said.labels[0], minlength=3) / crowd.samples
    assert shares == pytest.approx(SKEWED @ says, abs=0.005)
    assert said.certainties.mean() == pytest.approx(0.6, abs=0.005)
    assert said.certainties.min() >= 1 / 3


def test_labels_are_right_as_often_as_they_are_certain() -> None:
    """Of what a worker is 80 to 90 % certain, about 85 % is right."""
    crowd = Crowd(2, 200_000, 0.7, np.array([1.0, 0, 0]), even_errors(3))
    said = crowd.draw(np.random.default_rng(2))
    chosen = (said.certainties > 0.8) & (said.certainties < 0.9)
    assert (said.labels[chosen] == 0).mean() == pytest.approx(0.85, abs=0.01)


@pytest.mark.parametrize("accuracy", [1 / 3, 1.0])
def test_the_ends_of_accuracy_are_exact(accuracy: float) -> None:
    """Guessing and knowing everything are in the model, too."""
    labels = _crowd(accuracy, samples=50_000).draw(np.random.default_rng(3)).labels
    agreement = (labels[0] == labels[1]).mean()
    assert agreement == pytest.approx(1.0 if accuracy == 1 else 1 / 3, abs=0.01)


@pytest.mark.parametrize("conduct", [lazy_uniform, lazy_by_prior])
@pytest.mark.parametrize(("penalty", "peering"), [(1.0, 1), (1.4, 1), (0.5, 0)])
def test_lazy_labels_score_one_less_the_penalty(
    conduct: object, penalty: float, peering: int
) -> None:
    """Eq. 8, also where classes are imbalanced."""
    found = expect(_crowd(), Terms(penalty, peering, 0.5), conduct, 1, 30, 0)  # type: ignore[arg-type]
    assert found.score.mean == pytest.approx(1 - penalty, abs=0.02)


@pytest.mark.parametrize("errors", [None, confused_errors(3, 0.2, np.random.default_rng(5))])
@pytest.mark.parametrize("peering", [0, 1])
def test_honest_labels_score_what_the_closed_form_says(
    errors: np.ndarray | None, peering: int
) -> None:
    """Σ P(both say x) / R(x) - β, with even and with confused errors."""
    crowd = _crowd(0.75, errors, samples=20_000)
    found = expect(crowd, Terms(1.2, peering, 0.5), honest, 8, 5, 0)
    assert found.score.mean == pytest.approx(crowd.agreement() - 1.2, abs=0.02)
    assert found.gain.mean == pytest.approx(0, abs=1e-9)


def test_gains_grow_with_the_reward_scale_alone() -> None:
    """At twice λ everything is twice as much, and scores stay."""
    one, two = (
        simulate(Question(3, 6, 0.8, 1.0, reward_scale=scale, samples=500, runs=2))
        for scale in (0.25, 0.5)
    )
    for name in one:
        assert two[name].gain.mean == pytest.approx(2 * one[name].gain.mean, abs=1e-9)
        assert two[name].score == one[name].score


def test_who_is_less_honest_earns_less() -> None:
    """Honest workers gain beside each other kind, which loses."""
    found = simulate(Question(10, 10, 0.9, 1.0, samples=3_000, runs=4))
    assert found["lazy, uniform"].gain.mean == pytest.approx(-0.5, abs=0.01)
    for name, outlook in found.items():
        if name != "honest":
            assert outlook.gain.mean < 0 < outlook.others.mean  # type: ignore[union-attr]
    assert 0.9 < found["abstaining below 0.5"].labelled < 1


@pytest.mark.parametrize(
    ("changed", "advice"),
    [
        ({"beta": 0.5}, "lazy workers are paid; take β from 1 up to 8.11"),
        ({"beta": 9.0}, "nobody is paid; take β from 1 up to 8.11"),
        ({"accuracy": 0.1}, "no β tells them apart"),
        ({}, "any β from 1 up to 8.11 pays the honest alone"),
    ],
)
def test_the_advice_fits_the_penalty(changed: dict[str, float], advice: str) -> None:
    """It names the range in which honest workers earn and lazy ones do not."""
    fields = {"accuracy": 0.9, "beta": 1.0} | changed
    question = Question(10, 10, samples=500, runs=1, **fields)  # type: ignore[arg-type]
    assert advice in report(question, simulate(question)).splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--beta", "-1"], "argument --beta: expected a number from 0 to 18, found '-1'"),
        (["--accuracy", "nan"], "expected a number from 0 to 1, found 'nan'"),
        (["--accuracy", "0.05"], "guessing among 10 classes is right in 0.1 of the cases"),
        (["--workers", "3"], "a round with peering 1 pays from 4 workers on"),
        (["--lazy", "10"], "--lazy is 10 of 10 workers; leave at least one honest"),
        (["--prior", "0.5,0.5"], "--prior has 2 shares for 10 classes"),
        (["--prior", ",".join(["0.2"] * 10)], "--prior sums to 2; expected 1"),
        (["--speed", "1"], "unrecognized arguments: --speed 1"),
    ],
)
def test_bad_input_gets_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what was expected and what was found, and nothing else."""
    assert main(["simulate", *ARGUMENTS, *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_missing_arguments_are_named() -> None:
    """Four are required."""
    with pytest.raises(SettingsError, match="--classes, --workers, --accuracy, --beta"):
        run([])
