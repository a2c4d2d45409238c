"""Measure where the mechanism breaks: `make limits PRIVATE=… [FAST=1]`.

What trained workers say is kept in results/cache, where the figures' runs find it, too.
"""

import logging
import os
import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

import structlog

from experiments.command import run
from experiments.jobs import Job, run_jobs
from experiments.judgements import judgements
from experiments.kept import CACHE
from experiments.limits.figures import draw_all
from experiments.limits.page import page
from experiments.limits.plan import TARGETS, Plan, fast
from experiments.limits.study import measure
from experiments.limits.two_rounds import play
from experiments.record import RESULTS, Record

PAGE = Path("docs") / "limits.md"


def main() -> None:
    """Measure, then write record, plots and, at full size, the page."""
    options = _options()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    plan = Plan(options.private, options.preprocessing)
    if options.fast:
        plan = fast(plan)
    cache = options.cache
    federations = [(alpha, seed) for alpha in plan.alphas for seed in plan.seeds]
    jobs = [Job(1, judgements, plan.case(*each)) for each in federations]
    jobs += [Job(1, play, plan.setting(*each, way)) for each in federations for way in TARGETS]
    run_jobs(jobs, cache, options.jobs)
    started = time.monotonic()

    def progress(text: str) -> None:
        print(f"{time.monotonic() - started:6.0f} s  {text}", file=sys.stderr, flush=True)

    numbers = measure(
        plan,
        lambda alpha, seed: judgements(plan.case(alpha, seed), cache),
        lambda alpha, seed, targets: play(plan.setting(alpha, seed, targets), cache),
        progress,
    )
    name = "limits-fast" if options.fast else "limits"
    record = Record(name, list(plan.seeds), options.results)
    path = record.write(numbers)
    draw_all(numbers, record.folder)
    progress(f"wrote {path}")
    if not options.fast:
        PAGE.write_text(page(path), encoding="utf-8")
        progress(f"wrote {PAGE}")


def _options() -> Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--private", required=True, help="as FEDSERUM_PRIVATE, such as a folder")
    parser.add_argument("--preprocessing", choices=["none", "box"], default="none")
    parser.add_argument("--fast", action="store_true", help="small; the numbers mean little")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--cache", type=Path, default=CACHE, help="what trained workers say")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the record goes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(run(main))
