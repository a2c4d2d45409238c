"""Asks the built kernel, on a node, for many cases in one request."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
from eth_abi.abi import decode, encode
from eth_utils.abi import collapse_if_tuple, function_abi_to_4byte_selector
from kernel_cases import Answer, Case
from nodes import ROOT, Node

from services.interface import kernel_code

KERNEL = "0x" + f"{0xFED5E:040x}"  # chooses between its two ways by itself
BOTH_WAYS = "0x" + f"{0xFED5F:040x}"  # has them side by side, for the tests
OUT = ROOT / "contracts/out"
GAS = hex(10**12)
MOST_BYTES = 1_000_000  # anvil takes two million


def place(node: Node) -> None:
    """Put the release's kernel and both of its ways, as built for the tests, on a node."""
    node.set_code(KERNEL, "0x" + kernel_code().hex())
    serums = json.loads((OUT / "Serums.sol/Serums.json").read_text())
    node.set_code(BOTH_WAYS, serums["deployedBytecode"]["object"])


class Calls:
    """Calls that go to the node together."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[dict[str, Any]] = []
        self.functions: list[dict[str, Any]] = []
        self.abis = {
            to: {entry["name"]: entry for entry in _abi(path) if entry["type"] == "function"}
            for to, path in ((KERNEL, "Kernel"), (BOTH_WAYS, "Serums"))
        }

    def score(self, case: Case, to: str, function: str) -> None:
        """Ask for a case's scores and majority."""
        none = [0] * case.classes if case.peering else []  # what the federation hands over
        chunk = {
            "classes": case.classes,
            "penaltyWad": case.penalty_wad,
            "leagues": case.peering == 1,
            "peerCounts": [case.peer_counts.get(i, none) for i in range(case.members)],
        }
        self._add(to, function, labels=case.packed, groups=case.groups, chunk=chunk)

    def count(self, labels: bytes, classes: int, to: str, function: str) -> None:
        """Ask for a label count."""
        self._add(to, function, labels=labels, bits=classes.bit_length(), classes=classes)

    def _add(self, to: str, function: str, **arguments: Any) -> None:
        kind = self.abis[to][function]
        values = [_ordered(entry, arguments[entry["name"]]) for entry in kind["inputs"]]
        data = function_abi_to_4byte_selector(kind) + encode(_types(kind["inputs"]), values)
        call = {"to": to, "data": "0x" + data.hex(), "gas": GAS}
        self.functions.append(kind)
        self.requests.append(
            {
                "jsonrpc": "2.0",
                "id": len(self.requests),
                "method": "eth_call",
                "params": [call, "latest"],
            }
        )

    def answers(self) -> list[Any]:
        """What the node answers, decoded: an `Answer`, or counts and how many codes are valid."""
        found: list[dict[str, Any]] = []
        for part in self._parts():
            found += sorted(httpx.post(self.url, json=part, timeout=300).json(), key=_number)
        results: list[Any] = []
        for kind, answer in zip(self.functions, found, strict=True):
            assert "result" in answer, answer
            values = decode(_types(kind["outputs"]), bytes.fromhex(answer["result"][2:]))
            results.append(_answer(values[0]) if len(values) == 1 else (list(values[0]), values[1]))
        return results

    def _parts(self) -> Iterator[list[dict[str, Any]]]:
        """The requests, in lists that a node takes at once."""
        part, size = [], 0
        for request in self.requests:
            size += len(request["params"][0]["data"])
            if part and size > MOST_BYTES:
                yield part
                part, size = [], len(request["params"][0]["data"])
            part.append(request)
        yield part


def _answer(outcome: Sequence[Any]) -> Answer:
    scores, labels, majority_votes, votes = outcome
    return list(scores), labels, majority_votes, votes


def _number(answer: dict[str, Any]) -> int:
    return int(answer["id"])


def _abi(name: str) -> list[dict[str, Any]]:
    path: Path = OUT / f"{name}.sol/{name}.json"
    return list(json.loads(path.read_text())["abi"])


def _types(entries: Sequence[Any]) -> list[str]:
    return [collapse_if_tuple(entry) for entry in entries]


def _ordered(entry: dict[str, Any], value: Any) -> Any:
    """A struct's values in the order of its fields."""
    if isinstance(value, dict):
        return tuple(value[field["name"]] for field in entry["components"])
    return value
