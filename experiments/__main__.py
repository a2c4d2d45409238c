"""`python -m experiments figures`: the paper's figures (`make figures`)."""

import argparse
import os
import sys
from pathlib import Path

from experiments.command import run
from experiments.figures import FIGURES, make_figures
from experiments.kept import CACHE
from experiments.plan import fast, full
from experiments.record import RESULTS
from services.datasets import MNIST_DATA

EMNIST = "torchvision:EMNIST:digits"


def main() -> int:
    """Run one experiment; returns the exit code."""
    options = _parser().parse_args()
    return run(lambda: print(f"\n{options.run(options)}"))


def _figures(options: argparse.Namespace) -> Path:
    private = options.private or (MNIST_DATA if options.fast else EMNIST)
    plan = (fast if options.fast else full)(private, options.preprocessing)
    only = list(dict.fromkeys(options.only.split(","))) if options.only else list(FIGURES)
    parts = ["figures"] + [options.preprocessing] * (options.preprocessing != "none")
    parts += ["fast"] * options.fast + (["only", *only] if options.only else [])
    return make_figures("-".join(parts), plan, only, options.jobs, options.cache, options.results)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="experiment")
    figures = verbs.add_parser("figures", help="Figures 3 to 8 of the paper")
    figures.set_defaults(run=_figures)
    figures.add_argument(
        "--private", help=f"private samples; default {EMNIST}, with --fast {MNIST_DATA}"
    )
    figures.add_argument("--preprocessing", choices=["none", "box"], default="none")
    figures.add_argument("--fast", action="store_true", help="small, to see that it runs")
    figures.add_argument("--only", help=f"some of {','.join(FIGURES)}, with commas between")
    figures.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    figures.add_argument("--cache", type=Path, default=CACHE, help="what was made before")
    figures.add_argument("--results", type=Path, default=RESULTS, help="where the record goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
