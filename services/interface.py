"""The contract's face, decoded: events, refusals and calls as this release's ABI names them.

Pure functions over bytes, with the ABI that the build checked in; no node, no web3. ``chain.py``
asks the node and hands what it says here.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from services.errors import ChainError, ContractRevertError
from services.well_formed import UNREADABLE, bytes32, checked_log, malformed

ARTIFACT = Path(__file__).parent / "abi" / "Federation.json"

# The deterministic deployment proxy: called with a salt and a creation code, it creates that
# contract at an address which follows from the two.
PROXY = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
PROXY_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
    "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
)
_SALT = bytes(32)

# Solidity's own two errors, which no ABI lists.
_BUILTIN_ERRORS: list[dict[str, Any]] = [
    {"name": "Error", "inputs": [{"name": "reason", "type": "string"}]},
    {"name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
]

# What to do about a refusal, where its name does not say it.
NEXT_STEP = {
    "AlreadyAggregated": "nothing to do, someone was faster",
    "AlreadyCommitted": "a commitment cannot be replaced; reveal what was committed",
    "AlreadyRegistered": "nothing to do, go on with the round",
    "AlreadyRevealed": "nothing to do, wait for the settlement",
    "CommitmentMismatch": "reveal exactly the labels, label count and salt that were committed, "
    "from the key that committed",
    "DeadlineNotReached": "wait until then",
    "DeadlinePassed": "call `advance`, then take part in the next phase",
    "FederationClosed": "withdraw the balance",
    "KernelMissing": "put the kernels on the chain first, as `fedserum orchestrator` does",
    "LabelsNotRevealed": "supply the bytes of the worker's `Revealed` event, cut at the chunk, and "
    "their proof",
    "NotMember": "ask the federation's deployer to be listed, or use a listed key",
    "NotOnRoster": "register, or wait for the next round",
    "NotRegistered": "register first",
    "TaskOutOfBounds": "correct the task",
    "TransactionTooCostly": "make chunks or committee smaller, or raise min_workers",
    "TransactionTooLarge": "make chunks or samples per round smaller, or raise min_workers",
    "WorkerExcluded": "this key was slashed; it cannot take part any more",
    "WrongDeposit": "send exactly the expected deposit, in wei",
    "WrongPhase": "phases: 0 Registration, 1 Commit, 2 Reveal, 3 Aggregate, 4 Closed; wait, or "
    "call `advance` if the deadline has passed",
}


@dataclass(frozen=True)
class Event:
    """One contract event; ``args`` by the ABI's names, with plain Python values."""

    name: str
    args: dict[str, Any]
    block_number: int
    block_hash: str
    transaction_hash: str
    log_index: int


@dataclass(frozen=True)
class SharedContract:
    """One for all federations of a chain, without storage, where its code says."""

    name: str
    address: str
    code_hash: str  # Keccak-256 of its runtime code
    creation_code: bytes

    @property
    def deployment(self) -> bytes:
        """What the deployment proxy has to be called with."""
        return _SALT + self.creation_code


def artifact() -> tuple[list[dict[str, Any]], str]:
    """This release's contract: its ABI and its creation code."""
    content = _artifact()
    return content["abi"], content["bytecode"]


@cache
def kernels() -> tuple[SharedContract, ...]:
    """The contracts that this release's federations count and score with."""
    return tuple(_shared(entry) for entry in _artifact()["kernels"])


@cache
def envelopes() -> SharedContract:
    """The contract that brings sealed messages to workers, as events."""
    return _shared(_artifact()["envelopes"])


def _shared(entry: Mapping[str, str]) -> SharedContract:
    return SharedContract(
        name=entry["name"],
        address=entry["address"],
        code_hash=entry["codeHash"],
        creation_code=bytes.fromhex(entry["bytecode"][2:]),
    )


@cache
def _artifact() -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(ARTIFACT.read_text())
    except FileNotFoundError:
        raise ChainError(
            f"{ARTIFACT} is missing; build the contract with `make contract`"
        ) from None
    return content


def decode_logs(logs: Iterable[Mapping[str, Any]]) -> list[Event]:
    """The federation's events among raw logs; others are left out.

    Raises:
        ChainError: they are no logs, or none of this release's contract.
    """
    try:
        return [event for entry in logs if (event := _decode_log(checked_log(entry))) is not None]
    except Exception as error:
        raise malformed(error) from error


def _decode_log(entry: Mapping[str, Any]) -> Event | None:
    topics = [bytes(topic) for topic in entry["topics"]]
    kind = _events().get(topics[0]) if topics else None
    if kind is None:
        return None
    indexed = [argument for argument in kind["inputs"] if argument["indexed"]]
    others = [argument for argument in kind["inputs"] if not argument["indexed"]]
    args = _decode(indexed, b"".join(topics[1:])) | _decode(others, bytes(entry["data"]))
    return Event(
        name=kind["name"],
        args={argument["name"]: args[argument["name"]] for argument in kind["inputs"]},
        block_number=entry["blockNumber"],
        block_hash=bytes32(entry["blockHash"]),
        transaction_hash=bytes32(entry["transactionHash"]),
        log_index=entry["logIndex"],
    )


