"""What an audit knows of a federation: everything that its chain says, and nothing else.

Plain records; ``reader.py`` fills them from a node, ``replay.py`` recomputes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.chain import Call, Event, Header
from services.task import Task


@dataclass(frozen=True)
class Ledger:
    """One federation from its deployment to a block.

    Attributes:
        chain_id: the chain's id.
        contract: the federation's address.
        block_number: the last block that is in it.
        task: as deployed.
        members: who may register; None if no description says.
        events: all of the contract's, in chain order.
        headers: of every block with events, by number.
        calls: the transactions of reveals, by hash: labels and salt are in their data.
    """

    chain_id: int
    contract: str
    block_number: int
    task: Task
    members: frozenset[str] | None
    events: Sequence[Event]
    headers: Mapping[int, Header]
    calls: Mapping[str, Call]
