"""Asks the built kernels, on a node, for many cases in one request."""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from eth_abi.abi import decode, encode
from eth_utils.abi import collapse_if_tuple, function_abi_to_4byte_selector
from kernel_cases import Answer, Case
from nodes import ROOT, Node

from services.interface import kernels

# Each chooses by itself how it goes about it.
SCORE_KERNEL, COUNT_KERNEL = (kernel.address for kernel in kernels())
BOTH_WAYS = "0x" + f"{0xFED5F:040x}"  # has them side by side, for the tests
OUT = ROOT / "contracts/out"
GAS = hex(10**12)
MOST_BYTES = 1_000_000  # anvil takes two million


def place(node: Node) -> None:
    """Put the release's kernels and both of their ways, as built for the tests, on a node."""
    node.put_kernels()
    serums = json.loads((OUT / "Serums.sol/Serums.json").read_text())
    node.set_code(BOTH_WAYS, serums["deployedBytecode"]["object"])


def _handed_over(case: Case) -> list[list[int]]:
    """g as the federation gives it to the kernel: per league, or else per member."""
    if case.peering == 0:
        return [case.peer_counts.get(member, []) for member in range(case.members)]
    found = {member % 2: counts for member, counts in case.peer_counts.items()}
    return [found.get(league, [0] * case.classes) for league in range(2)]


class Calls:
    """Calls that go to the node together."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[dict[str, Any]] = []
        self.functions: list[dict[str, Any]] = []
        names = {SCORE_KERNEL: "ScoreKernel", COUNT_KERNEL: "CountKernel", BOTH_WAYS: "Serums"}
        self.abis = {address: _functions(name) for address, name in names.items()}

    def score(self, case: Case, *ways: tuple[str, str]) -> None:
        """Ask for a case's scores and majority, of functions of the same arguments."""
        chunk = {
            "classes": case.classes,
            "penaltyWad": case.penalty_wad,
            "leagues": case.peering == 1,
            "peerCounts": _handed_over(case),
        }
        self._add(*ways, labels=case.packed, groups=case.groups, chunk=chunk)

    def count(self, labels: bytes, classes: int, *ways: tuple[str, str]) -> None:
        """Ask for a label count."""
        self._add(*ways, labels=labels, bits=classes.bit_length(), classes=classes)

    def _add(self, *ways: tuple[str, str], **arguments: Any) -> None:
        inputs = self.abis[ways[0][0]][ways[0][1]]["inputs"]
        values = [_ordered(entry, arguments[entry["name"]]) for entry in inputs]
        encoded = encode(_types(inputs), values).hex()
        for to, function in ways:
            kind = self.abis[to][function]
            data = "0x" + function_abi_to_4byte_selector(kind).hex() + encoded
            self.functions.append(kind)
            self.requests.append(
                {
                    "jsonrpc": "2.0",
                    "id": len(self.requests),
                    "method": "eth_call",
                    "params": [{"to": to, "data": data, "gas": GAS}, "latest"],
                }
            )

    def answers(self) -> list[Any]:
        """What the node answers, decoded: an `Answer`, or counts and how many codes are valid."""
        found: list[dict[str, Any]] = []
        with httpx.Client(timeout=300, verify=False) as client:  # noqa: S501  (no TLS here)
            for part in self._parts():
                found += sorted(client.post(self.url, json=part).json(), key=_number)
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


@cache
def _functions(name: str) -> dict[str, dict[str, Any]]:
    """A built contract's functions by name."""
    path: Path = OUT / f"{name}.sol/{name}.json"
    abi = json.loads(path.read_text())["abi"]
    return {entry["name"]: entry for entry in abi if entry["type"] == "function"}


def _types(entries: Sequence[Any]) -> list[str]:
    return [collapse_if_tuple(entry) for entry in entries]


def _ordered(entry: dict[str, Any], value: Any) -> Any:
    """A struct's values in the order of its fields."""
    if isinstance(value, dict):
        return tuple(value[field["name"]] for field in entry["components"])
    return value
