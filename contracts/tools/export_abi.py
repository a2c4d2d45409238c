"""Write services/abi/Federation.json from the built contract.

Run from the project's root after `forge build`; `make contract` does both.
"""

import json
from pathlib import Path

OUT = Path("contracts/out")
EXPORT = Path("services/abi/Federation.json")


def export() -> str:
    """The JSON text: the federation's `abi` and `bytecode` (creation), `kernel` (runtime code)."""
    federation = json.loads((OUT / "Federation.sol/Federation.json").read_text())
    kernel = json.loads((OUT / "Kernel.sol/Kernel.json").read_text())
    return (
        json.dumps(
            {
                "abi": federation["abi"],
                "bytecode": federation["bytecode"]["object"],
                "kernel": kernel["deployedBytecode"]["object"],
            },
            indent=1,
        )
        + "\n"
    )


if __name__ == "__main__":
    EXPORT.write_text(export())
