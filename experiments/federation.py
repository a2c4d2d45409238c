"""A federation in memory: the workers of the product, their data dealt out, and no chain.

Every worker is a `Study` as `fedserum worker` runs it, with the same settings; only the majority is
taken here, by the code that the contract is tested against.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services import scoring, wire
from services.datasets import Dataset, IndexArray, dirichlet_split
from services.errors import DatasetError
from services.settings import WorkerSettings
from worker.data import WorkerData, labels_of
from worker.study import Study

LEAST_PRIVATE_SAMPLES = 10


@dataclass(frozen=True)
class Round:
    """What a round leaves.

    Attributes:
        votes: everybody's labels, uint16 [n, m].
        global_labels: their majority, uint16 [m].
        agreement: share of the votes that are the majority's.
        labelled: share of the samples that a worker labelled, over all.
    """

    votes: scoring.Labels
    global_labels: scoring.Labels
    agreement: float
    labelled: float


class Federation:
    """Workers on private data of their own, one public set, and one test set.

    Attributes:
        studies: the workers, [n].
        classes: C.
        split: private samples of each worker and class, [n, C].
    """

    def __init__(
        self,
        private: list[Dataset],
        public: Dataset,
        test: Dataset,
        settings: list[WorkerSettings],
        classes: int,
        folder: Path | None = None,
    ) -> None:
        if folder is None:  # what a study keeps for a restart is of no use then
            self._folder = tempfile.TemporaryDirectory(prefix="federation-")
            folder = Path(self._folder.name)
        self.classes = classes
        self.split = np.stack([np.bincount(labels_of(own), minlength=classes) for own in private])
        self.studies = [
            Study(
                WorkerData(own, Dataset(public.samples), test, classes),
                each,
                folder / f"{worker}.model",
            )
            for worker, (own, each) in enumerate(zip(private, settings, strict=True))
        ]

    def train(self) -> None:
        """Fit every worker to its private data."""
        for study in self.studies:
            study.train()

    def play(self, samples: IndexArray) -> Round:
        """Label public samples [m], take the majority, and learn from it."""
        votes = np.stack([study.label(samples) for study in self.studies])  # [n, m]
        counts = scoring.vote(votes, self.classes)
        global_labels = scoring.majority(counts, wire.abstain(self.classes))
        for study in self.studies:
            study.distil(samples, global_labels, votes)
        return Round(
            votes=votes,
            global_labels=global_labels,
            agreement=float(counts.max(1).sum() / max(counts.sum(), 1)),
            labelled=float((votes < self.classes).mean()),
        )

    def validation_accuracies(self) -> np.ndarray:
        """Of each worker on its own validation split, [n]."""
        return np.array([study.validation_accuracy() for study in self.studies])

    def accuracies(self) -> np.ndarray:
        """On the test samples: after training and after each round, [rounds + 1, n]."""
        return np.array([study.accuracies for study in self.studies]).T


def deal(
    private: Dataset,
    public: Dataset,
    test: Dataset,
    alpha: float,
    seed: int,
    settings: WorkerSettings,
    n_workers: int = 10,
    *,
    epochs: Sequence[int] = (),
    samples: Sequence[int] = (),
    folder: Path | None = None,
) -> Federation:
    """A federation whose private samples are dealt out by Dir(α) (section 5.1 of the paper).

    Args:
        private: all workers' samples together.
        public: the public set.
        test: to measure accuracy on.
        alpha: of the Dirichlet split.
        seed: of the split and of the workers' training.
        settings: the workers'; each gets a seed of its own.
        n_workers: number of workers.
        epochs: of each worker, [n]; none: as the settings say.
        samples: how many each worker keeps of the samples that it is dealt, [n]; none: all.
        folder: where learners are kept; who has one there is trained. None: nowhere.

    Raises:
        DatasetError: a worker is dealt fewer samples than it is to keep.
    """
    labels = labels_of(private)
    split = dirichlet_split(labels, n_workers, alpha, seed, LEAST_PRIVATE_SAMPLES)
    for worker, n_kept in enumerate(samples):
        if len(split[worker]) < n_kept:
            raise DatasetError(
                f"worker {worker} is to have {n_kept} samples, and is dealt {len(split[worker])}; "
                "take more private samples"
            )
        split[worker] = split[worker][:n_kept]
    changes: list[dict[str, int]] = [
        {"seed": seed * n_workers + worker} for worker in range(n_workers)
    ]
    for worker, n_epochs in enumerate(epochs):
        changes[worker]["epochs"] = n_epochs
    return Federation(
        [private.subset(indices) for indices in split],
        public,
        test,
        [settings.model_copy(update=change) for change in changes],
        int(labels.max()) + 1,
        folder,
    )