def decode_revert(data: bytes) -> ContractRevertError:
    """Name the error in a call's revert data; ``name`` is "" where nothing known is in it."""
    errors = [entry for entry in artifact()[0] if entry["type"] == "error"] + _BUILTIN_ERRORS
    kind = next((entry for entry in errors if _hash(entry)[:4] == data[:4]), None)
    try:
        if kind is not None:
            args = _decode(kind["inputs"], data[4:])
            return ContractRevertError(kind["name"], args, _refusal(kind["name"], args))
    except UNREADABLE:
        pass
    return ContractRevertError(
        "",
        {},
        "the contract refused the call without an error that this release knows (revert data "
        f"0x{data.hex()}); check that the contract is this release's",
    )


def function_name(data: bytes) -> str:
    """Which contract function a transaction's data calls; "" for none of them."""
    for entry in artifact()[0]:
        if entry["type"] == "function" and _hash(entry)[:4] == data[:4]:
            return str(entry["name"])
    return ""


def encode_call(function: str, arguments: Sequence[Any]) -> bytes:
    """The data of a transaction that calls a contract function."""
    kind = next(e for e in artifact()[0] if e.get("name") == function and e["type"] == "function")
    return _hash(kind)[:4] + encode([_type(argument) for argument in kind["inputs"]], arguments)


def encode_deployment(task: Sequence[Any]) -> bytes:
    """The data of a transaction that deploys a federation for a task (``Task.to_abi``)."""
    abi, code = artifact()
    kind = next(entry for entry in abi if entry["type"] == "constructor")
    return bytes.fromhex(code[2:]) + encode([_type(kind["inputs"][0])], [task])


def decode_calls(function: str, data: bytes) -> list[dict[str, Any]]:
    """The arguments of every call of a contract function that a transaction's data hold.

    A call may lie within the data of another contract's, so its selector is looked for anywhere; it
    is for the caller to see whether what was found is what happened.
    """
    kind = next(e for e in artifact()[0] if e["type"] == "function" and e["name"] == function)
    selector = _hash(kind)[:4]
    calls, at = [], data.find(selector)
    while at >= 0:
        with suppress(*UNREADABLE):
            calls.append(_decode(kind["inputs"], data[at + 4 :]))
        at = data.find(selector, at + 1)
    return calls


def event_topics(names: Sequence[str] | None, round_number: int | None) -> list[Any]:
    """The topics to ask a node for.

    Args:
        names: events wanted; None: all.
        round_number: only events of this round, so none that belong to no round.

    Raises:
        ChainError: a name is no event of the contract, or one that belongs to no round.
    """
    known = {
        kind["name"]: "0x" + topic.hex()
        for topic, kind in _events().items()
        if round_number is None or (kind["inputs"] and kind["inputs"][0]["name"] == "round")
    }
    unknown = set(names or ()) - set(known)
    if unknown:
        raise ChainError(f"expected events among {sorted(known)}, found {sorted(unknown)}")
    wanted = [topic for name, topic in known.items() if names is None or name in names]
    return [wanted] if round_number is None else [wanted, f"0x{round_number:064x}"]


@cache
def _events() -> dict[bytes, dict[str, Any]]:
    """The ABI's events by topic 0."""
    return {_hash(entry): entry for entry in artifact()[0] if entry["type"] == "event"}


def _hash(entry: Mapping[str, Any]) -> bytes:
    """Keccak-256 of the signature: an event's topic 0; its first 4 bytes are a selector."""
    return keccak(text=f"{entry['name']}({','.join(map(_type, entry['inputs']))})")


def _type(argument: Mapping[str, Any]) -> str:
    kind: str = argument["type"]
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(map(_type, argument['components']))}){kind.removeprefix('tuple')}"


def _decode(arguments: Sequence[Mapping[str, Any]], data: bytes) -> dict[str, Any]:
    kinds = [_type(argument) for argument in arguments]
    return {
        argument["name"]: _plain(kind, value)
        for argument, kind, value in zip(arguments, kinds, decode(kinds, data), strict=True)
    }


def _plain(kind: str, value: Any) -> Any:
    if kind.endswith("[]"):
        return [_plain(kind[:-2], item) for item in value]
    return to_checksum_address(value) if kind == "address" else value


def _refusal(name: str, args: Mapping[str, Any]) -> str:
    shown = ", ".join(
        f"{key} {'0x' + value.hex() if isinstance(value, bytes) else value}"
        for key, value in args.items()
    )
    step = NEXT_STEP.get(name)
    return f"the contract refused: {name}({shown})" + (f"; {step}" if step else "")
