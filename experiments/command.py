"""What every experiment's command does around the experiment."""

import os
import sys
from collections.abc import Callable

from services.errors import FedserumError
from services.settings import PREFIX


def run(experiment: Callable[[], object]) -> int:
    """Run it, by its own options alone; returns the exit code: 1 after an error, told in a line.

    Results are kept by what they depend on (`experiments.kept`), which is not to include somebody's
    environment.
    """
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    os.environ["OMP_NUM_THREADS"] = "1"  # of every process that is started
    try:
        experiment()
    except FedserumError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
