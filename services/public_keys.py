"""Whose public key signed a transaction: what is encrypted to a worker needs nothing else of it.

Pure functions over a transaction as a node shows it.
"""

from collections.abc import Mapping
from typing import Any

import rlp
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError
from hexbytes import HexBytes

from services.errors import ChainError, FedserumError
from services.well_formed import malformed

_EIP155_OFFSET = 35  # of v, in transactions from before types


def public_key_of(signer: str, transaction: Mapping[str, Any]) -> bytes:
    """The public key of whoever signed, 64 bytes: x and y, each 32 bytes, big-endian.

    Args:
        signer: the address that must have signed.
        transaction: of type 0, 1 or 2 (legacy, EIP-2930, EIP-1559), as `eth_getTransactionByHash`
            answers.

    Raises:
        ChainError: it is of another type, signed by another key, or malformed.
    """
    try:
        return _recovered(signer, transaction)
    except FedserumError:
        raise
    except Exception as error:
        raise malformed(error) from error


def _recovered(signer: str, transaction: Mapping[str, Any]) -> bytes:
    shown = "0x" + bytes(transaction["hash"]).hex()
    kind = int(transaction.get("type", 0))
    v = int(transaction["v"])
    if kind == 0:
        chain_id = (v - _EIP155_OFFSET) // 2 if v >= _EIP155_OFFSET else None
        parity = (v - _EIP155_OFFSET) % 2 if chain_id is not None else v - 27
        fields = [*_fields(transaction, ("nonce", "gasPrice")), *_call(transaction)]
        fields += [] if chain_id is None else [chain_id, 0, 0]
        signed = rlp.encode(fields)
    elif kind in (1, 2):
        prices = ("gasPrice",) if kind == 1 else ("maxPriorityFeePerGas", "maxFeePerGas")
        parity = int(transaction.get("yParity", v))
        fields = [*_fields(transaction, ("chainId", "nonce", *prices)), *_call(transaction)]
        signed = bytes([kind]) + rlp.encode([*fields, _access_list(transaction)])
    else:
        raise ChainError(
            f"transaction {shown} is of type {kind}, from which the sender's public key cannot be "
            "told: expected type 0, 1 or 2"
        )
    try:
        r, s = (int.from_bytes(bytes(transaction[name]), "big") for name in ("r", "s"))
        key = Signature(vrs=(parity, r, s)).recover_public_key_from_msg_hash(keccak(signed))
    except (BadSignature, ValidationError) as error:
        raise ChainError(f"transaction {shown} has no valid signature: {error}") from error
    if key.to_canonical_address() != to_canonical_address(signer):
        raise ChainError(
            f"transaction {shown} was signed by {key.to_checksum_address()}, expected {signer}: an "
            "account that acts through another one has no public key to encrypt to"
        )
    return key.to_bytes()


def _fields(transaction: Mapping[str, Any], names: tuple[str, ...]) -> list[int]:
    return [int(transaction[name]) for name in names]


def _call(transaction: Mapping[str, Any]) -> list[object]:
    to = transaction.get("to")
    return [
        int(transaction["gas"]),
        b"" if to is None else to_canonical_address(to),
        int(transaction["value"]),
        bytes(transaction["input"]),
    ]


def _access_list(transaction: Mapping[str, Any]) -> list[list[object]]:
    return [
        [to_canonical_address(entry["address"]), [HexBytes(key) for key in entry["storageKeys"]]]
        for entry in transaction.get("accessList", ())
    ]
