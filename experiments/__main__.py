"""`python -m experiments figures`: the paper's figures."""

import argparse
import os
import sys
from pathlib import Path

from experiments.figures import FIGURES, make_figures
from experiments.kept import CACHE
from experiments.plan import fast, full
from experiments.record import RESULTS
from services.errors import FedserumError
from services.settings import PREFIX


def main() -> int:
    """Run one experiment; returns the exit code."""
    # Results are kept by what they depend on, which is not to include somebody's environment.
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    os.environ["OMP_NUM_THREADS"] = "1"  # of every process that is started
    options = _options()
    preprocessing = options.preprocessing
    plan = (fast if options.fast else full)(options.private, preprocessing)
    only = options.only.split(",") if options.only else list(FIGURES)
    parts = ["figures", *([] if preprocessing == "none" else [preprocessing])]
    parts += ["fast"] * options.fast + (["only", *only] if options.only else [])
    try:
        folder = make_figures(
            "-".join(parts), plan, only, options.jobs, options.cache, options.results
        )
    except FedserumError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"\n{folder}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="experiment")
    figures = verbs.add_parser("figures", help="Figures 3 to 8 of the paper")
    figures.add_argument("--private", default="torchvision:EMNIST:digits", help="private samples")
    figures.add_argument("--preprocessing", choices=["none", "box"], default="none")
    figures.add_argument("--fast", action="store_true", help="small, to see that it runs")
    figures.add_argument("--only", help=f"some of {','.join(FIGURES)}, with commas between")
    figures.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    figures.add_argument("--cache", type=Path, default=CACHE, help="what was made before")
    figures.add_argument("--results", type=Path, default=RESULTS, help="where the record goes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
