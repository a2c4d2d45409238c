"""Write services/abi/Federation.json from the built contract.

Run from the project's root after `forge build`; `make contract` does both.
"""

import json
from pathlib import Path

ARTEFACT = Path("contracts/out/Federation.sol/Federation.json")
EXPORT = Path("services/abi/Federation.json")


def export() -> str:
    """The JSON text: `abi`, `bytecode` (creation code) and `deployedBytecode` (runtime code)."""
    built = json.loads(ARTEFACT.read_text())
    return (
        json.dumps(
            {
                "abi": built["abi"],
                "bytecode": built["bytecode"]["object"],
                "deployedBytecode": built["deployedBytecode"]["object"],
            },
            indent=1,
        )
        + "\n"
    )


if __name__ == "__main__":
    EXPORT.write_text(export())
