"""Keys in files, plain or encrypted, and keys that everyone knows."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from nodes import ROOT
from test_node import server

from services.accounts import MNEMONICS, known_addresses, load_account, new_key
from services.chain import Chain, Federation, deploy
from services.errors import SettingsError
from services.task import Task

PASSWORD = " correct horse, battery staple µ "  # noqa: S105
KEY = "0x" + "01" * 32


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A keystore as other programs write it, and its password with a line break behind it."""
    keystore, password = tmp_path / "UTC--keystore", tmp_path / "password"
    content = Account.encrypt(KEY, PASSWORD, kdf="pbkdf2", iterations=1_000)
    keystore.write_text(json.dumps(content))
    password.write_text(PASSWORD + "\n", encoding="utf-8")
    return keystore, password


def test_a_keystore_is_opened_by_its_password(files: tuple[Path, Path]) -> None:
    """Only the line break at the end of the password file does not count."""
    assert load_account(*files).key.to_0x_hex() == KEY


def test_a_plain_key_needs_no_password(files: tuple[Path, Path]) -> None:
    """And works beside one."""
    plain = files[0].with_name("key")
    plain.write_text(KEY)
    assert load_account(plain, files[1]).address == load_account(plain).address


def write(path: Path, content: bytes) -> Path:
    """A file with that content."""
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda key, password: (key, None), "set FEDSERUM_KEY_PASSWORD_FILE"),
        (lambda key, password: (key, write(password, b"guess\n")), "does not open"),
        (lambda key, password: (key, write(password, b"\n")), "is empty"),
        (lambda key, password: (key, write(password, b"\xff\xfe")), "it is no text"),
        (lambda key, password: (key, password.parent / "none"), "No such file"),
        (lambda key, password: (write(key, b"{"), password), "no keystore of version 3"),
        (lambda key, password: (write(key, b'{"version": 4}'), password), "no keystore"),
        (lambda key, password: (write(key, b'{"version": 3, "crypto": []}'), password), "no key"),
        (
            lambda key, password: (
                write(key, key.read_bytes().replace(b'"mac": "', b'"mac": "00')),
                password,
            ),
            "does not open|damaged",
        ),
        (
            lambda key, password: (
                write(key, key.read_bytes().replace(b'"c": 1000', b'"c": "x"')),
                password,
            ),
            "damaged",
        ),
    ],
)
def test_what_does_not_open_is_named(
    files: tuple[Path, Path], change: Callable[[Path, Path], tuple[Path, Path | None]], why: str
) -> None:
    """What is wrong with which file, and never what is in it."""
    with pytest.raises(SettingsError, match=why) as caught:
        load_account(*change(*files))
    shown = f"{caught.value!r} {caught.value.__cause__!r}"
    assert "guess" not in shown
    assert "horse" not in shown


def test_a_new_key_is_encrypted_if_there_is_a_password(
    files: tuple[Path, Path],
) -> None:
    """`fedserum key new` writes a keystore that only its owner reads, and never the key itself."""
    path = files[0].with_name("new")
    answer = subprocess.run(
        [sys.executable, "-m", "fedserum", "key", "new", path, "--password-file", files[1]],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    account = load_account(path, files[1])
    assert account.address in answer.stdout
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["version"] == 3
    assert bytes(account.key).hex() not in path.read_text()
    with pytest.raises(SettingsError, match="there already"):
        new_key(path, files[1])


def test_all_keys_of_development_nodes_are_known() -> None:
    """The first accounts of anvil, Ganache and Truffle, and all three of Besu's."""
    assert len(known_addresses()) == 20 * len(MNEMONICS) + 1
    assert known_addresses() >= {
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "0x90F8bf6A479f320ead074411a4B0e7944Ea8c9C1",
        "0x627306090abaB3A6e1400e9345bC60c78a8BEf57",
        "0xf17f52151EbEF6C7334FAD080c5704D77216b732",
        Account.from_key(
            "0x8f2a55949038a9610f50fb23b5883af3b4ecb3c3bb792cbcefbd1542c692be63"
        ).address,
    }


def test_a_known_key_sends_nothing_on_a_public_chain() -> None:
    """By none of the ways that there are to send; the node is asked for its chain id alone."""
    known = Account.from_key("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
    task = Task(
        members_root="0x" + "11" * 32,
        dataset_hash="0x" + "22" * 32,
        samples_per_round=300,
        chunk_samples=256,
        classes=10,
        max_workers=4,
    )
    transfer = {"to": known.address, "value": 1, "gas": 21_000, "gasPrice": 1, "nonce": 0}
    raw = bytes(known.sign_transaction(transfer | {"chainId": 1}).raw_transaction)
    with server([b'{"jsonrpc": "2.0", "id": 0, "result": "0x1"}']) as (url, requests):
        chain = Chain(url)
        ways: list[Callable[[], Any]] = [
            lambda: Federation(chain, known.address, known),
            lambda: chain.transfer(known, known.address, 1),
            lambda: chain.send(known, known.address, b""),
            lambda: chain.send(known, None, b"\0"),
            lambda: chain.send_signed(raw),
            lambda: deploy(chain, known, task),
        ]
        for way in ways:
            with pytest.raises(SettingsError, match="everyone knows"):
                way()
        assert {json.loads(request)["method"] for request in requests} == {"eth_chainId"}
