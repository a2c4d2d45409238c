"""Who may take part: the member list, its Merkle root and proofs, and the task's description.

The tree is OpenZeppelin's standard Merkle tree over ``(address)``: the contract keeps the root, a
member registers with a proof. The description carries the list; up to 64 members it is inside
``task.uri`` itself, so that the chain alone is enough.
"""

import base64
import binascii
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import httpx
from eth_utils.address import is_hex_address, to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.errors import MembershipError
from services.task import Bytes32, Task

MOST_MEMBERS_ON_CHAIN = 64  # each makes the deployment some 40,000 gas dearer
DATA_URI = "data:application/json,"
# Characters that RFC 3986 allows in a path and JSON uses; the rest is percent-encoded.
_PLAIN = ":,!$&'()*+;=@/?"


class SealedOrder(BaseModel):
    """A secret order of the public set, and where its key is brought (protocol section 11)."""

    model_config = ConfigDict(frozen=True)

    key_hash: Bytes32 = Field(description="SHA-256 of the order's key.")
    envelopes: str = Field(description="Address of the contract that emits the envelopes.")


class Description(BaseModel):
    """What ``task.uri`` leads to."""

    model_config = ConfigDict(frozen=True)

    members: list[str] = Field(description="Addresses that may register.")
    name: str = Field("", description="What the federation is called.")
    classes: list[str] | None = Field(None, description="What each class is called.")
    preprocessing: str | None = Field(
        None, description="What every sample goes through first (services.preprocessing)."
    )
    threshold: float | None = Field(
        None, ge=0, le=1, description="Least certainty with which a sample is labelled."
    )
    sealed_order: SealedOrder | None = Field(
        None, description="The order of the samples, if it is not the public set's own."
    )


def members_root(addresses: list[str]) -> str:
    """Root of the members' tree, "0x…": the task's ``members_root``.

    Raises:
        MembershipError: no member, a malformed address, or one that is listed twice.
    """
    return "0x" + _tree(_leaves(tuple(addresses)))[0].hex()


def membership_proof(addresses: list[str], address: str) -> list[bytes]:
    """What ``register`` wants from ``address``: the siblings from its leaf to the root.

    Raises:
        MembershipError: it is not on the list, or the list is malformed.
    """
    leaves = _leaves(tuple(addresses))
    leaf = _leaf(address) if _is_address(address) else b""
    if leaf not in leaves:
        raise MembershipError(
            f"{address} is not a member: expected one of the {len(leaves)} listed addresses; ask "
            "the federation's deployer to be listed, or use the key of a listed address"
        )
    tree = _tree(leaves)
    index = tree.index(leaf, len(leaves) - 1)
    proof = []
    while index > 0:
        proof.append(tree[index + 1 if index % 2 else index - 1])
        index = (index - 1) // 2
    return proof


def describe(members: list[str], **fields: Any) -> str:
    """The description as a ``data:`` URI, to be the task's ``uri``.

    Args:
        members: addresses that may register.
        fields: the other fields of a `Description`.

    Raises:
        MembershipError: too many members to keep on chain, or a field that is not as it must be.
    """
    if len(members) > MOST_MEMBERS_ON_CHAIN:
        raise MembershipError(
            f"{len(members)} members are too many to describe on chain, expected at most "
            f"{MOST_MEMBERS_ON_CHAIN}; publish the description (description_json) and set the "
            "task's uri to its address"
        )
    return DATA_URI + quote(description_json(members, **fields), safe=_PLAIN)


def description_json(members: list[str], **fields: Any) -> str:
    """The description as JSON text, to publish where ``task.uri`` points; as `describe`."""
    _leaves(tuple(members))
    try:
        description = Description(
            members=[to_checksum_address(member) for member in members], **fields
        )
    except ValidationError as error:
        raise MembershipError(f"the description is malformed: {_problem(error)}") from error
    return description.model_dump_json(exclude_none=True)


