"""What happens in a federation that the differential tests play, from which all numbers follow."""

from dataclasses import dataclass

import numpy as np

from services import mechanism, wire
from services.mechanism import WAD, Conduct, Rules, Turn

Chunks = dict[int, wire.Labels]


@dataclass(frozen=True)
class Scenario:
    """One federation from registration to the last withdrawal.

    Attributes:
        n: workers that register; ``max_workers`` too, so round 1 opens with the last of them.
        conducts: per round and ring position; LEFT means idle in round 1.
        funds_wei: per round, what somebody adds to the pot.
        abstaining: share of samples that a worker does not label.
        skill: share of its labels that are right rather than drawn at random.
        forgotten_round: the round that nobody aggregates in its 30 days; 0 for none.
        seed: of the labels.
    """

    n: int
    samples: int
    conducts: tuple[tuple[Conduct, ...], ...]
    funds_wei: tuple[int, ...]
    chunk_samples: int = 256
    classes: int = 10
    committee: int = 0
    peering: int = 1
    min_workers: int = 4
    deposit_wei: int = WAD
    penalty_wad: int = WAD
    reward_scale_wad: int = WAD // 2
    reward_decay_wad: int = WAD // 3
    stop_agreement_wad: int = 0
    abstaining: float = 0.2
    skill: float = 0.7
    forgotten_round: int = 0
    seed: int = 0

    @property
    def rules(self) -> Rules:
        """What ``mechanism`` needs of it."""
        return Rules(
            self.classes, self.peering, self.min_workers, self.deposit_wei, self.penalty_wad
        )

    def labels(self, round_number: int, position: int, chunks: list[int]) -> Chunks:
        """The labels of the worker at a ring position: noisy views of one truth."""
        truth = np.random.default_rng((self.seed, round_number)).integers(
            0, self.classes, self.samples
        )
        rng = np.random.default_rng((self.seed, round_number, position + 1))
        noise = rng.integers(0, self.classes, self.samples)
        labels = np.where(rng.random(self.samples) < self.skill, truth, noise)
        labels[rng.random(self.samples) < self.abstaining] = wire.abstain(self.classes)
        size = self.chunk_samples
        return {q: labels[q * size : (q + 1) * size].astype(np.uint16) for q in chunks}


def is_void(scenario: Scenario, turns: list[Turn], conducts: tuple[Conduct, ...]) -> bool:
    """Whether too few workers did one of these."""
    present = {position for position, turn in enumerate(turns) if turn.conduct in conducts}
    return mechanism.is_void(scenario.rules, present)


def readable(labels: wire.Labels, classes: int) -> list[mechanism.Label]:
    """Labels as ``mechanism`` takes them: None is ABSTAIN."""
    return [label if label < classes else None for label in labels.tolist()]


def as_codes(labels: list[mechanism.Label], classes: int) -> wire.Labels:
    """Labels as ``wire`` takes them."""
    no_label = wire.abstain(classes)
    return np.array([no_label if x is None else x for x in labels], dtype=np.uint16)
