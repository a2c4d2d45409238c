"""Protocol sections 2 and 3: labels on the wire, commitments, Merkle roots."""

import contextlib

import numpy as np
import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from services import wire
from services.errors import LabelsError

CONTRACT = "0x00000000000000000000000000000000000000C0"
ALICE = "0x00000000000000000000000000000000000000A1"
BOB = "0x00000000000000000000000000000000000000b0"
SALT = bytes(range(32))


@st.composite
def labelled(draw: st.DrawFn) -> tuple[int, np.ndarray]:
    """A number of classes and labels of one chunk, abstentions among them."""
    classes = draw(st.sampled_from([2, 3, 4, 10, 47, 100, 1000, 1023]) | st.integers(2, 1023))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    labels = rng.integers(0, classes, draw(st.integers(1, 1200)), dtype=np.uint16)
    labels[rng.random(len(labels)) < draw(st.floats(0, 1))] = wire.abstain(classes)
    return classes, labels


@pytest.mark.parametrize(
    ("classes", "bits"), [(2, 2), (3, 2), (4, 3), (10, 4), (47, 6), (100, 7), (1000, 10)]
)
def test_a_label_has_the_bit_length_of_the_number_of_classes(classes: int, bits: int) -> None:
    """B and ABSTAIN follow from C alone."""
    assert wire.label_bits(classes) == bits
    assert wire.abstain(classes) == 2**bits - 1


@pytest.mark.parametrize("classes", [-1, 0, 1, 1024])
def test_impossible_numbers_of_classes_are_refused(classes: int) -> None:
    """Fewer than 2 or more than 1023 classes have no wire format."""
    with pytest.raises(LabelsError, match="2 to 1023"):
        wire.label_bits(classes)


def test_planes_come_from_the_highest_bit_with_the_first_sample_first() -> None:
    """Labels 5 and 8 of 10 classes (0101, 1000) open the planes with 01, 10, 00, 10."""
    data = wire.pack(np.array([5, 8], dtype=np.uint16), 10)
    rest = b"\xff" * 31  # padding is ABSTAIN: ones everywhere
    assert data == b"\x7f" + rest + b"\xbf" + rest + b"\x3f" + rest + b"\xbf" + rest


def test_a_paper_sized_round_is_20096_bytes() -> None:
    """40,000 samples of 10 classes are 157 groups of 4 words."""
    assert len(wire.pack(np.zeros(40_000, dtype=np.uint16), 10)) == 20_096


def test_chunks_concatenate_to_the_packed_round() -> None:
    """Packing chunk by chunk is packing the whole, since full chunks hold whole groups."""
    labels = np.arange(1_300, dtype=np.uint16) % 10
    sizes = wire.chunk_sizes(1_300, 512)
    chunks = np.split(labels, np.cumsum(sizes)[:-1])
    assert sizes == [512, 512, 276]
    assert b"".join(wire.pack(chunk, 10) for chunk in chunks) == wire.pack(labels, 10)


@pytest.mark.parametrize(("samples", "size"), [(0, 256), (-1, 256), (10, 0), (10, 100), (10, -256)])
def test_chunks_that_cannot_be_are_refused(samples: int, size: int) -> None:
    """A round has samples and a chunk has whole groups."""
    with pytest.raises(LabelsError):
        wire.chunk_sizes(samples, size)


@given(labelled())
def test_unpack_inverts_pack(case: tuple[int, np.ndarray]) -> None:
    """What was packed comes back to the last label, in the length that was promised."""
    classes, labels = case
    data = wire.pack(labels, classes)
    assert len(data) == wire.packed_bytes(classes, len(labels))
    assert np.array_equal(wire.unpack(data, classes, len(labels)), labels)


@given(labelled(), st.data())
def test_a_flipped_bit_never_goes_unnoticed(case: tuple[int, np.ndarray], data: st.DataObject):
    """Any flipped bit gives other labels or a refusal: no two byte strings mean the same."""
    classes, labels = case
    packed = bytearray(wire.pack(labels, classes))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with contextlib.suppress(LabelsError):
        assert not np.array_equal(wire.unpack(bytes(packed), classes, len(labels)), labels)


@given(labelled(), st.data())
def test_malformed_codes_are_refused(case: tuple[int, np.ndarray], data: st.DataObject) -> None:
    """A code between the last class and ABSTAIN cannot be packed."""
    classes, labels = case
    malformed = data.draw(st.integers(-3, 2**16))
    if 0 <= malformed < classes or malformed == wire.abstain(classes):
        return
    codes = labels.astype(np.int64)
    codes[data.draw(st.integers(0, len(codes) - 1))] = malformed
    with pytest.raises(LabelsError, match=f"got {malformed} at sample"):
        wire.pack(codes, classes)


def test_malformed_codes_on_the_wire_are_refused() -> None:
    """Code 12 of 10 classes fits 4 bits and means nothing."""
    packed = wire.pack(np.array([12], dtype=np.uint16), 16)  # 5 bits: the low 4 planes are ours
    with pytest.raises(LabelsError, match="got 12 at sample 0"):
        wire.unpack(packed[32:], 10, 1)


