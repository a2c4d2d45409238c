"""One verb by hand: ``fedserum register``, ``fedserum commit predictions.npy`` and so on.

Settings come from the environment, like every verb's; the arguments take precedence.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from hand import verbs
from hand.predictions import read_array
from hand.status import status
from services import log as logging
from services.accounts import load_account, new_key
from services.errors import SettingsError
from services.settings import PREFIX, HandSettings, read_settings
from worker.federation import connect
from worker.identity import hold
from worker.journal import Journal
from worker.steps import Steps

VERBS = {
    "key": "Make a key: its address is what the federation's deployer lists as a member.",
    "register": "Join the federation with the task's deposit.",
    "commit": "Keep a round's labels in the journal and commit to them.",
    "reveal": "Open the commitment of the round.",
    "samples": "Write which public samples a round has, in its order, to a .npy file.",
    "labels": "Write the global labels of a settled round to a .npy file.",
    "status": "Say where the federation and you are, and what to do next.",
    "leave": "Leave before round 1 or between rounds, and take the balance along.",
    "withdraw": "Take the balance, once the federation is closed.",
    "keep": "Make the calls that are due and that nobody has made: end a phase, score, settle.",
}
WITHOUT_KEY_OR_STATE = ("labels",)


def run(arguments: Sequence[str]) -> None:
    """Take one step and say what was done and what is next.

    Args:
        arguments: the verb, one of `VERBS`, and its arguments.

    Raises:
        FedserumError: why the step was not taken, and what to do.
    """
    given = _parser(arguments[0]).parse_args(arguments[1:])
    named = {name: value for name, value in vars(given).items() if value is not None}
    names = set(HandSettings.model_fields)
    settings = read_settings(
        HandSettings, **{name: value for name, value in named.items() if name in names}
    )
    logging.configure(settings.log_level)
    sys.stdout.write(_take(arguments[0], given, settings) + "\n")


def _take(verb: str, given: Namespace, settings: HandSettings) -> str:
    """One verb; what it says."""
    if verb == "key":
        return _make_key(given.file or settings.key_file, settings.key_password_file)
    if verb == "labels":
        federation = connect(settings, None, 0)
        return verbs.labels(federation, given.round, given.output, given.votes)
    # Before anything else is asked: a file that cannot be read needs no node.
    array = read_array(given.file) if verb == "commit" and given.file else None
    with _steps(settings, is_alone=verb != "status") as steps:
        match verb:
            case "register":
                return verbs.register(steps, settings.members)
            case "commit":
                return verbs.commit(steps, array, settings.public_samples, settings.members)
            case "samples":
                return verbs.samples(
                    steps, given.round, settings.public_samples, settings.members, given.output
                )
            case "reveal":
                return verbs.reveal(steps)
            case "status":
                return status(steps)
            case "leave":
                return verbs.leave(steps)
            case "keep":
                return verbs.keep(steps.federation)
            case _:
                return verbs.withdraw(steps)


@contextmanager
def _steps(settings: HandSettings, is_alone: bool) -> Iterator[Steps]:
    """What the verbs act with; alone, it holds the state folder against other processes."""
    key_file, state_dir = settings.key_file, settings.state_dir
    if key_file is None or state_dir is None:
        missing = {"key-file": key_file, "state-dir": state_dir}
        names = [name for name, value in missing.items() if value is None]
        raise SettingsError(
            "set "
            + " and ".join(
                f"{PREFIX}{name.replace('-', '_').upper()} (or --{name})" for name in names
            )
            + ": your key, and the folder that keeps your labels until they are revealed"
        )
    account = load_account(key_file, settings.key_password_file)
    with hold(state_dir) if is_alone else nullcontext():
        federation = connect(settings, account, 0)
        chain = federation.chain
        journal = Journal(state_dir, chain.chain_id(), chain.genesis_hash(), federation.address)
        yield Steps(federation, account, federation.task(), journal)


def _make_key(file: Path | None, password_file: Path | None) -> str:
    if file is None:
        raise SettingsError(f"name the file to write: fedserum key new FILE, or {PREFIX}KEY_FILE")
    address = new_key(file, password_file).address
    copy = "keep a copy" if password_file is None else "keep a copy, and the password elsewhere"
    return (
        f"{file} holds the key of {address}; {copy}\n"
        "next: have the federation's deployer list that address, and send it the deposit and some "
        "ether for gas"
    )


def _parser(verb: str) -> ArgumentParser:
    parser = ArgumentParser(
        prog=f"fedserum {verb}",
        description=VERBS[verb],
        epilog="Without an option the environment's FEDSERUM_… holds: see docs/settings.md.",
    )
    if verb == "key":
        parser.add_argument("new", choices=["new"], help="make a new one")
        parser.add_argument("file", nargs="?", type=Path, help="to write (FEDSERUM_KEY_FILE)")
        _add_password(parser, "encrypts it with the password in this file, as a keystore")
        return parser
    parser.add_argument("--rpc", dest="rpc_url", metavar="URL", help="the chain node")
    parser.add_argument("--contract", metavar="0x…", help="the federation's address")
    parser.add_argument(
        "--orchestrator", dest="orchestrator_url", metavar="URL", help="where to learn the address"
    )
    if verb not in WITHOUT_KEY_OR_STATE:
        parser.add_argument("--key-file", metavar="FILE", help="your private key")
        _add_password(parser, "the password of your key, if that is an encrypted keystore")
        parser.add_argument("--state-dir", metavar="FOLDER", help="where the journal is kept")
    if verb == "commit":
        parser.add_argument(
            "file",
            nargs="?",
            type=Path,
            help=".npy file: class codes [n] (-1 abstains) or probabilities [n, C]; without one, "
            "what the journal holds is sent",
        )
        whole = "number of samples in the public set, if the file is for all of them"
        parser.add_argument("--public-samples", metavar="N", help=whole)
    if verb == "samples":
        parser.add_argument("--public-samples", metavar="N", help="samples in the public set")
    if verb in ("samples", "labels"):
        parser.add_argument(
            "-o", dest="output", type=Path, required=True, metavar="FILE", help=".npy file to write"
        )
        which = "the last one settled" if verb == "labels" else "the one that is on"
        parser.add_argument("--round", type=int, metavar="R", help=f"which ({which})")
    if verb == "labels":
        parser.add_argument("--votes", type=Path, metavar="FILE", help="write votes [m, C], too")
    return parser


def _add_password(parser: ArgumentParser, what: str) -> None:
    parser.add_argument("--password-file", dest="key_password_file", metavar="FILE", help=what)


if __name__ == "__main__":
    run(sys.argv[1:])
