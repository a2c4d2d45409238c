"""Play everything and write its record: `make compare [PRIVATE=…] [FAST=1] [ARGS='--seeds 0 1 2']`.

One line for each method, split and seed; docs/compare.md is made of the record. What was trained is
kept in results/cache, so an interrupted run goes on where it was.
"""

import argparse
import os
import sys
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

from experiments.command import run
from experiments.compare import plots
from experiments.compare.labels import Schedule
from experiments.compare.run import Run
from experiments.compare.tasks import FAST, FULL, make_tasks, perform
from experiments.compare.traffic import image_bytes, networks
from experiments.jobs import Job, run_jobs
from experiments.judgements import Case
from experiments.kept import CACHE
from experiments.record import RESULTS, Record


def main() -> None:
    """Run, record, plot."""
    options = _options()
    size = FAST if options.fast else FULL
    case = Case(
        private=options.private,
        public=options.public,
        epochs=size.epochs,
        private_samples=size.private_samples,
        samples=max(each.n_rounds * each.n_samples for each in size.schedules),
        preprocessing="box",
    )
    tasks = list(make_tasks(case, size, options.alphas, options.seeds))
    run_jobs([Job(0, perform, task) for task in tasks], options.cache, options.jobs)
    runs = [run for task in tasks for run in perform(task, options.cache)]
    print(*map(_line, runs), sep="\n")
    numbers = {
        # What it is, not where it lies here.
        "case": asdict(replace(case, private=Path(case.private).name)),
        "flwr": version("flwr"),
        "runs": [asdict(run) for run in runs],
        "public_images": _public_images(case, size.schedules),
        "networks": [asdict(network) for network in networks()],
    }
    record = Record("compare", options.seeds, Path("runs") if options.fast else RESULTS)
    path = record.write(numbers)
    plots.save(numbers, record.folder)
    print(path)


def _public_images(case: Case, schedules: tuple[Schedule, ...]) -> list[dict[str, int]]:
    """Bytes of the public images, raw and compressed, by how many a worker needs."""
    _, public, _ = replace(case, preprocessing="none").data()
    found = []
    for n_samples in sorted({each.n_rounds * each.n_samples for each in schedules}):
        raw, compressed = image_bytes(public.samples[:n_samples])
        found.append({"samples": n_samples, "bytes": raw, "gzip_bytes": compressed})
    return found


def _line(run: Run) -> str:
    means = " ".join(f"{sum(each) / len(each):.4f}" for each in run.accuracies)
    split = "" if run.alpha is None else f"alpha {run.alpha:g}, "
    return f"{split}seed {run.seed}, {run.method}: {means} ({run.seconds:.0f} s)"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--private", required=True, help="as FEDSERUM_PRIVATE, such as a folder")
    parser.add_argument("--public", default="mnist-data", help="as FEDSERUM_PUBLIC")
    parser.add_argument("--alphas", type=float, nargs="+", help="100 1 0.1, with --fast 100 0.1")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--cache", type=Path, default=CACHE, help="what was made before")
    parser.add_argument("--fast", action="store_true", help="a tenth of everything, into runs/")
    options = parser.parse_args()
    options.alphas = options.alphas or ([100.0, 0.1] if options.fast else [100.0, 1.0, 0.1])
    return options


if __name__ == "__main__":
    sys.exit(run(main))
