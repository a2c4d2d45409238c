"""Addresses and keys: checked, read from files, and known to everyone or not."""

import json
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

KEYSTORE_VERSION = 3

# Of anvil and Hardhat, of Ganache, and of Truffle, whose first two are Besu's as well.
MNEMONICS = (
    "test " * 11 + "junk",
    "myth like bonus scare over problem client lizard pioneer submit female collect",
    "candy maple cake sugar pudding cream honey rich smooth crumble sweet treat",
)
BESU = "0xFE3B557E8Fb62b89F4916B721be55cEb828dBd73"  # the third of Besu's


def checked_address(text: str) -> ChecksumAddress:
    """An address with its checksum.

    Raises:
        SettingsError: it is none.
    """
    if not is_hex_address(text) or not text.startswith("0x"):
        raise SettingsError(f"{text!r} is no address; expected 0x and 40 hex digits")
    return to_checksum_address(text)


def load_account(key_file: Path, password_file: Path | None = None) -> LocalAccount:
    """Read a private key: 64 hex digits, or an encrypted keystore (JSON of version 3).

    Args:
        key_file: where the key is.
        password_file: where the keystore's password is; its last line break does not count.

    Raises:
        SettingsError: no such file, something else in it, or a missing or wrong password.
    """
    try:
        text = key_file.read_text(errors="replace").strip()
    except OSError as error:
        raise SettingsError(
            f"cannot read the key file {key_file} ({error.strerror}); expected 64 hex digits in "
            "it, or an encrypted keystore"
        ) from error
    if text.startswith("{"):
        return _decrypted(key_file, text, password_file)
    try:
        account: LocalAccount = Account.from_key(bytes.fromhex(text.removeprefix("0x")))
    except ValueError:
        # Not chained: what the library says may show what is in the file.
        raise SettingsError(
            f"{key_file} does not hold a private key: expected 64 hex digits or an encrypted "
            f"keystore (JSON), found {len(text)} characters"
        ) from None
    return account


def _decrypted(key_file: Path, text: str, password_file: Path | None) -> LocalAccount:
    if password_file is None:
        raise SettingsError(
            f"{key_file} is an encrypted keystore; set FEDSERUM_KEY_PASSWORD_FILE to a file with "
            "its password"
        )
    password = _read_password(password_file)
    try:
        keystore = json.loads(text)
        if keystore.get("version") != KEYSTORE_VERSION:
            raise ValueError("another version")
        kind = keystore["crypto"]["kdf"]
        if not isinstance(kind, str):
            raise TypeError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SettingsError(
            f"{key_file} is no keystore of version {KEYSTORE_VERSION}, as geth, clef and `fedserum "
            "key new` write it; restore it, or name a file of 64 hex digits"
        ) from None
    try:
        account: LocalAccount = Account.from_key(Account.decrypt(keystore, password))
    except Exception as error:
        is_wrong = "MAC mismatch" in str(error)
        raise SettingsError(
            f"the password in {password_file} does not open {key_file}; name the file with the "
            "password that the keystore was made with"
            if is_wrong
            else f"{key_file} is a damaged keystore ({type(error).__name__}); restore it"
        ) from None
    return account


def _read_password(password_file: Path) -> str:
    try:
        password = password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingsError(
            f"cannot read the password file {password_file} ({why}); put the keystore's password "
            "there, in UTF-8"
        ) from None
    if not password:
        raise SettingsError(f"the password file {password_file} is empty; put a password there")
    return password


def new_key(key_file: Path, password_file: Path | None = None) -> LocalAccount:
    """Draw a private key and keep it in a new file that only its owner may read.

    Args:
        key_file: the file.
        password_file: what to encrypt it with, as a keystore; None: 64 hex digits.

    Raises:
        SettingsError: the file is there already, or cannot be written; no password in its file.
    """
    key = secrets.token_bytes(32)
    if password_file is None:
        write_secret(key_file, key.hex())
    else:
        keystore = Account.encrypt(key, _read_password(password_file))
        write_secret(key_file, json.dumps(keystore))
    return load_account(key_file, password_file)


def write_secret(file: Path, secret: str) -> None:
    """Keep a secret in a new file that only its owner may read.

    Raises:
        SettingsError: the file is there already, or cannot be written.
    """
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(secret + "\n")
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
    """One of the accounts that anvil and Hardhat's node start with: everyone knows its key."""
    return _derived(MNEMONICS[0], index)


@cache
def known_addresses() -> frozenset[str]:
    """Accounts that development nodes start with, whose keys everyone knows."""
    derived = {_derived(words, index).address for words in MNEMONICS for index in range(20)}
    return frozenset(derived | {BESU})


def _derived(mnemonic: str, index: int) -> LocalAccount:
    account: LocalAccount = Account.from_key(
        key_from_seed(_seed(mnemonic), f"m/44'/60'/0'/0/{index}")
    )
    return account


@cache
def _seed(mnemonic: str) -> bytes:
    return seed_from_mnemonic(mnemonic, passphrase="")
