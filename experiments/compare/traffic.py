"""Bytes that one worker sends and receives: exactly, for a round of labels, and as formulas.

Counted is what the protocol says, in binary: calldata that the worker signs, and data of the events
that it reads. Not counted is what carries it: signatures, JSON, HTTP, TLS.
"""

import gzip
from dataclasses import dataclass

import torch
import torchvision
from eth_abi.abi import encode

from services import wire
from services.interface import encode_call
from services.samples import SampleArray
from worker.model import build_model

# Of a chunk: what `fedserum cost` finds cheapest for 40,000 samples and ten workers.
CHUNK_SAMPLES = 14_336
WORD = bytes(wire.WORD_BYTES)
ADDRESS = "0x" + "00" * 20
FLOAT_BYTES = 4


@dataclass(frozen=True)
class Traffic:
    """Of one worker in one round, in bytes.

    Attributes:
        up: sent.
        down: received.
    """

    up: int
    down: int


def of_round(
    votes: wire.Labels, global_labels: wire.Labels, classes: int, has_votes: bool
) -> Traffic:
    """What a round of labels costs the worker whose labels are the first row.

    It sends `commit` and `reveal`. It receives the global labels, in one `ChunkAggregated` event
    for each chunk, and with `has_votes` everybody's `Revealed` event.

    Args:
        votes: everybody's labels, uint16 [n, m].
        global_labels: their majority, uint16 [m].
        classes: C.
        has_votes: whether it learns from everybody's votes, and not from the global labels alone.
    """
    rows = [b"".join(_chunks(row, classes)) for row in votes]
    counts = [wire.count_labels(row, classes) for row in votes]
    sent = [encode_call("commit", [WORD]), encode_call("reveal", [rows[0], counts[0], WORD])]
    received = [
        encode(["address", "bytes"], [ADDRESS, chunk]) for chunk in _chunks(global_labels, classes)
    ]
    if has_votes:
        received += [
            encode(["uint32[]", "bytes"], [count, row])
            for count, row in zip(counts, rows, strict=True)
        ]
    return Traffic(up=sum(map(len, sent)), down=sum(map(len, received)))


def _chunks(labels: wire.Labels, classes: int) -> list[bytes]:
    """Labels [m] as they are packed, chunk by chunk."""
    return [
        wire.pack(labels[start : start + CHUNK_SAMPLES], classes)
        for start in range(0, len(labels), CHUNK_SAMPLES)
    ]


def label_bytes(n_samples: int, classes: int) -> float:
    """m·B/8: one worker's labels of m samples, without padding."""
    return n_samples * wire.label_bits(classes) / 8


def weight_bytes(n_parameters: int) -> int:
    """One network's parameters as FedAvg sends them each way, in binary32."""
    return FLOAT_BYTES * n_parameters


def image_bytes(images: SampleArray) -> tuple[int, int]:
    """Public images as they are, and as gzip (in which idx files are distributed) makes them."""
    raw = images.tobytes()
    return len(raw), len(gzip.compress(raw, compresslevel=9, mtime=0))


@dataclass(frozen=True)
class Network:
    """A network, the number of its parameters, and how many classes it tells apart."""

    name: str
    n_parameters: int
    classes: int


def networks() -> list[Network]:
    """LeNet-5 as the worker builds it, ResNet-18 and ResNet-50 as torchvision does."""
    with torch.device("meta"):  # counts, but no numbers
        built = {
            "LeNet-5": (build_model(10), 10),
            "ResNet-18": (torchvision.models.resnet18(), 1000),
            "ResNet-50": (torchvision.models.resnet50(), 1000),
        }
    return [
        Network(name, sum(each.numel() for each in model.parameters()), classes)
        for name, (model, classes) in built.items()
    ]
