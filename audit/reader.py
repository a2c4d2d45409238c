"""Reads a federation's ledger from a node: events, block headers, the data of reveals.

Nothing is believed for having been asked of the contract: its views are compared in ``views.py``.
"""

from audit.ledger import Ledger
from services.chain import Event, Federation, SlashReason
from services.errors import ChainError, ChainUnreachableError
from services.membership import read_members
from services.task import Task


def read(federation: Federation, from_block: int, to_block: int, source: str | None) -> Ledger:
    """Read everything up to a block.

    Args:
        federation: the contract, whose views answer as of ``to_block``.
        from_block: a block at or before the deployment.
        to_block: the last block.
        source: the task's description; None: the one inside ``task.uri``, if it is there.

    Raises:
        ChainError: the node does not have every event.
        MembershipError: the description is not the contract's.
    """
    task, chain = federation.task(), federation.chain
    try:
        events = federation.events(from_block, to_block)
    except ChainUnreachableError:
        raise
    except ChainError as error:
        raise ChainError(f"{error}; {_ask_another(from_block)}") from error
    _require_whole(federation, events, from_block)
    return Ledger(
        chain_id=chain.chain_id(),
        contract=federation.address,
        block_number=to_block,
        task=task,
        members=_members(task, source),
        events=events,
        headers={number: chain.header(number) for number in {e.block_number for e in events}},
        calls={
            transaction_hash: chain.call(transaction_hash)
            for transaction_hash in {e.transaction_hash for e in events if _is_reveal(e)}
        },
    )


def _is_reveal(event: Event) -> bool:
    """Whether a call of ``reveal`` caused it, be it a right or a wrong one."""
    is_slash = event.name == "Slashed"
    return event.name == "Revealed" or (
        is_slash and event.args["reason"] == SlashReason.WRONG_LABEL_COUNT
    )


def _members(task: Task, source: str | None) -> frozenset[str] | None:
    if source is None and not task.uri.startswith("data:"):
        return None
    return frozenset(read_members(task, source))


def _require_whole(federation: Federation, events: list[Event], from_block: int) -> None:
    """A node that forgets answers with fewer events, not with an error."""
    opened = {event.args["round"] for event in events if event.name == "RoundOpened"}
    rounds = set(range(1, federation.round() + 1)) - opened
    registered = {event.args["worker"] for event in events if event.name == "Registered"}
    workers = set(federation.roster()) - registered
    if rounds or workers:
        raise ChainError(
            f"events are missing: expected those of {federation.round()} rounds and of everyone on "
            f"the roster, found no opening of rounds {sorted(rounds)} and no registration of "
            f"{len(workers)} workers; {_ask_another(from_block)}"
        )


def _ask_another(from_block: int) -> str:
    if from_block == 0:
        return "the node has forgotten old events; use a node that keeps them"
    return (
        f"the federation is older than block {from_block}, or the node has forgotten old events; "
        "lower FEDSERUM_FROM_BLOCK (--from-block), or use a node that keeps them"
    )