def read_description(source: str, timeout_s: float = 10.0) -> Description:
    """Read a description.

    Args:
        source: a ``data:`` URI, an http(s) URL, or a file's path.
        timeout_s: seconds to wait for an answer over HTTP.

    Raises:
        MembershipError: nothing there, or something else.
    """
    try:
        return Description.model_validate_json(_fetch(source, timeout_s))
    except ValidationError as error:
        raise MembershipError(
            f"{_short(source)} is no task description ({_problem(error)}); expected JSON with a "
            "list of members"
        ) from error


def read_members(task: Task, source: str | None = None) -> list[str]:
    """The members of a federation, as `read_own_description` finds and checks them.

    Raises:
        MembershipError: no description, or its list is not the contract's.
    """
    return read_own_description(task, source).members


def read_own_description(task: Task, source: str | None = None) -> Description:
    """A federation's description, its members checked against the root that the contract keeps.

    Args:
        task: the task, from the contract.
        source: where the description is; None: where ``task.uri`` says.

    Raises:
        MembershipError: no description, or its list is not the contract's.
    """
    if not (source or task.uri):
        raise MembershipError(
            "the task has no uri, so nobody says who the members are; set FEDSERUM_MEMBERS to the "
            "task's description"
        )
    description = read_description(source or task.uri)
    found = members_root(description.members)
    if found != task.members_root:
        raise MembershipError(
            f"{_short(source or task.uri)} lists other members than the contract: expected root "
            f"{task.members_root}, found {found}; get the current list from the deployer and set "
            "FEDSERUM_MEMBERS to it"
        )
    return description


def _problem(error: ValidationError) -> str:
    """Where the first thing is that is wrong, and what."""
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else problem["msg"]


def _fetch(source: str, timeout_s: float) -> bytes:
    try:
        if source.startswith("data:"):
            kind, comma, content = source.partition(",")
            data = unquote_to_bytes(content)
            if not comma:
                raise ValueError("no comma after the media type")
            return base64.b64decode(data, validate=True) if kind.endswith(";base64") else data
        if source.startswith(("http://", "https://")):
            answer = httpx.get(source, timeout=timeout_s, follow_redirects=True)
            return answer.raise_for_status().content
        return Path(source.removeprefix("file://")).read_bytes()
    except (OSError, ValueError, binascii.Error, httpx.HTTPError) as error:
        raise MembershipError(
            f"cannot read the task description at {_short(source)} ({error}); expected a data: "
            "URI, an http(s) URL or a file; set FEDSERUM_MEMBERS to where it is"
        ) from error


def _short(source: str) -> str:
    return source if len(source) <= 80 else source[:77] + "..."


@lru_cache(maxsize=2)  # who registers many members asks for each
def _leaves(addresses: tuple[str, ...]) -> tuple[bytes, ...]:
    """One leaf per address, ascending, as the tree orders them."""
    if not addresses:
        raise MembershipError("the member list is empty; list at least the fewest workers")
    for address in addresses:
        if not _is_address(address):
            raise MembershipError(
                f"{address!r} in the member list is no address; expected 0x and 40 hex digits, in "
                "lower case or with a correct checksum (EIP-55)"
            )
    leaves = tuple(sorted({_leaf(address) for address in addresses}))
    if len(leaves) < len(addresses):
        folded = [address.lower() for address in addresses]
        twice = next(address for address in folded if folded.count(address) > 1)
        raise MembershipError(f"{twice} is in the member list twice; list every member once")
    return leaves


def _is_address(address: str) -> bool:
    return is_hex_address(address) and address in (address.lower(), to_checksum_address(address))


def _leaf(address: str) -> bytes:
    # Hashed twice, so that no inner node of 64 bytes can pass for a leaf.
    return keccak(keccak(to_canonical_address(address).rjust(32, b"\0")))


@lru_cache(maxsize=2)
def _tree(leaves: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The complete binary tree as an array: root first, children of i at 2i+1 and 2i+2."""
    tree = [b""] * (len(leaves) - 1) + list(leaves[::-1])
    for index in range(len(leaves) - 2, -1, -1):
        tree[index] = keccak(b"".join(sorted(tree[2 * index + 1 : 2 * index + 3])))
    return tuple(tree)
