"""Mutation testing of the contract's money and phases: `make mutants`.

Every mutant differs from the source in one operator, number, name or statement. All of them are
compiled at once, each behind `MUTANT == id`, and a mutant is chosen by writing its id into the
built code; so it costs one compilation, and then a run of the tests for each. A mutant that no
test notices survives; it needs a test, or a line with its reason in `equivalent_mutants.txt`.
Needs a finished `forge build`. Ends with 1 if a mutant survives without a reason, or if a reason is
given for one that does not survive.
"""

import argparse
import concurrent.futures
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.txt")
FOLDER = "contracts/src"
MUTATED = ["Federation.sol", "FederationState.sol"]
# Stands in the built code wherever a mutant asks whether it is the one.
MARK = int.from_bytes(b"the number of the mutant is here".rjust(32), "big")
CHOICE = f"uint256 constant MUTANT = {MARK};\n"
# Most mutants die in the first tests; who survives them meets the fuzzers, with shorter runs.
PLAYED = "contracts/test/{Money,Rounds,CommitReveal,Registration,Aggregation,Invariants}.t.sol"
FAST = ["--match-path", PLAYED, "--no-match-test", "testFuzz|invariant|TheActors"]
SLOW = ["--match-path", PLAYED, "--match-test", "testFuzz|invariant"]
# A loop that no longer ends is to run out of gas soon.
SETTINGS = {"FOUNDRY_INVARIANT_RUNS": "4", "FOUNDRY_GAS_LIMIT": "2000000000"}
TIMEOUT_S = 600

OPERATORS = {
    "<": ["<=", ">="],
    "<=": ["<", ">"],
    ">": [">=", "<="],
    ">=": [">", "<"],
    "==": ["!="],
    "!=": ["=="],
    "+": ["-"],
    "-": ["+"],
    "*": ["/"],
    "/": ["*"],
    "%": ["/"],
    "&&": ["||"],
    "||": ["&&"],
    "+=": ["-="],
    "-=": ["+="],
    "++": ["--"],
    "--": ["++"],
}
NAMES = {
    "min": "max",
    "commitSeconds": "revealSeconds",
    "revealSeconds": "commitSeconds",
    "registrationSeconds": "commitSeconds",
    "minWorkers": "maxWorkers",
    "maxWorkers": "minWorkers",
    "rewardScaleWad": "rewardDecayWad",
    "rewardDecayWad": "rewardScaleWad",
    "samplesPerRound": "chunkSamples",
    "majorityVotes": "votes",
    "pool": "rates",
    "rates": "pool",
    # the phases and the reasons of a slash
    "Registration": "Commit",
    "Commit": "Reveal",
    "Reveal": "Aggregate",
    "Aggregate": "Commit",
    "Closed": "Aggregate",
    "Withheld": "WrongLabelCount",
    "WrongLabelCount": "Withheld",
}
DROPPED = {"ExpressionStatement", "EmitStatement", "RevertStatement", "Continue"}

Node = dict[str, Any]


class Mutant(NamedTuple):
    """One change: where, from what, to what."""

    place: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.place}: {self.old} -> {self.new}"


