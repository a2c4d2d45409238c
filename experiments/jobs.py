"""Runs what an experiment needs, a few processes at a time, with a progress bar.

A job keeps its own result (`experiments.kept`), so an interrupted run has lost only what was under
way. Every process is single-threaded: two of these are faster than one with two threads.
"""

import logging
import multiprocessing
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import torch
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


@dataclass(frozen=True)
class Job:
    """Something to make and keep.

    Attributes:
        stage: no job starts before all of the stages below have ended.
        make: takes `of` and the cache's folder; importable, and keeps its result itself.
        of: what it depends on, hashable.
    """

    stage: int
    make: Callable[[Any, Path], object]
    of: Any


def run_jobs(jobs: Iterable[Job], cache: Path, n_processes: int) -> float:
    """Run every job once, and return the seconds that took.

    Raises:
        Exception: whatever a job raised; those that have not started are not, then.
    """
    unique = list(dict.fromkeys(jobs))  # two figures may need the same
    started = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with (
        # Not by fork, which torch's threads do not survive.
        ProcessPoolExecutor(
            n_processes, multiprocessing.get_context("spawn"), initializer=_prepare
        ) as processes,
        Progress(*columns) as progress,
    ):
        for stage in sorted({job.stage for job in unique}):
            of_stage = [job for job in unique if job.stage == stage]
            bar = progress.add_task(f"stage {stage}", total=len(of_stage))
            futures = [processes.submit(_run, job, cache) for job in of_stage]
            try:
                for future in as_completed(futures):
                    future.result()
                    progress.advance(bar)
            except BaseException:
                processes.shutdown(wait=False, cancel_futures=True)
                raise
    return time.monotonic() - started


def _prepare() -> None:
    torch.set_num_threads(1)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def _run(job: Job, cache: Path) -> None:
    job.make(job.of, cache)  # what it returns stays in the cache
