"""Write what follows from the built contracts: the kernels' addresses, and the ABI with the code.

`make contract` runs it from the project's root after `forge build`. If a kernel has another address
than before, the contracts are built once more, for the federation holds the addresses.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

FORGE = Path("contracts/tools/forge")
OUT = Path("contracts/out")
EXPORT = Path("services/abi/Federation.json")
ADDRESSES = Path("contracts/src/Kernels.sol")
KERNELS = {"SCORE_KERNEL": "ScoreKernel", "COUNT_KERNEL": "CountKernel"}
PROXY = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
SALT = bytes(32)

HEADER = f"""\
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

// Written by `make contract` (contracts/tools/export_abi.py): where the deterministic deployment
// proxy {PROXY} puts the two kernels as built, with salt 0.
"""


def addresses() -> str:
    """Text of Kernels.sol."""
    lines = [
        f"address constant {constant} = {_address(_built(name))};\n"
        for constant, name in KERNELS.items()
    ]
    return HEADER + "".join(lines)


def export() -> str:
    """The JSON text: the federation's `abi` and `bytecode` (creation code), and what is shared.

    Of each of its `kernels`, and of `envelopes`: `name`, `address`, `bytecode`, and `codeHash`,
    Keccak-256 of the runtime code.
    """
    federation = _built("Federation")
    content = {
        "abi": federation["abi"],
        "bytecode": federation["bytecode"]["object"],
        "kernels": [_shared(name) for name in KERNELS.values()],
        "envelopes": _shared("Envelopes"),
    }
    return json.dumps(content, indent=1) + "\n"


def _shared(name: str) -> dict[str, str]:
    built = _built(name)
    return {
        "name": name,
        "address": _address(built),
        "codeHash": "0x" + keccak(hexstr=built["deployedBytecode"]["object"]).hex(),
        "bytecode": built["bytecode"]["object"],
    }


def _built(name: str) -> dict[str, Any]:
    artefact: dict[str, Any] = json.loads((OUT / f"{name}.sol/{name}.json").read_text())
    return artefact


def _address(built: dict[str, Any]) -> str:
    """Where CREATE2 puts it (EIP-1014)."""
    code_hash = keccak(hexstr=built["bytecode"]["object"])
    return to_checksum_address(keccak(b"\xff" + bytes.fromhex(PROXY[2:]) + SALT + code_hash)[-20:])


if __name__ == "__main__":
    if ADDRESSES.read_text() != addresses():
        ADDRESSES.write_text(addresses())
        subprocess.run([FORGE, "build"], check=True)
    EXPORT.write_text(export())