class Mutator:
    """Rewrites one source file so that it holds all of its mutants."""

    def __init__(self, name: str, source: bytes, mutants: list[Mutant]) -> None:
        self.file, self.source, self.mutants = name.removesuffix(".sol"), source, mutants
        self.place = self.file

    def rewrite(self, unit: Node) -> str:
        """The source with every mutant in it, and the constant that chooses."""
        body = self.render(unit, 0, len(self.source))
        return re.sub(r"(?m)^(pragma .*\n)", lambda line: line[1] + CHOICE, body, count=1)

    def text(self, node: Node) -> str:
        """The node as it is in the source."""
        start, length = _extent(node)
        return self.source[start : start + length].decode()

    def render(self, node: Node, start: int, end: int) -> str:
        """The node's text, with its children rewritten."""
        parts, at = [], start
        for child in sorted(_children(node), key=_extent):
            first, length = _extent(child)
            parts.append(self.source[at:first].decode())
            parts.append(self.visit(child, node))
            at = first + length
        return "".join([*parts, self.source[at:end].decode()])

    def visit(self, node: Node, parent: Node) -> str:
        """The node's text with its own mutants and those below."""
        if node["nodeType"] == "FunctionDefinition":
            self.place = f"{self.file}.{node['name'] or node['kind']}"
        start, length = _extent(node)
        kept = self.render(node, start, start + length)
        if node["nodeType"] in DROPPED and not node.get("isLoopHead"):
            chosen = self._add(node, "(nothing)")
            # The source range of a statement stops short of its semicolon.
            return f"if (MUTANT == {chosen}) {{}} else {kept}"
        choices = [(self._add(node, new), new) for new in self._variants(node, parent)]
        if not choices:
            return kept
        return "(" + "".join(f"MUTANT == {i} ? ({new}) : " for i, new in choices) + f"({kept}))"

    def _add(self, node: Node, new: str) -> int:
        squeeze = [re.sub(r"\s+", " ", text) for text in (self.text(node), new)]
        self.mutants.append(Mutant(self.place, *squeeze))
        return len(self.mutants)

    def _variants(self, node: Node, parent: Node) -> Iterator[str]:
        kind, text = node["nodeType"], self.text(node)
        if kind in ("BinaryOperation", "Assignment"):
            left, right = (
                self.text(node[side])
                for side in (
                    ("leftExpression", "rightExpression")
                    if kind == "BinaryOperation"
                    else ("leftHandSide", "rightHandSide")
                )
            )
            for operator in OPERATORS.get(node["operator"], []):
                yield f"{left} {operator} {right}"
        elif kind == "UnaryOperation" and node["operator"] == "!":
            yield self.text(node["subExpression"])
        elif kind == "UnaryOperation" and not node.get("isLoopHead"):
            for operator in OPERATORS.get(node["operator"], []):
                yield text.replace(node["operator"], operator)
        elif kind == "Conditional":
            condition, yes, no = (
                self.text(node[part]) for part in ("condition", "trueExpression", "falseExpression")
            )
            yield f"{condition} ? {no} : {yes}"
        elif kind == "MemberAccess" and node["memberName"] in NAMES and not node["lValueRequested"]:
            if "function" not in node["typeDescriptions"]["typeString"]:
                name = node["memberName"]
                yield f"{text.removesuffix(name)}{NAMES[name]}"
        elif kind == "FunctionCall" and text.startswith("Math.min("):
            yield text.replace("Math.min(", "Math.max(", 1)
        elif kind == "FunctionCall" and _is_bool(node):
            yield f"!{text}"
        elif kind == "Literal" and node["kind"] == "number" and _is_number(parent):
            yield f"{text} + 1"


def _extent(node: Node) -> tuple[int, int]:
    start, length, _ = node["src"].split(":")
    return int(start), int(length)


def _is_bool(node: Node) -> bool:
    return bool(node["typeDescriptions"]["typeString"] == "bool")


def _is_number(parent: Node) -> bool:
    """Whether a literal below this node may become an integer expression."""
    kind = parent["nodeType"]
    if kind == "BinaryOperation":
        return "uint" in parent["commonType"]["typeString"]
    return kind in ("IndexAccess", "Conditional") or bool(parent.get("constant"))


def _children(node: Node) -> Iterator[Node]:
    """The nodes below that may hold mutants."""
    if node["nodeType"] in ("ImportDirective", "StructDefinition", "PragmaDirective"):
        return
    for key, value in node.items():
        if key in ("documentation", "typeName", "parameters", "returnParameters", "nameLocation"):
            continue
        if key in ("baseContracts", "overrides", "modifiers", "declarations"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, dict) or "nodeType" not in child:
                continue
            if key == "loopExpression":
                child["isLoopHead"] = child["expression"]["isLoopHead"] = True
            if key == "eventCall" or key == "errorCall":
                yield from _children(child)
            elif child["nodeType"] == "VariableDeclaration" and not child.get("constant"):
                continue
            else:
                yield child


# --------------------------------------------------------------------------------------- compile


def _sources() -> dict[str, dict[str, str]]:
    """Path -> content of Federation.sol and everything that it imports."""
    found: dict[str, dict[str, str]] = {}
    todo = [f"{FOLDER}/Federation.sol"]
    while todo:
        path = todo.pop()
        if path in found:
            continue
        content = (ROOT / path).read_text()
        found[path] = {"content": content}
        for name in re.findall(r'from\s+"([^"]+)"', content):
            if name.startswith("."):
                todo.append(os.path.normpath(os.path.join(os.path.dirname(path), name)))
            else:
                todo.append("node_modules/" + name.replace("solady/", "solady/src/", 1))
    return found


