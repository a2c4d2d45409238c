"""What a figure of the paper is here: jobs, numbers made of their results, plots and words."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from experiments.jobs import Job
from experiments.plan import Plan
from experiments.summary import Claim, Numbers


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        title: what it shows.
        paper: the paper's claim, in our words.
        jobs: what has to be made for a plan.
        numbers: from what the cache has of it; JSON.
        claims: what it must show.
        draw: writes PNGs into a folder, and returns their names.
        tell: tables and what there is to say, in Markdown.
    """

    title: str
    paper: str
    jobs: Callable[[Plan], list[Job]]
    numbers: Callable[[Plan, Path], Numbers]
    claims: Callable[[Numbers], list[Claim]]
    draw: Callable[[Numbers, Path], list[str]]
    tell: Callable[[Numbers], str]
