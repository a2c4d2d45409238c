"""What of a node's answer is read has to be what it should be; else it is ``ChainError``.

Pure functions; `interface` and `node` check with them what they decode.
"""

from collections.abc import Mapping
from typing import Any

from eth_abi.exceptions import DecodingError

from services.errors import ChainError

# What decoding any bytes may end with.
UNREADABLE = (DecodingError, ValueError, OverflowError, MemoryError)


def malformed(error: Exception) -> ChainError:
    """What went wrong with an answer that cannot be read, as one of ours."""
    return ChainError(
        f"the node's answer is malformed ({type(error).__name__}: {str(error)[:200]}); ask another "
        "node: set FEDSERUM_RPC_URL"
    )


def natural(value: Any, bits: int = 256) -> int:
    """A number of an answer, from 0 and of so many bits.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << bits:
        raise ValueError(f"expected a number of {bits} bits, found {str(value)[:80]!r}")
    return value


def bytes32(value: Any) -> str:
    """A hash of an answer, as 0x and 64 hex digits.

    Raises:
        ValueError: it has another length, or is no bytes.
    """
    if not isinstance(value, bytes) or len(value) != 32:
        raise ValueError(f"expected 32 bytes, found {str(value)[:80]!r}")
    return "0x" + bytes(value).hex()


def checked_log(entry: Mapping[str, Any]) -> Any:
    """A raw log that has what is read of one.

    Raises:
        Exception: of many kinds, if it has not; see ``malformed``.
    """
    if not all(isinstance(part, bytes) for part in (*entry["topics"], entry["data"])):
        raise ValueError("expected topics and data of a log to be bytes")
    for topic in entry["topics"]:
        bytes32(topic)
    for name in ("blockNumber", "logIndex"):
        natural(entry[name], 64)
    for name in ("blockHash", "transactionHash"):
        bytes32(entry[name])
    return entry
