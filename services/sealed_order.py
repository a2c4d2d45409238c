"""A secret order of the public set: only who has its key knows which sample an index means.

Section 4.2 of the paper: who did not register must not profit. The task's description pins the hash
of the key, 32 bytes; the key itself reaches the registered workers encrypted (``envelopes.py``).
Pure functions; protocol section 11.
"""

import hashlib
import secrets
from collections.abc import Iterable
from pathlib import Path

import ecies
import numpy as np
from eth_account.signers.local import LocalAccount

from services.accounts import write_secret
from services.errors import SettingsError
from services.samples import IndexArray

KEY_BYTES = 32


def new_order_key(key_file: Path) -> bytes:
    """Draw a key and keep it in a new file that only its owner may read.

    Raises:
        SettingsError: the file is there already, or cannot be written.
    """
    key = secrets.token_bytes(KEY_BYTES)
    write_secret(key_file, key.hex())
    return key


def read_order_key(key_file: Path) -> bytes:
    """Read the key of an order: 64 hex digits.

    Raises:
        SettingsError: no such file, or something else in it.
    """
    try:
        key = bytes.fromhex(key_file.read_text(errors="replace").strip())
        if len(key) != KEY_BYTES:
            raise ValueError(f"it has {len(key)} bytes")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{key_file} holds no key of a sample order ({error}); expected the 64 hex digits that "
            "it was made with: restore it, nobody can label without"
        ) from error
    return key


def key_hash(key: bytes) -> str:
    """What the description pins, "0x…": SHA-256 of the key."""
    return "0x" + hashlib.sha256(key).hexdigest()


def sample_order(key: bytes, n_samples: int) -> IndexArray:
    """Which sample of the public set comes first, second, …: int64 [n].

    Samples ascend by SHA-256 of the key and their index as 8 bytes, big-endian.
    """
    digests = [
        hashlib.sha256(key + index.to_bytes(8, "big")).digest() for index in range(n_samples)
    ]
    return np.array(sorted(range(n_samples), key=digests.__getitem__), dtype=np.int64)


def seal(key: bytes, public_key: bytes) -> bytes:
    """The key, encrypted to a worker's public key (64 bytes) by ECIES over secp256k1."""
    return ecies.encrypt(b"\x04" + public_key, key)


def unseal(account: LocalAccount, envelopes: Iterable[bytes], pinned: str) -> bytes | None:
    """The key, from whichever envelope has it; None if none has.

    Anybody may post envelopes, so what is in one counts only if its hash is the pinned one.

    Args:
        account: to whom they are.
        envelopes: what was posted.
        pinned: `key_hash`, from the description.
    """
    for envelope in envelopes:
        try:
            key = ecies.decrypt(bytes(account.key), envelope)
        except Exception:  # noqa: S112  (whatever rubbish makes the library raise)
            continue
        if key_hash(key) == pinned:
            return key
    return None
