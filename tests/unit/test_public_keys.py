"""The key that signed a transaction, from the transaction as a node shows it."""

from typing import Any

import pytest
from eth_account import Account
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes

from services.errors import ChainError
from services.public_keys import public_key_of

SIGNER = Account.from_key(b"\x07" * 32)
TO = to_checksum_address("0x" + "1e" * 20)
COMMON = {"nonce": 3, "gas": 50_000, "to": TO, "value": 7, "data": b"\x01\x02"}
ACCESS = [{"address": TO, "storageKeys": ["0x" + "05" * 32]}]
KINDS: dict[str, dict[str, Any]] = {
    "legacy": {"gasPrice": 9},
    "legacy with chain id": {"gasPrice": 9, "chainId": 31337},
    "access list": {"type": 1, "gasPrice": 9, "chainId": 5, "accessList": ACCESS},
    "fees": {"type": 2, "maxFeePerGas": 9, "maxPriorityFeePerGas": 1, "chainId": 31337},
    "fees, creating": {
        "type": 2,
        "maxFeePerGas": 9,
        "maxPriorityFeePerGas": 1,
        "chainId": 1,
        "to": b"",
    },
}


def shown(fields: dict[str, Any]) -> dict[str, Any]:
    """A signed transaction as `eth_getTransactionByHash` answers."""
    signed = SIGNER.sign_transaction(COMMON | fields)
    data = {name: value for name, value in (COMMON | fields).items() if name != "data"}
    return data | {
        "hash": signed.hash,
        "input": HexBytes(COMMON["data"]),
        "to": data["to"] or None,
        "from": SIGNER.address,
        "v": signed.v,
        "r": HexBytes(signed.r),
        "s": HexBytes(signed.s.to_bytes(32, "big")),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_tells_the_public_key(kind: str) -> None:
    """Of every kind of transaction that wallets send."""
    expected = SIGNER._key_obj.public_key.to_bytes()
    assert public_key_of(SIGNER.address, shown(KINDS[kind])) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_transaction_of_somebody_else_is_refused(kind: str) -> None:
    """As when an account acts through a contract, or the node shows other fields."""
    with pytest.raises(ChainError, match=f"signed by {SIGNER.address}, expected {TO}"):
        public_key_of(TO, shown(KINDS[kind]))
    with pytest.raises(ChainError, match="signed by"):
        public_key_of(SIGNER.address, shown(KINDS[kind]) | {"nonce": 4})


def test_a_kind_that_is_not_known_is_refused() -> None:
    """The message says which are."""
    with pytest.raises(ChainError, match=r"type 4, .*: expected type 0, 1 or 2"):
        public_key_of(SIGNER.address, shown(KINDS["fees"]) | {"type": 4})


def test_no_signature_is_refused() -> None:
    """Zeros are none."""
    with pytest.raises(ChainError, match="no valid signature"):
        public_key_of(SIGNER.address, shown(KINDS["fees"]) | {"r": b"\0" * 32})
