"""The paper's figures in one run: jobs, numbers, plots, and the record of all."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from experiments import figure3, figure4, figure5, figure6, figures7and8
from experiments.figure import Figure
from experiments.jobs import run_jobs
from experiments.kept import CACHE
from experiments.plan import Plan
from experiments.record import RESULTS, Record
from services.datasets import load, sha256

FIGURES: dict[str, Figure] = {
    "3": figure3.FIGURE,
    "4": figure4.FIGURE,
    "5": figure5.FIGURE,
    "6": figure6.FIGURE,
    "7": figures7and8.FIGURE7,
    "8": figures7and8.FIGURE8,
}


def make_figures(
    name: str,
    plan: Plan,
    only: Sequence[str] = tuple(FIGURES),
    n_processes: int = 1,
    cache: Path = CACHE,
    results: Path = RESULTS,
) -> Path:
    """Make what the cache lacks, draw, and write the record; prints every claim.

    Args:
        name: of the record.
        plan: sizes and data.
        only: which figures.
        n_processes: how many jobs at a time.
        cache: folder of what was made before.
        results: folder of records.

    Returns:
        The record's folder.
    """
    chosen = {number: FIGURES[number] for number in only}
    jobs = [job for figure in chosen.values() for job in figure.jobs(plan)]
    started = time.monotonic()
    n_before = len(list(cache.glob("*.npz")))
    run_jobs(jobs, cache, n_processes)
    record = Record(name, list(plan.seeds), results)
    found = {}
    for number, figure in chosen.items():
        numbers = figure.numbers(plan, cache)
        claims = figure.claims(numbers)
        print(f"\n{figure.title}")
        for claim in claims:
            print(f"  {'yes' if claim.holds else 'NO '}  {claim.text}: {claim.found}")
        found[number] = {
            "numbers": numbers,
            "claims": [asdict(claim) for claim in claims],
            "plots": figure.draw(numbers, record.folder),
        }
    private = load(plan.private)
    record.write(
        {
            "plan": asdict(plan),
            "private": {"samples": len(private), "sha256": sha256(private.samples)},
            "run": {
                "processes": n_processes,
                "seconds": round(time.monotonic() - started),
                "jobs": len(set(jobs)),
                "made": len(list(cache.glob("*.npz"))) - n_before,
            },
            "figures": found,
        }
    )
    return record.folder
