"""What a comparison consists of; each part is kept on disk when it is done."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from experiments.compare import centralised, fedavg, labels
from experiments.compare.labels import READINGS, Schedule
from experiments.compare.run import Run
from experiments.compare.traffic import Traffic
from experiments.judgements import Case
from experiments.kept import CACHE, kept


@dataclass(frozen=True)
class Size:
    """How much of everything.

    Attributes:
        private_samples: of all workers together.
        epochs: passes over them, before the first round of labels and in each round of FedAvg.
        n_averages: rounds of FedAvg.
        schedules: rounds of labels.
        n_test: samples that accuracy is measured on.
    """

    private_samples: int
    epochs: int
    n_averages: int
    schedules: tuple[Schedule, ...]
    n_test: int


FULL = Size(20_000, 10, 10, (Schedule(1, 12_000), Schedule(1, 40_000), Schedule(5, 8_000)), 10_000)
# Too small to say anything: shows that it runs.
FAST = Size(4_000, 15, 2, (Schedule(1, 1_500), Schedule(2, 750)), 1_000)


@dataclass(frozen=True)
class Task:
    """What one process does: FedAvg, centralised training, or the schedules of one reading."""

    kind: str
    case: Case
    size: Size

    def runs(self) -> list[Run]:
        """Do it."""
        private, public, test = self.case.data()
        data = private, public, test.subset(np.arange(self.size.n_test))
        if self.kind == "FedAvg":
            return [fedavg.average(self.case, data, self.size.n_averages)]
        if self.kind == "centralised":
            # Once as long as a worker trains alone, once as long as FedAvg does in all its rounds.
            epochs = self.size.epochs
            lengths = (epochs, epochs * self.size.n_averages)
            return [centralised.train(self.case, data, each) for each in lengths]
        return list(labels.play(self.case, data, READINGS[self.kind], self.size.schedules))


def make_tasks(case: Case, size: Size, alphas: list[float], seeds: list[int]) -> Iterator[Task]:
    """What takes longest comes first, so that no process is left alone with it."""
    splits = [replace(case, alpha=alpha, seed=seed) for alpha in alphas for seed in seeds]
    for seed in seeds:
        yield Task("centralised", replace(case, seed=seed), size)
    for kind in (*READINGS, "FedAvg"):
        for split in splits:
            yield Task(kind, split, size)


def perform(task: Task, cache: Path = CACHE) -> list[Run]:
    """Do a task and keep its runs, or read them."""
    found = kept("compare", task, lambda: {"runs": _to_json(task.runs())}, cache)
    return [
        Run(**each | {"traffic": [Traffic(**exchange) for exchange in each["traffic"]]})
        for each in json.loads(str(found["runs"]))
    ]


def _to_json(runs: list[Run]) -> str:
    return json.dumps([asdict(run) for run in runs])
