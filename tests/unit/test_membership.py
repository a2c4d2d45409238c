"""The member list agrees with OpenZeppelin's own tree, and says clearly what is wrong with it."""

import json
import subprocess
from pathlib import Path

import pytest
from eth_account import Account
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import MembershipError
from services.interface import encode_deployment
from services.membership import (
    MOST_MEMBERS_ON_CHAIN,
    describe,
    description_json,
    members_root,
    membership_proof,
    read_description,
    read_members,
)
from services.task import Task

ROOT = Path(__file__).parents[2]
MEMBERS = [Account.from_key(bytes([index]) * 32).address for index in range(1, 12)]

# Prints, for every list of addresses on stdin, OpenZeppelin's root and proofs.
OPENZEPPELIN = """
const { StandardMerkleTree } = require("@openzeppelin/merkle-tree");
const lists = JSON.parse(require("fs").readFileSync(0));
console.log(JSON.stringify(lists.map((members) => {
  const tree = StandardMerkleTree.of(members.map((member) => [member]), ["address"]);
  return { root: tree.root, proofs: members.map((member) => tree.getProof([member])) };
})));
"""


def task_of(members: list[str], uri: str) -> Task:
    """A task that differs from the default in nothing but its members."""
    return Task(
        members_root=members_root(members),
        dataset_hash="0x" + "00" * 32,
        samples_per_round=1000,
        chunk_samples=256,
        classes=10,
        max_workers=10,
        uri=uri,
    )


def test_root_and_proofs_are_those_of_openzeppelins_package() -> None:
    """Trees of every size up to 11 equal what @openzeppelin/merkle-tree computes."""
    lists = [MEMBERS[:size] for size in range(1, len(MEMBERS) + 1)]
    answer = subprocess.run(
        ["node", "-e", OPENZEPPELIN],
        input=json.dumps(lists),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    for members, expected in zip(lists, json.loads(answer.stdout), strict=True):
        proofs = [membership_proof(members, member) for member in members]
        assert members_root(members) == expected["root"]
        assert [["0x" + node.hex() for node in proof] for proof in proofs] == expected["proofs"]


@given(st.lists(st.binary(min_size=20, max_size=20), min_size=1, max_size=40, unique=True))
@settings(max_examples=50, deadline=None)
def test_every_proof_leads_to_the_root(raw: list[bytes]) -> None:
    """Hashing a member's double-hashed leaf with its proof, pairs sorted, gives the root."""
    members = ["0x" + address.hex() for address in raw]
    for member in members:
        node = keccak(keccak(bytes(12) + bytes.fromhex(member[2:])))
        for sibling in membership_proof(members, member):
            node = keccak(min(node, sibling) + max(node, sibling))
        assert "0x" + node.hex() == members_root(members)


def test_order_and_case_of_the_list_do_not_matter() -> None:
    """The root is that of the set of addresses."""
    assert members_root([member.lower() for member in reversed(MEMBERS)]) == members_root(MEMBERS)


def test_a_stranger_gets_no_proof() -> None:
    """The error names the address and what to do."""
    with pytest.raises(MembershipError, match=f"{MEMBERS[-1]} is not a member.*ask"):
        membership_proof(MEMBERS[:-1], MEMBERS[-1])


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "empty"),
        ([MEMBERS[0], MEMBERS[0].lower()], "twice"),
        (["0x1234"], "no address"),
        ([MEMBERS[0][2:]], "no address"),
        ([MEMBERS[0].swapcase().replace("X", "x")], "no address"),
    ],
)
def test_a_malformed_list_is_refused(members: list[str], message: str) -> None:
    """Empty lists, duplicates, short addresses and wrong checksums are errors."""
    with pytest.raises(MembershipError, match=message):
        members_root(members)


def test_a_description_survives_its_data_uri() -> None:
    """Names with characters that a URI reserves come back as they were."""
    uri = describe(MEMBERS, name='Digits, 100 % "real" #1 ü', classes=["null", "eins"])
    description = read_description(uri)
    assert uri.startswith("data:application/json,")
    assert uri.isascii()
    assert description.members == MEMBERS
    assert description.name == 'Digits, 100 % "real" #1 ü'
    assert description.classes == ["null", "eins"]