def _compile(sources: dict[str, dict[str, str]], wanted: dict[str, list[str]]) -> Node:
    settings = {
        "viaIR": True,
        "optimizer": {"enabled": False},  # or it would fold the constant that chooses
        "evmVersion": "prague",
        "remappings": [
            "@openzeppelin/contracts/=node_modules/@openzeppelin/contracts/",
            "solady/=node_modules/solady/src/",
        ],
        "outputSelection": {"*": wanted},
    }
    order = {"language": "Solidity", "sources": sources, "settings": settings}
    answer: Node = json.loads(
        subprocess.run(
            [ROOT / "contracts/tools/solc", "--standard-json"],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    errors = [e["formattedMessage"] for e in answer.get("errors", []) if e["severity"] == "error"]
    if errors:
        sys.exit("the mutants do not compile: " + "\n".join(errors))
    return answer


def build() -> tuple[list[Mutant], str]:
    """All mutants (the id is the place in the list plus 1) and the creation code that has them."""
    sources = _sources()
    trees = _compile(sources, {"": ["ast"]})["sources"]
    mutants: list[Mutant] = []
    for name in MUTATED:
        path = f"{FOLDER}/{name}"
        mutator = Mutator(name, sources[path]["content"].encode(), mutants)
        sources[path]["content"] = mutator.rewrite(trees[path]["ast"])
    code = _compile(sources, {"Federation": ["evm.bytecode.object"]})
    bytecode = code["contracts"][f"{FOLDER}/Federation.sol"]["Federation"]["evm"]["bytecode"]
    # The same change at two places of a function gets a number.
    seen: Counter[Mutant] = Counter()
    for i, mutant in enumerate(mutants):
        seen[mutant] += 1
        if seen[mutant] > 1:
            mutants[i] = mutant._replace(place=f"{mutant.place} ({seen[mutant]})")
    return mutants, bytecode["object"]


# ------------------------------------------------------------------------------------------ test


class Bench:
    """A copy of the project in which one mutant at a time is tested."""

    def __init__(self, folder: Path, code: str) -> None:
        self.folder, self.code = folder, code
        others = shutil.ignore_patterns("slither*", "halmos*")
        shutil.copytree(ROOT / "contracts", folder / "contracts", ignore=others)
        shutil.copy2(ROOT / "foundry.toml", folder)
        (folder / "node_modules").symlink_to(ROOT / "node_modules")
        self.artefact = folder / "contracts/out/Federation.sol/Federation.json"
        self.built = json.loads(self.artefact.read_text())

    def passes(self, chosen: int, tests: list[str]) -> bool:
        """Whether every test passes with this mutant; 0 is the contract as it is."""
        code = self.code.replace(f"{MARK:064x}", f"{chosen:064x}")
        self.built["bytecode"]["object"] = "0x" + code
        self.artefact.write_text(json.dumps(self.built))
        forge = [str(ROOT / "contracts/tools/forge"), "test", "--fail-fast", *tests]
        forge += ["--code-size-limit", "1000000", "--threads", "1"]
        with subprocess.Popen(
            forge,
            cwd=self.folder,
            env=os.environ | SETTINGS,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                process.wait(timeout=TIMEOUT_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # also the child of contracts/tools/forge
                return False
        return process.returncode == 0

    def survives(self, chosen: int) -> bool:
        """Whether no test notices this mutant."""
        return self.passes(chosen, FAST) and self.passes(chosen, SLOW)


def _reasons() -> dict[str, str]:
    lines = [line for line in EQUIVALENT.read_text().splitlines() if line and line[0] != "#"]
    pairs = [line.split("  # ") for line in lines]
    return {mutant.strip(): reason for mutant, reason in pairs}


def main() -> int:
    """Test the mutants that the arguments choose; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--list", action="store_true", help="print the mutants and stop")
    parser.add_argument("--limit", type=int, help="test only so many, drawn at random")
    parser.add_argument("--seed", type=int, default=1, help="of that draw")
    parser.add_argument("--match", default="", help="test only those that this pattern finds")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="tested at a time")
    options = parser.parse_args()

    mutants, code = build()
    drawn = [i for i, mutant in enumerate(mutants, 1) if re.search(options.match, str(mutant))]
    if options.limit is not None and options.limit < len(drawn):
        drawn = sorted(random.Random(options.seed).sample(drawn, options.limit))
    print(f"{len(mutants)} mutants, {len(drawn)} of them to be tested", flush=True)
    if options.list:
        print(*(f"{i} {mutants[i - 1]}" for i in drawn), sep="\n")
        return 0

    with tempfile.TemporaryDirectory() as folder:
        benches = [Bench(Path(folder, str(i)), code) for i in range(options.jobs)]
        if not benches[0].survives(0):
            sys.exit("the tests fail without a mutant; run `forge build --force` and `forge test`")
        with concurrent.futures.ThreadPoolExecutor(len(benches)) as pool:

            def survives(chosen: int) -> bool:
                bench = benches.pop()
                try:
                    found = bench.survives(chosen)
                finally:
                    benches.append(bench)
                print("survived" if found else "killed", chosen, mutants[chosen - 1], flush=True)
                return found

            survivors = {
                str(mutants[i - 1])
                for i, s in zip(drawn, pool.map(survives, drawn), strict=True)
                if s
            }

    reasons = _reasons()
    unexplained = sorted(survivors - reasons.keys())
    stale = sorted((reasons.keys() & {str(mutants[i - 1]) for i in drawn}) - survivors)
    stale += sorted(reasons.keys() - {str(mutant) for mutant in mutants})
    print(f"{len(drawn) - len(survivors)} killed, {len(survivors)} survived,", end=" ")
    print(f"{len(survivors) - len(unexplained)} of these explained")
    for mutant in unexplained:
        print(f"survives without a reason: {mutant}")
    for mutant in stale:
        print(f"has a reason and does not survive: {mutant}")
    return 1 if unexplained or stale else 0


if __name__ == "__main__":
    sys.exit(main())