def test_padding_other_than_abstain_is_refused() -> None:
    """A class behind the last sample would be counted by nobody."""
    packed = wire.pack(np.array([1, 2, 3], dtype=np.uint16), 10)
    with pytest.raises(LabelsError, match="got 3 at place 2"):
        wire.unpack(packed, 10, 2)


@pytest.mark.parametrize("length", [0, 127, 129, 256])
def test_labels_of_another_length_are_refused(length: int) -> None:
    """The length follows from classes and samples."""
    with pytest.raises(LabelsError, match=f"are 128 bytes, got {length}"):
        wire.unpack(bytes(length), 10, 256)


def test_labels_that_are_no_row_of_integers_are_refused() -> None:
    """A table or probabilities instead of labels is a mistake of the caller."""
    with pytest.raises(LabelsError, match="one row"):
        wire.pack(np.zeros((2, 2), dtype=np.uint16), 10)
    with pytest.raises(LabelsError, match="integers"):
        wire.pack(np.zeros(2), 10)  # type: ignore[arg-type]


def test_abstentions_are_not_counted() -> None:
    """Label counts have one entry per class, also for classes that nobody gave."""
    assert wire.count_labels(np.array([0, 2, 2, 3], dtype=np.uint16), 3) == [1, 0, 2]


def test_a_commitment_is_the_hash_of_its_abi_encoding() -> None:
    """Section 3's formula, encoded by an independent library."""
    labels, counts = wire.pack(np.array([1, 1, 0], dtype=np.uint16), 2), [1, 2]
    expected = keccak(
        encode(
            ["uint256", "address", "uint256", "address", "bytes32", "bytes32", "bytes32"],
            [
                31337,
                CONTRACT,
                4,
                ALICE,
                keccak(labels),
                keccak(encode(["uint32", "uint32"], counts)),
                SALT,
            ],
        )
    )
    assert wire.commitment(31337, CONTRACT, 4, ALICE, labels, counts, SALT) == expected


def test_a_commitment_binds_everything_it_is_about() -> None:
    """Changing any one part, the worker above all, gives another commitment."""
    base = (1, CONTRACT, 1, ALICE, b"labels", [1, 2], SALT)
    others = (2, ALICE, 2, BOB, b"label", [2, 1], bytes(32))
    hashes = {wire.commitment(*base)}
    for i, other in enumerate(others):
        hashes.add(wire.commitment(*base[:i], other, *base[i + 1 :]))  # type: ignore[arg-type]
    assert len(hashes) == 1 + len(others)


def test_a_short_salt_and_an_impossible_count_are_refused() -> None:
    """They would be committed and could then never be revealed."""
    with pytest.raises(LabelsError, match="32 bytes, got 31"):
        wire.commitment(1, CONTRACT, 1, ALICE, b"", [0, 0], bytes(31))
    with pytest.raises(LabelsError, match="32 bits"):
        wire.commitment(1, CONTRACT, 1, ALICE, b"", [0, 2**32], SALT)


def test_merkle_parents_sort_their_children_and_odd_nodes_move_up() -> None:
    """Three leaves: the first two have a parent, the third joins it at the top."""
    a, b, c = (wire.labels_leaf(chunk, b"same labels") for chunk in (0, 1, 2))
    pair = keccak(min(a, b) + max(a, b))
    root = keccak(min(pair, c) + max(pair, c))
    assert wire.merkle_root([a, b, c]) == root
    assert wire.merkle_proof([a, b, c], 2) == [pair]
    assert wire.merkle_proof([a, b, c], 0) == [b, c]
    assert a == keccak(encode(["uint256", "bytes32"], [0, keccak(b"same labels")]))


def test_one_leaf_is_its_root_and_none_is_zero() -> None:
    """A worker with one chunk has an empty proof, one without chunks a zero root."""
    leaf = wire.labels_leaf(7, b"labels")
    assert wire.merkle_root([leaf]) == leaf
    assert wire.merkle_proof([leaf], 0) == []
    assert wire.merkle_root([]) == bytes(32)


@given(st.integers(1, 40))
def test_every_leaf_is_proven_by_its_siblings(n_leaves: int) -> None:
    """Hashing upwards from any leaf along its proof ends at the root."""
    leaves = [wire.labels_leaf(chunk, b"") for chunk in range(n_leaves)]
    for index, leaf in enumerate(leaves):
        node = leaf
        for sibling in wire.merkle_proof(leaves, index):
            node = keccak(min(node, sibling) + max(node, sibling))
        assert node == wire.merkle_root(leaves)
    with pytest.raises(LabelsError, match=f"asked for number {n_leaves}"):
        wire.merkle_proof(leaves, n_leaves)


def test_a_report_has_one_text_whatever_the_order_of_its_keys() -> None:
    """Signer and verifier serialise on their own and must meet."""
    assert wire.report_message({"b": 0.5, "a": "ü"}) == '{"a":"ü","b":0.5}'
