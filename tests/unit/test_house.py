"""The invariants of the house that an import scan or a look at the files can see."""

import ast
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("services", "worker", "orchestrator", "demo", "audit", "cost", "hand", "experiments")
ALLOWED = {
    "services": {"services"},
    "worker": {"services", "worker"},
    "orchestrator": {"services", "orchestrator"},
    "demo": {"services", "demo"},
    "audit": {"services", "audit"},
    "cost": {"services", "cost"},
    "hand": {"services", "worker", "hand"},
    "experiments": {"services", "worker", "experiments"},
}
WEB3_FILES = {f"services/{name}.py" for name in ("node", "transactions", "transport")}


def _imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def _files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_meet_only_on_the_chain_and_over_http(package: str) -> None:
    """Services import no sibling; the others only services, two also a worker."""
    for path in _files(package):
        siblings = _imports(path) & set(PACKAGES)
        assert siblings <= ALLOWED[package], f"{path} imports {siblings}"


def test_only_the_chain_files_import_web3() -> None:
    """Everything else speaks to the chain through services.chain."""
    found = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in _files(package)
        if "web3" in _imports(path)
    }
    assert found == WEB3_FILES


def test_no_program_calls_what_only_development_nodes_have() -> None:
    """Any node will do: such methods are for the tests alone."""
    methods = re.compile(r"[\"'](anvil|hardhat|evm|debug|txpool)_\w+[\"']")
    for path in [path for package in PACKAGES for path in _files(package)]:
        assert not methods.findall(path.read_text(encoding="utf-8")), path


def test_the_orchestrator_has_no_torch() -> None:
    """Its image has none: neither it nor what it imports of services needs it at import time."""
    for path in _files("orchestrator"):
        assert not _imports(path) & {"torch", "torchvision"}, path


def test_every_setting_is_documented() -> None:
    """docs/settings.md is what the settings say; run `make docs` after changing one."""
    page = runpy.run_path(str(ROOT / "docs" / "settings_table.py"))["page"]()
    assert (ROOT / "docs" / "settings.md").read_text() == page


def test_the_exported_contract_is_fresh() -> None:
    """The JSON, and the addresses of the kernels, are of what the sources compile to.

    Run `make contract` if not.
    """
    tool = runpy.run_path(str(ROOT / "contracts" / "tools" / "export_abi.py"))
    assert (ROOT / "contracts" / "src" / "Kernels.sol").read_text() == tool["addresses"]()
    assert (ROOT / "services" / "abi" / "Federation.json").read_text() == tool["export"]()


def test_a_failing_forge_is_noticed() -> None:
    """The launcher in forge's own package ends with 0 whatever happened; ours does not."""
    assert subprocess.run([ROOT / "contracts/tools/forge", "no-such-command"]).returncode != 0


def test_the_contracts_promises_name_tests_that_exist() -> None:
    """Every test or invariant in contracts/SECURITY.md is in the file that it is said to be in."""
    page = (ROOT / "contracts" / "SECURITY.md").read_text(encoding="utf-8")
    cited = re.findall(r"`(\w+(?:\.t)?\.sol)`:((?: `\w+`,?)+)", page)
    assert cited
    for file, names in cited:
        folder = "test" if file.endswith(".t.sol") else "symbolic"
        source = (ROOT / "contracts" / folder / file).read_text(encoding="utf-8")
        for name in re.findall(r"`(\w+)`", names):
            assert f" {name}(" in source, (file, name)


def test_what_is_said_of_reliability_names_tests_that_exist() -> None:
    """Every test in docs/reliability.md is in the file that it is said to be in."""
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    cited = re.findall(r"`(test_\w+\.py)`:((?: `\w+`,?)+)", page)
    assert cited
    sources = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    for file, names in cited:
        for name in re.findall(r"`(\w+)`", names):
            assert f"\ndef {name}(" in sources[file], (file, name)
    n_named = len(re.findall(r"`test_\w+`", page))
    assert n_named == sum(names.count("`") // 2 for _, names in cited)


def test_by_hand_needs_no_torch() -> None:
    """Whoever brings labels of its own does not install what we train with."""
    code = "import sys, hand.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
