"""Audits what the differential tests play, and plants lies in what an audit reads."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from federation_play import play
from nodes import Node
from scenario import Scenario

from audit import views
from audit.ledger import Ledger
from audit.reader import read
from audit.replay import Replay
from services import wire
from services.chain import Event, Federation
from services.errors import AuditError
from services.interface import decode_calls
from services.mechanism import Conduct

REVEALED, IDLE, LEFT = Conduct.REVEALED, Conduct.IDLE, Conduct.LEFT
WITHHELD, MISCOUNTED = Conduct.WITHHELD, Conduct.MISCOUNTED
CLOSED = "0x" + keccak(text="Closed()").hex()


def everyone(n: int, *exceptions: Conduct) -> tuple[Conduct, ...]:
    """The first ring positions do as given, the others reveal."""
    return exceptions + (REVEALED,) * (n - len(exceptions))


EVENTFUL = Scenario(
    8,
    600,
    (everyone(8, MISCOUNTED, IDLE), everyone(8, LEFT, WITHHELD), everyone(8, IDLE)),
    (5, 0, 7),
)


def audit(node: Node, scenario: Scenario) -> tuple[Ledger, Federation]:
    """Play a federation to its last withdrawal and audit it clean."""
    play(node, scenario)
    [*_, closed] = node.rpc("eth_getLogs", {"fromBlock": "0x0", "topics": [CLOSED]})
    chain = node.chain()
    last = chain.block_number()
    federation = Federation(chain, closed["address"], at_block=last)
    ledger = read(federation, 0, last, None)
    replay = Replay(ledger)
    views.compare(replay.run(), federation)
    assert replay.unproven == 0
    return ledger, federation


def places(ledger: Ledger, name: str) -> list[int]:
    """Where the events of a name are."""
    return [place for place, event in enumerate(ledger.events) if event.name == name]


def plant(ledger: Ledger, changes: dict[int, dict[str, Any]], **fields: Any) -> Ledger:
    """The ledger with other arguments of some events."""
    events: list[Event] = list(ledger.events)
    for place, args in changes.items():
        events[place] = replace(events[place], args=events[place].args | args)
    return replace(ledger, events=events, **fields)


def difference(ledger: Ledger) -> AuditError:
    """What an audit finds in it."""
    with pytest.raises(AuditError) as caught:
        Replay(ledger).run()
    return caught.value


def flipped(data: bytes, bit: int) -> bytes:
    """The data with one bit changed."""
    changed = bytearray(data)
    changed[bit // 8] ^= 0x80 >> bit % 8
    return bytes(changed)


def rewrite(ledger: Ledger, place: int, labels: bytes, counts: Sequence[int]) -> Ledger:
    """As if a worker had committed to and revealed other labels, all of it consistent."""
    event = ledger.events[place]
    worker, number = event.args["worker"], event.args["round"]
    call = ledger.calls[event.transaction_hash]
    [args] = decode_calls("reveal", call.data)
    commitment = wire.commitment(
        ledger.chain_id, ledger.contract, number, worker, labels, counts, args["salt"]
    )
    committed = next(
        other
        for other in places(ledger, "Committed")
        if ledger.events[other].args["worker"] == worker
        and ledger.events[other].args["round"] == number
    )
    data = call.data[:4] + encode(
        ["bytes", "uint32[]", "bytes32"], [labels, list(counts), args["salt"]]
    )
    published = {"labels": labels, "labelCount": list(counts)} if "labels" in event.args else {}
    return plant(
        ledger,
        {committed: {"commitment": commitment}, place: published},
        calls=dict(ledger.calls) | {event.transaction_hash: replace(call, data=data)},
    )
