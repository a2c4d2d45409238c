"""Audit one federation: ``fedserum audit --rpc URL --contract 0x…``.

Settings come from the environment, like every verb's; the arguments take precedence.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from audit import views
from audit.ledger import Ledger
from audit.reader import read
from audit.replay import Replay
from audit.round import Round
from audit.state import State
from services import log as logging
from services.chain import Chain, Federation, verify_contract
from services.settings import AuditSettings, read_settings

ROW = "{:>5}  {:<7}  {:>7}  {:>9}  {:>8}  {:>7}  {:>9}  {:>26}\n"
HEADINGS = ("round", "state", "workers", "committed", "revealed", "slashed", "agreement")


def run(arguments: Sequence[str] = ()) -> None:
    """Recompute a federation from its chain and print a table of its rounds.

    Raises:
        AuditError: the first difference.
        FedserumError: the chain cannot be read.
    """
    settings = read_settings(AuditSettings, **_parse(arguments))
    logging.configure(settings.log_level)
    sys.stdout.write(audit(settings))


def audit(settings: AuditSettings) -> str:
    """Recompute a federation from its chain; the table of its rounds.

    Raises:
        AuditError: the first difference.
        FedserumError: the chain cannot be read.
    """
    chain = Chain.of(settings)
    verify_contract(chain, settings.contract, settings.code_hash)
    last = chain.block_number()
    federation = Federation(chain, settings.contract, at_block=last)
    ledger = read(federation, settings.from_block, last, settings.members)
    replay = Replay(ledger)
    state = replay.run()
    views.compare(state, federation)
    return _report(ledger, state, replay.unproven)


def _parse(arguments: Sequence[str]) -> dict[str, str]:
    """The settings that the command line gives."""
    parser = ArgumentParser(
        prog="fedserum audit",
        description="Recompute every round of a federation from chain data alone.",
        epilog="Without an option the environment's FEDSERUM_… holds: see docs/settings.md.",
    )
    parser.add_argument("--rpc", dest="rpc_url", metavar="URL", help="the chain node")
    parser.add_argument("--contract", metavar="0x…", help="the federation's address")
    parser.add_argument("--from-block", metavar="N", help="a block at or before the deployment (0)")
    given = vars(parser.parse_args(arguments))
    return {name: value for name, value in given.items() if value is not None}


def _report(ledger: Ledger, state: State, unproven: int) -> str:
    """The table of an audit that found no difference."""
    lines = [
        f"{ledger.contract} on chain {ledger.chain_id}, up to block {ledger.block_number}: "
        f"{state.phase.name.lower()}, {len(ledger.events)} events\n",
        ROW.format(*HEADINGS, "pool in wei"),
        *map(_row, state.rounds),
    ]
    if ledger.members is None:
        lines.append("not checked: who is a member (no description on chain; FEDSERUM_MEMBERS)\n")
    if unproven:
        lines.append(f"not checked: {unproven} openings that another contract made\n")
    return "".join([*lines, "everything agrees\n"])


def _row(played: Round) -> str:
    is_settled = played.state == "settled"
    return ROW.format(
        played.number,
        played.state,
        len(played.ring),
        len(played.commitments),
        len(played.counts),
        len(played.slashed),
        f"{played.agreement_wad // 10**14 / 100:.2f}%" if is_settled else "-",
        played.pool_wei if is_settled else "-",
    )


if __name__ == "__main__":
    run(sys.argv[1:])
