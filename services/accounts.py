"""Addresses and keys: checked, read from files, and known to everyone or not."""

import os
import secrets
from functools import cache
from pathlib import Path

from eth_account import Account
from eth_account.hdaccount import key_from_seed, seed_from_mnemonic
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from eth_utils.address import is_hex_address, to_checksum_address

from services.errors import SettingsError


def checked_address(text: str) -> ChecksumAddress:
    """An address with its checksum.

    Raises:
        SettingsError: it is none.
    """
    if not is_hex_address(text) or not text.startswith("0x"):
        raise SettingsError(f"{text!r} is no address; expected 0x and 40 hex digits")
    return to_checksum_address(text)


def load_account(key_file: Path) -> LocalAccount:
    """Read a private key of 64 hex digits.

    Raises:
        SettingsError: no such file, or something else in it.
    """
    try:
        text = key_file.read_text(errors="replace").strip()
    except OSError as error:
        raise SettingsError(
            f"cannot read the key file {key_file} ({error.strerror}); expected 64 hex digits in it"
        ) from error
    try:
        key = bytes.fromhex(text.removeprefix("0x"))
        account: LocalAccount = Account.from_key(key)
    except ValueError as error:
        raise SettingsError(
            f"{key_file} does not hold a private key: expected 64 hex digits, found "
            f"{len(text)} characters"
        ) from error
    return account


def new_key(key_file: Path) -> LocalAccount:
    """Draw a private key and keep it in a new file that only its owner may read.

    Raises:
        SettingsError: the file is there already, or cannot be written.
    """
    write_secret(key_file, secrets.token_bytes(32))
    return load_account(key_file)


def write_secret(file: Path, secret: bytes) -> None:
    """Keep a secret, as hex digits, in a new file that only its owner may read.

    Raises:
        SettingsError: the file is there already, or cannot be written.
    """
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(secret.hex() + "\n")
            opened.flush()
            os.fsync(opened.fileno())
    except FileExistsError as error:
        raise SettingsError(
            f"{file} is there already, and a key that is overwritten is lost with its money; "
            "name a file that is not there, or use that key"
        ) from error
    except OSError as error:
        raise SettingsError(
            f"cannot write the key file {file} ({error.strerror}); name a file in a folder "
            "that is there and that you may write"
        ) from error


def development_account(index: int) -> LocalAccount:
    """One of the accounts that development nodes start with: everyone knows its key."""
    seed = seed_from_mnemonic("test " * 11 + "junk", passphrase="")
    account: LocalAccount = Account.from_key(key_from_seed(seed, f"m/44'/60'/0'/0/{index}"))
    return account


@cache
def known_addresses() -> frozenset[str]:
    """Accounts of the mnemonic that anvil and Hardhat start with."""
    return frozenset(development_account(index).address for index in range(20))
