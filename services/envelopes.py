"""The key of a sealed order on its way to the workers, as events of a contract that all share.

Who has the key brings it to everyone who registered (protocol section 11). The contract keeps
nothing and believes everybody; what an envelope is worth shows only to whom it is for.
"""

from collections.abc import Sequence
from contextlib import suppress

import structlog
from eth_abi.abi import decode, encode
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from services.chain import Event, Federation, Phase
from services.errors import ChainError, ChainUnreachableError
from services.interface import envelopes
from services.kernels import put_shared
from services.node import EVENT_BLOCKS
from services.sealed_order import seal
from services.well_formed import UNREADABLE

SEALED = "0x" + keccak(text="Sealed(address,address,address,bytes)").hex()
POST = keccak(text="post(address,address[],bytes[])")[:4]
MOST_AT_ONCE = 100  # envelopes of one transaction, some 20 kB

log = structlog.get_logger()


def read_envelopes(federation: Federation, contract: str, recipient: str) -> list[bytes]:
    """What was posted to one worker since round 1 opened, oldest first.

    Args:
        federation: whose.
        contract: address of the envelopes, from the description.
        recipient: the worker.
    """
    return [envelope for _, _, envelope in _posted(federation, contract, recipient)]


def deliver(
    federation: Federation,
    contract: str,
    account: LocalAccount,
    key: bytes,
    workers: Sequence[str] | None = None,
    trusts_others: bool = False,
) -> int:
    """Post the key to workers that lack an envelope; returns to how many.

    Not in Registration: who is in a round cannot leave before it, so its deposit is at stake.

    Args:
        federation: whose.
        contract: address of the envelopes, from the description.
        account: who pays.
        key: of the order.
        workers: who may get one; None: everyone of the round.
        trusts_others: leave out who got an envelope from anybody, and not only who got one from us.

    Raises:
        ChainError: a transaction does not go through.
    """
    if federation.phase() is Phase.REGISTRATION:
        return 0
    served = {
        recipient
        for recipient, sender, _ in _posted(federation, contract, None)
        if trusts_others or sender == account.address
    }
    served.add(account.address)
    may_get = federation.roster() if workers is None else workers
    poor = [worker for worker in may_get if worker not in served]
    sealed = _sealed(federation, poor, key) if poor else {}
    if sealed and contract == envelopes().address:
        put_shared(federation.chain, account, envelopes())
    recipients = list(sealed)
    for start in range(0, len(recipients), MOST_AT_ONCE):
        some = recipients[start : start + MOST_AT_ONCE]
        data = encode(
            ["address", "address[]", "bytes[]"],
            [federation.address, some, [sealed[worker] for worker in some]],
        )
        receipt = federation.chain.send(account, contract, POST + data)
        log.info("envelopes_posted", workers=len(some), tx=receipt.transaction_hash)
    return len(recipients)


def _sealed(federation: Federation, workers: list[str], key: bytes) -> dict[str, bytes]:
    """An envelope for each worker whose public key its registration shows."""
    registrations = _registrations(federation)
    sealed = {}
    for worker in workers:
        try:
            if worker not in registrations:
                raise ChainError(f"the node shows no registration of {worker}")
            public_key = federation.chain.public_key(worker, registrations[worker])
        except ChainUnreachableError:
            raise
        except ChainError as error:
            log.warning("envelope_not_possible", worker=worker, why=str(error))
            continue
        sealed[worker] = seal(key, public_key)
    return sealed


def _posted(
    federation: Federation, contract: str, recipient: str | None
) -> list[tuple[str, str, bytes]]:
    """Recipient, sender and content of every envelope since round 1 opened."""
    topics = [SEALED, _topic(federation.address), None if recipient is None else _topic(recipient)]
    opened = _opening(federation)
    last = federation.chain.block_number()
    found = federation.chain.logs(contract, topics, opened.block_number, last)
    posted: list[tuple[str, str, bytes]] = []
    for entry in found:
        with suppress(*UNREADABLE):  # whoever emits what is no envelope brings none
            to, sender = (to_checksum_address(bytes(topic)[12:]) for topic in entry["topics"][2:4])
            posted.append((to, sender, decode(["bytes"], bytes(entry["data"]))[0]))
    return posted


def _opening(federation: Federation) -> Event:
    """The event that opened round 1."""
    found = federation.round_events(1, ["RoundOpened"])
    if not found:
        raise ChainError(
            f"the node shows no opening of round 1 of {federation.address}, which is over; ask "
            "another node: set FEDSERUM_RPC_URL"
        )
    return found[0]


def _registrations(federation: Federation) -> dict[str, str]:
    """The transaction by which each worker of the round registered last."""
    opened = _opening(federation)
    found: dict[str, str] = {}
    missing, last = set(federation.roster()), opened.block_number
    while missing and last >= 0:
        first = max(0, last - EVENT_BLOCKS + 1)
        for event in reversed(federation.events(first, last, ["Registered"])):
            found.setdefault(event.args["worker"], event.transaction_hash)
        missing -= found.keys()
        last = first - 1
    return found


def _topic(address: str) -> str:
    return "0x" + address[2:].lower().rjust(64, "0")