def test_a_base64_data_uri_is_read() -> None:
    """Deployers may encode the description the other way."""
    members = json.dumps({"members": MEMBERS[:1]}).encode()
    encoded = subprocess.run(["base64", "-w0"], input=members, capture_output=True, check=True)
    uri = "data:application/json;base64," + encoded.stdout.decode()
    assert read_description(uri).members == MEMBERS[:1]


def test_a_description_is_read_from_a_file(tmp_path: Path) -> None:
    """A path and a file: URL lead to the same members."""
    file = tmp_path / "members.json"
    file.write_text(description_json(MEMBERS))
    assert read_description(str(file)) == read_description(file.as_uri())
    assert read_description(str(file)).members == MEMBERS


def test_too_many_members_do_not_go_on_chain() -> None:
    """A deployment with a longer list would not fit a transaction."""
    many = [f"0x{index:040x}" for index in range(1, MOST_MEMBERS_ON_CHAIN + 2)]
    assert len(read_description(describe(many[:-1])).members) == MOST_MEMBERS_ON_CHAIN
    with pytest.raises(MembershipError, match="65 members are too many"):
        describe(many)


def test_the_longest_list_still_fits_the_deployment() -> None:
    """A deployment's data are limited to 49,152 bytes (EIP-3860), a transaction to 131,072."""
    members = [f"0x{index:040x}" for index in range(1, MOST_MEMBERS_ON_CHAIN + 1)]
    sealed = {"key_hash": "0x" + "5e" * 32, "envelopes": members[0]}
    name = "a federation with a name of ordinary length"
    uri = describe(members, name=name, preprocessing="box", threshold=0.85, sealed_order=sealed)
    assert len(encode_deployment(task_of(members, uri).to_abi())) <= 49_152


def test_what_the_task_asks_of_samples_and_certainty_is_described() -> None:
    """Both optional: a description without them, as older ones are, asks for nothing."""
    found = read_description(describe(MEMBERS, preprocessing="box", threshold=0.85))
    assert (found.preprocessing, found.threshold) == ("box", 0.85)
    plain = read_description(describe(MEMBERS))
    assert (plain.preprocessing, plain.threshold) == (None, None)
    assert "preprocessing" not in describe(MEMBERS)
    for wrong in ({"threshold": 85}, {"sealed_order": {"key_hash": "0x5e"}}):
        with pytest.raises(MembershipError, match=f"malformed: {next(iter(wrong))}"):
            describe(MEMBERS, **wrong)
    with pytest.raises(MembershipError, match=r"threshold: .* less than or equal to 1"):
        read_description(describe(MEMBERS, threshold=0.5).replace("0.5", "85"))


def test_the_members_of_a_task_are_read_from_its_uri() -> None:
    """A worker needs no more than the task that the contract keeps."""
    assert read_members(task_of(MEMBERS, describe(MEMBERS))) == MEMBERS


def test_a_list_that_is_not_the_contracts_is_refused() -> None:
    """A description with other members than the root says is an error, wherever it is from."""
    with pytest.raises(MembershipError, match="other members than the contract"):
        read_members(task_of(MEMBERS, describe(MEMBERS[:-1])))


def test_a_task_without_description_asks_for_one() -> None:
    """The error names the setting that helps."""
    with pytest.raises(MembershipError, match="FEDSERUM_MEMBERS"):
        read_members(task_of(MEMBERS, ""))


@pytest.mark.parametrize(
    "source",
    [
        "data:application/json",
        "data:application/json,[]",
        "data:application/json;base64,%%%",
        "/no/such/file.json",
        "http://127.0.0.1:1/members.json",
    ],
)
def test_an_unreadable_description_is_an_error(source: str) -> None:
    """The error repeats where the description was sought."""
    with pytest.raises(MembershipError, match=r"data:|/no/such|127\.0\.0\.1"):
        read_description(source)
