"""``python -m soak --rounds 50 --seed 0``: a federation under random faults, and what it came to.

Ends with 1 if anything is wrong: a round that did not settle, an honest worker slashed, a wei lost,
an audit that disagrees, a process that needed a hand, or memory that grew.
"""

import json
import shutil
import signal
import socket
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from demo.processes import SIGNALS
from services import log as logging
from services.arguments import within
from services.errors import FedserumError
from soak.plan import MEAN_FAULTS, draw
from soak.run import Options, Run

SECONDS_A_ROUND = 27.0  # that the run has, on average
SECONDS_BESIDES = 150.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0 if nothing is wrong, 1 otherwise."""
    parser = ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--rounds", type=within(int, 1, 1000), default=50)
    parser.add_argument("--seed", type=within(int, 0, 2**32), default=0)
    parser.add_argument("--faults", type=within(float, 0, 10), default=MEAN_FAULTS, help="a round")
    parser.add_argument("--workers", type=within(int, 4, 32), default=Options.workers)
    parser.add_argument("--samples", type=within(int, 1, 10_000), default=Options.samples)
    parser.add_argument("--window", type=within(int, 5, 600), default=Options.window_s)
    parser.add_argument(
        "--minutes", type=within(float, 1, 600), help="at most; half a one a round if not given"
    )
    parser.add_argument("--out", type=Path, default=Path("runs"))
    given = parser.parse_args(arguments)
    for number in SIGNALS:
        signal.signal(number, _interrupt)
    logging.configure("error")
    options = Options(
        rounds=given.rounds,
        workers=given.workers,
        samples=given.samples,
        window_s=given.window,
        seed=given.seed,
        limit_s=60 * given.minutes
        if given.minutes
        else SECONDS_A_ROUND * given.rounds + SECONDS_BESIDES,
    )
    folder = given.out / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}-soak"
    folder.mkdir(parents=True)
    print(f"record in {folder}", flush=True)
    plan = draw(options.rounds, options.workers, options.seed, given.faults)
    run = Run(options, folder, (_free_port(), _free_port()))
    try:
        report = run.play(plan)
    except FedserumError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder / "home", ignore_errors=True)  # keys, and copies of data sets
    content = report.to_json() | {"samples": [vars(sample) for sample in run.memory.samples]}
    (folder / "report.json").write_text(json.dumps(content, indent=1) + "\n")
    print("\n".join(report.lines()))
    return 1 if report.problems() else 0


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _interrupt(number: int, frame: FrameType | None) -> None:
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
