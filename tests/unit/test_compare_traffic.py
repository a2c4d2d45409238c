"""Bytes of a round of labels, and of networks."""

import numpy as np
import pytest

from experiments.compare.traffic import (
    image_bytes,
    label_bytes,
    networks,
    of_round,
    weight_bytes,
)
from services import scoring, wire
from services.interface import decode_calls, encode_call

CLASSES, WORKERS, SAMPLES = 10, 4, 40_000
VOTES = np.random.default_rng(0).integers(0, CLASSES, (WORKERS, SAMPLES)).astype(np.uint16)
MAJORITY = scoring.majority(scoring.vote(VOTES, CLASSES), wire.abstain(CLASSES))


def test_a_worker_sends_what_its_transactions_carry() -> None:
    """36 bytes to commit to 40,000 labels and 20,580 to reveal them, as `fedserum cost` says."""
    assert of_round(VOTES, MAJORITY, CLASSES, has_votes=False).up == 36 + 20_580


def test_everybodys_labels_are_received_only_if_they_are_wanted() -> None:
    """The majority is one worker's labels and 128 bytes a chunk; all votes are as much each."""
    packed = wire.packed_bytes(CLASSES, SAMPLES)
    few, all_votes = (of_round(VOTES, MAJORITY, CLASSES, has).down for has in (False, True))
    assert packed + 3 * 96 <= few <= packed + 3 * 128
    assert all_votes - few == WORKERS * (packed + 32 * (4 + CLASSES))


def test_counted_calldata_can_be_decoded() -> None:
    """It is the contract's own call, with the labels in it."""
    row, counts = wire.pack(VOTES[0, :300], CLASSES), wire.count_labels(VOTES[0, :300], CLASSES)
    data = encode_call("reveal", [row, counts, bytes(32)])
    assert len(data) + 36 == of_round(VOTES[:, :300], MAJORITY[:300], CLASSES, has_votes=False).up
    assert decode_calls("reveal", data)[0]["labels"] == row


@pytest.mark.parametrize(("classes", "expected"), [(10, 20_000), (47, 30_000), (1000, 50_000)])
def test_labels_cost_their_bits(classes: int, expected: int) -> None:
    """m·B/8 bytes, a little below what is packed."""
    assert label_bytes(SAMPLES, classes) == expected
    assert 0 <= wire.packed_bytes(classes, SAMPLES) - expected <= 256 * wire.label_bits(classes) / 8


def test_networks_are_of_their_known_sizes() -> None:
    """Parameters of LeNet-5 and of torchvision's ResNets."""
    found = {each.name: each.n_parameters for each in networks()}
    assert found == {"LeNet-5": 61_706, "ResNet-18": 11_689_512, "ResNet-50": 25_557_032}
    assert weight_bytes(found["LeNet-5"]) == 246_824


def test_public_images_are_counted_raw_and_compressed() -> None:
    """Empty images compress well."""
    raw, compressed = image_bytes(np.zeros((100, 28, 28), np.uint8))
    assert raw == 78_400
    assert 0 < compressed < 1_000
