"""A sealed order is the same for everyone with its key, and readable for nobody else."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from eth_account import Account

from services.errors import SettingsError
from services.sealed_order import (
    key_hash,
    new_order_key,
    read_order_key,
    sample_order,
    seal,
    unseal,
)

KEY = bytes(range(32))


def public_key(account: object) -> bytes:
    """64 bytes, as a registration shows it."""
    return bytes(Account.from_key(account.key)._key_obj.public_key.to_bytes())  # type: ignore[attr-defined]


def test_an_order_is_a_permutation_by_the_hash_of_key_and_index() -> None:
    """Another implementation of the protocol's sentence finds the same; another key, another."""
    order = sample_order(KEY, 1000)

    def digest(index: int) -> str:
        return hashlib.sha256(KEY + index.to_bytes(8, "big")).hexdigest()

    assert sorted(order) == list(range(1000))
    assert [int(index) for index in order] == sorted(range(1000), key=digest)
    assert order[:5].tolist() == [537, 496, 814, 347, 481]
    assert not np.array_equal(order, sample_order(KEY[::-1], 1000))


def test_only_who_an_envelope_is_for_can_open_it() -> None:
    """Two envelopes of one key differ; with another private key neither opens."""
    member, other = Account.create(), Account.create()
    envelopes = [seal(KEY, public_key(member)) for _ in range(2)]
    assert envelopes[0] != envelopes[1]
    for envelope in envelopes:
        assert unseal(member, [envelope], key_hash(KEY)) == KEY
        assert unseal(other, [envelope], key_hash(KEY)) is None
        assert KEY not in envelope


def test_an_envelope_of_another_program_opens() -> None:
    """The format is the protocol's (section 11), not the library's: this one was made before."""
    member = Account.from_key(b"\x07" * 32)
    envelope = (
        "04a59c46c6895d35ee3a931da47ccdcfb780149cc032ddab176e18eec789b56356561de11320de02ae29af1289"
        "506fef74f59e9ce95446949a293aca6257af87764431acec73dac364115846a9d566f9d889a329934029fe9542"
        "4ab561ff8dbfe7267f8e7f944261afe396c79532af13e1ad3492ba04c847b2f3438a35b306b58f"
    )
    assert unseal(member, [bytes.fromhex(envelope)], key_hash(KEY)) == KEY


def test_what_anybody_posted_is_passed_over() -> None:
    """Rubbish, cut envelopes and other keys count for nothing, before and after the right one."""
    member = Account.create()
    right = seal(KEY, public_key(member))
    flipped = right[:-1] + bytes([right[-1] ^ 1])
    rubbish = [b"", b"rubbish", right[:-1], flipped, seal(KEY[::-1], public_key(member))]
    rubbish += [seal(b"", public_key(member)), seal(KEY + b"\0", public_key(member))]
    assert unseal(member, rubbish, key_hash(KEY)) is None
    assert unseal(member, [*rubbish, right, *rubbish], key_hash(KEY)) == KEY


def test_a_key_is_kept_in_a_file_of_its_own(tmp_path: Path) -> None:
    """Drawn anew each time, read back as it was, for its owner alone; never overwritten."""
    file = tmp_path / "order.key"
    key = new_order_key(file)
    assert read_order_key(file) == key
    assert file.stat().st_mode & 0o777 == 0o600
    assert new_order_key(tmp_path / "other.key") != key
    with pytest.raises(SettingsError, match="is there already"):
        new_order_key(file)
    assert read_order_key(file) == key


@pytest.mark.parametrize("content", [None, "", "no key", "ab" * 31, "ab" * 33])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, content: str | None) -> None:
    """The message names the file and what is expected in it."""
    file = tmp_path / "order.key"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match=r"order\.key holds no key .* 64 hex digits"):
        read_order_key(file)
