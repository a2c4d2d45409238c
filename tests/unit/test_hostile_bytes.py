"""Any bytes from outside lead to a result or to an error of ours: from chain, description, file."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import numpy as np
import pytest
from eth_abi.abi import encode
from eth_account import Account
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from nodes import ROOT

from hand.predictions import read_array, round_labels
from services import wire
from services.envelopes import POST
from services.errors import ChainError, ContractRevertError, FedserumError, LabelsError
from services.interface import _events as events_by_topic
from services.interface import _hash as signature_hash
from services.interface import artifact, decode_calls, decode_logs, decode_revert, encode_call
from services.membership import DATA_URI, describe, read_description
from services.public_keys import public_key_of
from services.sealed_order import unseal
from services.task import Task

ACCOUNT = Account.from_key("0x" + "01" * 32)
TASK = Task(
    members_root="0x" + "11" * 32,
    dataset_hash="0x" + "22" * 32,
    samples_per_round=300,
    chunk_samples=256,
    classes=10,
    max_workers=4,
)
hostile = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
# What no parser likes: offsets and lengths beyond everything, all bits, none.
WORDS = st.sampled_from(
    [bytes(32), b"\xff" * 32, (32).to_bytes(32, "big"), (2**255).to_bytes(32, "big")]
)
ANY_BYTES = st.one_of(
    st.binary(max_size=300),
    st.lists(st.one_of(WORDS, st.binary(min_size=32, max_size=32)), max_size=12).map(b"".join),
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70) | ANY_BYTES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


def survives(read: Callable[[], Any], *errors: type[FedserumError]) -> None:
    """It returns, or fails as it says it does."""
    with suppress(*errors or (FedserumError,)):
        read()


# --- what a node answers


def log(topics: list[bytes], data: bytes) -> dict[str, Any]:
    """A raw log."""
    return {
        "topics": topics,
        "data": data,
        "blockNumber": 1,
        "blockHash": bytes(32),
        "transactionHash": bytes(32),
        "logIndex": 0,
    }


@hostile
@given(st.sampled_from(sorted(events_by_topic())), st.lists(WORDS, max_size=4), ANY_BYTES)
def test_any_event_data_is_decoded_or_refused(
    topic: bytes, topics: list[bytes], data: bytes
) -> None:
    """Of every event of the contract, with any topics and data behind its name."""
    survives(lambda: decode_logs([log([topic, *topics], data)]), ChainError)


@hostile
@given(
    st.dictionaries(st.sampled_from(sorted(log([], b""))), ANYTHING)
    | st.fixed_dictionaries(dict.fromkeys(log([], b""), ANYTHING))
)
def test_any_log_is_decoded_or_refused(entry: dict[str, Any]) -> None:
    """Fields that are missing or of other kinds are no surprise."""
    survives(lambda: decode_logs([entry]), ChainError)
    survives(lambda: decode_logs([log([next(iter(events_by_topic()))], b"") | entry]), ChainError)


@hostile
@given(
    st.sampled_from([signature_hash(e)[:4] for e in artifact()[0] if e["type"] == "error"])
    | st.sampled_from([bytes.fromhex("08c379a0"), bytes.fromhex("4e487b71"), b""]),
    ANY_BYTES,
)
def test_any_revert_data_is_named(selector: bytes, data: bytes) -> None:
    """What cannot be decoded has no name, and is shown."""
    found = decode_revert(selector + data)
    assert isinstance(found, ContractRevertError)
    assert str(found)


@hostile
@given(st.sampled_from(["reveal", "register", "aggregate"]), ANY_BYTES, ANY_BYTES)
def test_any_call_data_is_searched(function: str, before: bytes, after: bytes) -> None:
    """Whatever stands around a selector; a whole call is found again."""
    selector = encode_call(
        function, {"reveal": [b"", [], bytes(32)], "register": [[]]}.get(function, [0, [], []])
    )[:4]
    decode_calls(function, before + selector + after + selector)
    whole = encode_call("reveal", [b"labels", [1, 2], bytes(32)])
    assert {"labels": b"labels", "labelCount": [1, 2], "salt": bytes(32)} in [
        {name: list(v) if isinstance(v, tuple) else v for name, v in call.items()}
        for call in decode_calls("reveal", POST + whole)
    ]


TRANSACTION = {
    "hash": bytes(32),
    "type": 2,
    "v": 0,
    "r": b"\x01" * 32,
    "s": b"\x01" * 32,
    "chainId": 1,
    "nonce": 0,
    "gas": 21_000,
    "gasPrice": 1,
    "maxFeePerGas": 1,
    "maxPriorityFeePerGas": 1,
    "to": ACCOUNT.address,
    "value": 0,
    "input": b"",
    "accessList": [],
}


@hostile
@given(
    st.dictionaries(st.sampled_from(sorted(TRANSACTION)), ANYTHING, min_size=1, max_size=3),
    st.sets(st.sampled_from(sorted(TRANSACTION)), max_size=2),
    st.sampled_from([0, 1, 2, 3]),
)
def test_any_transaction_has_a_public_key_or_none(
    changed: dict[str, Any], missing: set[str], kind: int
) -> None:
    """Of any type, with fields that are missing, of other kinds or out of range."""
    transaction = {
        name: value
        for name, value in (TRANSACTION | {"type": kind} | changed).items()
        if name not in missing
    }
    survives(lambda: public_key_of(ACCOUNT.address, transaction), ChainError)


@hostile
@given(st.lists(ANY_BYTES, max_size=3))
def test_any_envelope_is_opened_or_passed_over(envelopes: list[bytes]) -> None:
    """Anybody may post one."""
    assert unseal(ACCOUNT, envelopes, "0x" + "00" * 32) is None


# --- labels and proofs


@hostile
@given(ANY_BYTES, st.integers(-1, 1_100), st.integers(-1, 600))
def test_any_bytes_are_labels_or_refused(data: bytes, classes: int, n_samples: int) -> None:
    """And what is unpacked packs to the same bytes."""
    survives(lambda: wire.unpack(data, classes, n_samples), LabelsError)
    with suppress(LabelsError):
        whole = data.ljust(wire.packed_bytes(classes, max(n_samples, 0)), b"\xff")
        assert wire.pack(wire.unpack(whole, classes, n_samples), classes) == whole


@hostile
@given(st.lists(ANY_BYTES, max_size=9), st.integers(-3, 12), st.integers(), st.integers())
def test_any_leaves_have_a_root(leaves: list[bytes], index: int, m: int, chunk: int) -> None:
    """And a proof, where there is such a leaf."""
    assert isinstance(wire.merkle_root(leaves), bytes)
    survives(lambda: wire.merkle_proof(leaves, index), LabelsError)
    survives(lambda: wire.chunk_sizes(min(m, 10**6), chunk), LabelsError)


@hostile
@given(hnp.arrays(st.sampled_from([np.int64, np.uint16, np.float64, np.bool_]), (300,)))
def test_any_array_is_packed_or_refused(array: Any) -> None:
    """Codes of any size and kind."""
    survives(lambda: wire.pack(array, 10), LabelsError)


@hostile
@given(ANY_BYTES, st.lists(st.integers(-(2**40), 2**40), max_size=12), ANY_BYTES)
def test_any_opening_has_a_commitment_or_none(labels: bytes, count: list[int], salt: bytes) -> None:
    """Salts and counts that do not fit are refused."""
    address = ACCOUNT.address
    survives(lambda: wire.commitment(1, address, 1, address, labels, count, salt), LabelsError)


# --- the description


@hostile
@given(
    st.binary(max_size=200) | ANYTHING.map(lambda found: json.dumps(found, default=str).encode())
)
def test_any_description_is_read_or_refused(content: bytes) -> None:
    """As a data: URI, plain or in base64, or no URI at all."""
    plain = DATA_URI + quote_from_bytes(content)
    encoded = "data:application/json;base64," + base64.b64encode(content).decode()
    for source in (plain, encoded, encoded[:-1], plain.replace(",", ""), content.decode("latin-1")):
        survives(lambda source=source: read_description(source))


@hostile
@given(
    st.dictionaries(
        st.sampled_from(
            ["members", "name", "classes", "preprocessing", "threshold", "sealed_order"]
        ),
        ANYTHING,
    )
)
def test_any_fields_of_a_description_are_read_or_refused(fields: dict[str, Any]) -> None:
    """Of any kind, beside a list of members that is right."""
    content = json.dumps({"members": [ACCOUNT.address]} | fields, default=str)
    survives(lambda: read_description(DATA_URI + quote_from_bytes(content.encode())))


@hostile
@given(st.text(max_size=60))
def test_any_member_is_described_or_refused(member: str) -> None:
    """A list that no tree can be made of is refused before anybody pays for it."""
    survives(lambda: describe([member, ACCOUNT.address]))


# --- predictions


@hostile
@given(data=st.data())
def test_any_file_is_predictions_or_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A .npy file with bytes changed, cut off, or another file altogether."""
    path = tmp_path_factory.getbasetemp() / "hostile.npy"
    np.save(path, np.arange(300) % 10)
    content = bytearray(path.read_bytes())
    kind = data.draw(st.sampled_from(["changed", "cut", "zip", "other"]))
    if kind == "changed":
        for at, byte in data.draw(
            st.lists(st.tuples(st.integers(0, 140), st.integers(0, 255)), min_size=1, max_size=6)
        ):
            content[at] = byte
    elif kind == "cut":
        content = content[: data.draw(st.integers(0, len(content)))]
    else:
        start = b"PK\x03\x04" if kind == "zip" else data.draw(st.sampled_from([b"", b"\x93NUMPY"]))
        content = bytearray(start + data.draw(ANY_BYTES))
    path.write_bytes(content)
    survives(lambda: read_labels(path), LabelsError)


