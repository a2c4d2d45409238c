"""Two rounds of imbalanced public sets, with what is learnt between them: made once and kept.

Before the first round nobody knows what the others say; before the second everybody knows what
they said, and everybody has learnt from it. So this is what a liar can plan by.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from experiments.federation import Federation
from experiments.judgements import Case
from experiments.kept import CACHE, Arrays, kept
from experiments.limits.best_response import Opinions
from experiments.limits.imbalance import imbalanced
from services.samples import FloatArray, IndexArray
from services.scoring import Labels
from worker.data import labels_of

MOST_SAMPLES = 10_000  # of a round; fewer where not as many can have the shares


@dataclass(frozen=True)
class Setting:
    """Which federation plays.

    Attributes:
        case: the workers, and the public set that samples are taken from.
        targets: what they learn from the first round (FEDSERUM_TARGETS).
        shares: of the frequent class; for each the same trained workers play two rounds.
    """

    case: Case
    targets: str
    shares: tuple[float, ...]


@dataclass(frozen=True)
class TwoRounds:
    """What everybody thought.

    Attributes:
        first: of the first round's samples before it, [n, a].
        again: of the same samples after it, [n, a].
        second: of the second round's samples then, [n, b].
        accuracies: on the test samples before and after the first round, [2, n].
    """

    first: Opinions
    again: Opinions
    second: Opinions
    accuracies: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Played:
    """What a setting leaves.

    Attributes:
        own: what each worker says of its validation split before the first round, [k] each.
        own_truth: what that is, [k] each.
        rounds: of each share.
    """

    own: list[Labels]
    own_truth: list[Labels]
    rounds: list[TwoRounds]


def play(setting: Setting, cache: Path = CACHE) -> Played:
    """Read it, or train the setting's workers, let them play, and keep what they thought."""
    found = kept("two-rounds", setting, lambda: _make(setting), cache)
    ends = found["own_sizes"].cumsum()[:-1]
    return Played(
        own=np.split(found["own"], ends),
        own_truth=np.split(found["own_truth"], ends),
        rounds=[
            TwoRounds(
                **{
                    name: Opinions(found[f"{name}_{i}"], found[f"{name}_certainties_{i}"])
                    for name in ("first", "again", "second")
                },
                accuracies=found[f"accuracies_{i}"],
            )
            for i in range(len(setting.shares))
        ],
    )


def _make(setting: Setting) -> Arrays:
    case = setting.case
    data = case.data()
    truth = labels_of(data[1]).astype(np.uint16)
    federation = case.federation(data, targets=setting.targets)
    federation.train()
    validated = [study.validated() for study in federation.studies]
    found = {
        "own": np.concatenate([said for said, _ in validated]),
        "own_truth": np.concatenate([own_truth for _, own_truth in validated]),
        "own_sizes": np.array([len(said) for said, _ in validated]),
    }
    trained = federation.studies
    for i, share in enumerate(setting.shares):
        federation.studies = copy.deepcopy(trained)
        chosen = imbalanced(truth, federation.classes, share, case.seed)
        chosen = np.random.default_rng([case.seed, 10]).permutation(chosen)
        first, second = (half[:MOST_SAMPLES] for half in np.array_split(chosen, 2))
        for name, labels, certainties in _two_rounds(federation, first, second):
            found |= {f"{name}_{i}": labels, f"{name}_certainties_{i}": certainties}
        found[f"accuracies_{i}"] = federation.accuracies()
    return found


def _two_rounds(
    federation: Federation, first: IndexArray, second: IndexArray
) -> Iterator[tuple[str, Labels, FloatArray]]:
    yield "first", *_judge(federation, first)
    federation.play(first)
    yield "again", *_judge(federation, first)
    yield "second", *_judge(federation, second)


def _judge(federation: Federation, samples: IndexArray) -> tuple[Labels, FloatArray]:
    """Everybody's labels and certainties, [n, m] each."""
    said = [study.judge(samples) for study in federation.studies]
    labels, certainties = zip(*said, strict=True)
    return np.stack(labels), np.stack(certainties).astype(np.float32)
