"""The `fedserum` command: names every verb and hands over.

Settings come from environment variables (docs/settings.md); `audit`, `cost`, `simulate`, `dataset`
and the verbs by hand take arguments.
"""

import sys
from collections.abc import Sequence

from services.errors import FedserumError

BY_HAND = (
    *("key", "register", "samples", "commit", "reveal"),
    *("labels", "status", "leave", "withdraw", "keep"),
)

USAGE = """\
usage: fedserum VERB

  worker         take part in a federation: train, label, commit, reveal, distil
  orchestrator   deploy a federation, keep its rounds going, answer over HTTP
  prepare        make keys, members, task and data for a federation on one host
  demo           run a whole federation on this host and show it
  audit          recompute every round from the chain: audit [--rpc URL] [--contract 0x…]
  dataset        the hash of a data set, or what is in it: dataset hash|show SOURCE
  cost           what a federation will cost on chain: cost --help
  simulate       what workers may expect of a federation: simulate --help

by hand, with labels from any pipeline (docs/by-hand.md; VERB --help):

  key            make a key: key new FILE
  register       join with the deposit
  samples        which public samples a round has: samples -o indices.npy
  commit         commit to a round's labels: commit predictions.npy
  reveal         reveal them
  labels         fetch the majority's labels: labels -o global.npy
  status         where the federation and you are, and what to do next
  leave          leave before or between rounds
  withdraw       take the balance of a closed federation
  keep           make the calls that are due and that nobody has made

Every setting is an environment variable FEDSERUM_…; docs/settings.md lists them.
"""


def main(arguments: Sequence[str] = tuple(sys.argv[1:])) -> int:
    """Run one verb; returns the exit code: 0 done, 1 failed with a message, 2 misused."""
    verb = arguments[0] if len(arguments) == 1 else ""
    try:
        if tuple(arguments[:1]) == ("audit",):
            from audit.__main__ import run as audit

            audit(arguments[1:])
            return 0
        if tuple(arguments[:1]) == ("cost",):
            from cost.__main__ import run as cost

            cost(arguments[1:])
            return 0
        if tuple(arguments[:1]) == ("simulate",):
            from experiments.simulate.__main__ import run as simulate

            simulate(arguments[1:])
            return 0
        if tuple(arguments[:1]) == ("dataset",):
            from services.dataset_command import run as dataset

            dataset(arguments[1:])
            return 0
        if arguments and arguments[0] in BY_HAND:
            from hand.__main__ import run as by_hand

            by_hand(arguments)
            return 0
        if verb == "worker":
            from worker.__main__ import run
        elif verb == "orchestrator":
            from orchestrator.__main__ import run
        elif verb == "prepare":
            from demo.prepare import run
        elif verb == "demo":
            from demo.__main__ import run
        else:
            is_help = verb in ("help", "--help")
            print(USAGE, end="", file=sys.stdout if is_help else sys.stderr)
            return 0 if is_help else 2
        run()
    except FedserumError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201  (the command's last word)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