def read_labels(path: Path) -> wire.Labels:
    """What `fedserum commit` makes of a file."""
    return round_labels(read_array(path), TASK, 1, 600, lambda n: np.arange(300))


@hostile
@given(
    hnp.arrays(
        hnp.scalar_dtypes().filter(lambda kind: kind.kind in "biuf"),
        st.sampled_from([(300,), (600,), (300, 10), (300, 9), (), (1, 300)]),
    )
)
def test_any_numbers_are_labels_or_refused(array: Any) -> None:
    """Of any type and size; labels are classes or ABSTAIN."""
    with suppress(LabelsError):
        labels = round_labels(array, TASK, 1, 600, lambda n: np.arange(300))
        assert ((labels < 10) | (labels == wire.abstain(10))).all()


def test_offsets_beyond_everything_cost_nothing() -> None:
    """An array that says it has 2^255 items is refused at once."""
    topic = next(t for t, kind in events_by_topic().items() if kind["name"] == "Revealed")
    data = encode(["uint256", "uint256"], [32, 2**255])
    for pieces in (data, (64).to_bytes(32, "big") * 2 + data[32:]):
        survives(lambda pieces=pieces: decode_logs([log([topic, bytes(32), bytes(32)], pieces)]))


def test_deeply_nested_json_ends_no_process() -> None:
    """A library raises the recursion limit so far that parsing would overflow the stack."""
    script = (
        "import json, orchestrator.__main__, worker.__main__, hand.__main__, audit.__main__\n"
        "try:\n    json.loads('[' * 1_000_000)\nexcept RecursionError:\n    print('refused')"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "refused"
