"""What ``wire`` refuses the contract refuses, and nothing else."""

from collections.abc import Callable

import numpy as np
import pytest
from conftest import Deployed

from services import wire
from services.chain import Phase
from services.errors import ContractRevertError, LabelsError

N_WORKERS = 12


@pytest.mark.parametrize(("classes", "samples"), [(10, 250), (5, 512)])
def test_flipped_bits_are_refused_on_both_sides_or_on_neither(
    federation: Callable[..., Deployed], classes: int, samples: int
) -> None:
    """Each worker commits to labels with one bit flipped, every second one near the end."""
    played = federation(N_WORKERS, classes=classes, samples_per_round=samples, chunk_samples=512)
    played.register_all()
    rng = np.random.default_rng(classes)
    n_bits = wire.label_bits(classes)
    places = wire.packed_bytes(classes, samples) * 8 // n_bits
    openings, refused = [], []
    for index, worker in enumerate(played.workers):
        labels = rng.integers(classes, size=samples, dtype=np.uint16)
        data = bytearray(wire.pack(labels, classes))
        first = 0 if index % 2 else samples - 3
        group, place = divmod(int(rng.integers(first, places)), 256)
        plane = int(rng.integers(n_bits))
        data[(group * n_bits + plane) * 32 + place // 8] ^= 0x80 >> place % 8
        try:
            counts = wire.count_labels(wire.unpack(bytes(data), classes, samples), classes)
            refused.append(False)
        except LabelsError:
            counts = wire.count_labels(labels, classes)
            refused.append(True)
        salt = rng.bytes(32)
        openings.append((bytes(data), counts, salt))
        worker.commit(played.commitment(worker, 1, bytes(data), counts, salt))

    assert played.workers[0].phase() == Phase.REVEAL
    assert {True, False} == set(refused)
    for worker, opening, is_refused in zip(played.workers, openings, refused, strict=True):
        if is_refused:
            with pytest.raises(ContractRevertError) as refusal:
                worker.reveal(*opening)
            assert refusal.value.name in {"MalformedLabels", "PaddingNotAbstain"}
        else:
            assert worker.reveal(*opening).events[0].name == "Revealed"


@pytest.mark.parametrize("change", [-128, -1, 1, 128])
def test_labels_of_another_length_are_refused_on_both_sides(
    federation: Callable[..., Deployed], change: int
) -> None:
    """A group or a byte too few or too many."""
    played = federation(4, samples_per_round=300)
    played.register_all()
    data = wire.pack(np.zeros(300, dtype=np.uint16), 10)
    data = data + bytes(change) if change > 0 else data[:change]
    counts, salt = [300] + [0] * 9, bytes(32)
    for worker in played.workers:
        worker.commit(played.commitment(worker, 1, data, counts, salt))
    with pytest.raises(LabelsError):
        wire.unpack(data, 10, 300)
    with pytest.raises(ContractRevertError) as refusal:
        played.workers[0].reveal(data, counts, salt)
    assert refusal.value.name == "WrongLabelsLength"
