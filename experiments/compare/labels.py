"""Rounds of labels, as the product plays them: each schedule from the same trained workers."""

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.compare.run import Data, Run
from experiments.compare.traffic import Traffic, of_round
from experiments.federation import Federation, deal
from experiments.judgements import N_WORKERS, Case
from services.settings import WorkerSettings, read_settings


@dataclass(frozen=True)
class Reading:
    """What a worker labels and what it learns from everybody's labels (docs/learning.md)."""

    name: str
    targets: str
    abstention: str | float


RECOMMENDED = Reading("corrected", "corrected", 0.85)
PAPER = Reading("majority", "majority", "none")
READINGS = {reading.name: reading for reading in (RECOMMENDED, PAPER)}


@dataclass(frozen=True)
class Schedule:
    """Rounds, each of as many fresh public samples."""

    n_rounds: int
    n_samples: int

    def name(self, reading: Reading) -> str:
        """As tables and plots call it."""
        return f"{self.n_rounds} x {self.n_samples:,} labels, {reading.name}"


def play(case: Case, data: Data, reading: Reading, schedules: Sequence[Schedule]) -> Iterator[Run]:
    """Train the workers of a case once, and let them play every schedule from there.

    Args:
        case: split, seed and epochs.
        data: of the case; the public samples suffice for the longest schedule.
        reading: the workers' settings.
        schedules: what to play.
    """
    started = time.monotonic()
    settings = read_settings(
        WorkerSettings,
        epochs=case.epochs,
        targets=reading.targets,
        abstention=reading.abstention,
    )
    federation = deal(*data, case.alpha, case.seed, settings, N_WORKERS)
    federation.train()
    trained, training_s = federation.studies, time.monotonic() - started
    for schedule in schedules:
        started = time.monotonic()
        federation.studies = copy.deepcopy(trained)
        traffic = _play(federation, schedule)
        yield Run(
            method=schedule.name(reading),
            alpha=case.alpha,
            seed=case.seed,
            accuracies=federation.accuracies().tolist(),
            traffic=traffic,
            n_public=schedule.n_rounds * schedule.n_samples,
            seconds=training_s + time.monotonic() - started,
        )


def _play(federation: Federation, schedule: Schedule) -> list[Traffic]:
    """Play it, each round on the next window of the public samples."""
    windows = np.arange(schedule.n_rounds * schedule.n_samples).reshape(schedule.n_rounds, -1)
    has_votes = federation.studies[0].wants_votes
    traffic = []
    for window in windows:
        played = federation.play(window)
        traffic.append(of_round(played.votes, played.global_labels, federation.classes, has_votes))
    return traffic
