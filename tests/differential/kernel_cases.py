"""Chunks of labels of every shape, by number, and what the kernel must answer for each.

A case follows from its number alone. What it must give comes twice: from the integer reference
``mechanism``, sample by sample, and from ``scoring`` in numpy.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from services import mechanism, scoring, wire
from services.mechanism import WAD

GROUP = wire.GROUP_SAMPLES
MOST_MEMBERS, MOST_CLASSES = 64, 300
Answer = tuple[list[int], bytes, int, int]  # scores, packed global labels, majority votes, votes


@dataclass(frozen=True)
class Case:
    """One chunk of a round.

    Attributes:
        samples: in the chunk; its groups are as many as hold them.
        abstaining: share of samples that a member does not label.
        skill: share of its labels that are right rather than drawn at random.
        silent: members that did not reveal.
        elsewhere: most labels of a class that a member may have given in other chunks.
    """

    number: int
    members: int
    classes: int
    samples: int
    peering: int
    abstaining: float
    skill: float
    silent: frozenset[int]
    elsewhere: int
    penalty_wad: int

    @classmethod
    def of(cls, number: int) -> "Case":
        """The case with a number: small ones often, each corner often enough."""
        rng = np.random.default_rng(number)
        kind = number % 100
        members = _spread(rng, 1, MOST_MEMBERS)
        classes = _spread(rng, 2, MOST_CLASSES)
        if kind in (0, 1):  # several blocks of groups
            members, classes = _spread(rng, 1, 12), _spread(rng, 2, 20)
            samples = int(rng.integers(8 * GROUP + 1, 12 * GROUP))
        elif kind in (2, 3):  # whole groups, several
            members, classes = _spread(rng, 2, 20), _spread(rng, 2, 60)
            samples = GROUP * int(rng.integers(1, 4))
        elif kind in (4, 5):  # as many members as can be
            members, samples = MOST_MEMBERS - int(rng.integers(3)), int(rng.integers(1, 40))
            classes = _spread(rng, 2, 12)
        elif kind in (6, 7):  # around the next label bit, where all codes but one are classes
            classes = int(2 ** rng.integers(2, 9) + rng.integers(-1, 1))
            samples = int(rng.integers(1, GROUP))
        else:
            samples = int(rng.integers(1, 3 * GROUP))
        # The reference compares every two members on every sample, and class by class.
        if kind >= 4 and kind % 50:
            classes = min(classes, max(2, 30_000 // members**2))
        if kind >= 4:
            samples = min(samples, 4 + 12_000 // (members * (members + classes)))
        if kind == 8:
            samples = 1
        n_silent = int(rng.integers(members + 1)) if kind % 4 == 0 else 0
        return cls(
            number=number,
            members=members,
            classes=classes,
            samples=samples,
            peering=int(rng.integers(2)),
            abstaining=[0.0, 1.0, float(rng.random()), float(rng.random() / 5)][
                rng.choice(4, p=[0.3, 0.05, 0.3, 0.35])
            ],
            skill=float(rng.random()),
            silent=frozenset(rng.permutation(members)[:n_silent].tolist()),
            elsewhere=int(rng.choice([0, 3, 100_000])),
            penalty_wad=int(rng.choice([WAD, 0, 2 * WAD, WAD + 7])),
        )

    @property
    def groups(self) -> int:
        """Groups of 256 samples."""
        return -(-self.samples // GROUP)

    @cached_property
    def labels(self) -> dict[int, wire.Labels]:
        """By member that revealed, its labels [samples]."""
        rng = np.random.default_rng((self.number, 1))
        truth = rng.integers(self.classes, size=self.samples)
        found = {}
        for member in sorted(set(range(self.members)) - self.silent):
            noise = rng.integers(self.classes, size=self.samples)
            labels = np.where(rng.random(self.samples) < self.skill, truth, noise)
            labels[rng.random(self.samples) < self.abstaining] = wire.abstain(self.classes)
            found[member] = labels.astype(np.uint16)
        return found

    @cached_property
    def packed(self) -> list[bytes]:
        """By member, its labels on the wire; empty if it did not reveal."""
        return [
            wire.pack(self.labels[i], self.classes) if i in self.labels else b""
            for i in range(self.members)
        ]

    @cached_property
    def label_counts(self) -> dict[int, list[int]]:
        """By member that revealed, its label count over a round of which this is a part."""
        rng = np.random.default_rng((self.number, 2))
        return {
            member: (
                np.array(wire.count_labels(labels, self.classes))
                + rng.integers(self.elsewhere + 1, size=self.classes)
            ).tolist()
            for member, labels in self.labels.items()
        }

    @cached_property
    def peer_counts(self) -> dict[int, list[int]]:
        """g, by the reference."""
        return mechanism.peer_label_counts(self.label_counts, self.peering, self.classes)

    def by_reference(self) -> Answer:
        """What ``mechanism`` says."""
        no_label = wire.abstain(self.classes)
        rows = {
            member: [None if label == no_label else label for label in labels.tolist()]
            for member, labels in self.labels.items()
        }
        found = mechanism.score_chunk(rows, self.peer_counts, self.peering, self.penalty_wad)
        votes = mechanism.vote(rows, self.classes, self.samples)
        majority = [mechanism.majority(sample) for sample in votes]
        codes = np.array([no_label if x is None else x for x in majority], dtype=np.uint16)
        return (
            [found.get(i, 0) for i in range(self.members)],
            wire.pack(codes, self.classes),
            sum(map(max, votes)),
            sum(map(sum, votes)),
        )

    def by_numpy(self) -> Answer:
        """What ``scoring`` says."""
        positions = list(self.labels)
        labels = np.array(list(self.labels.values()), dtype=np.uint16).reshape(-1, self.samples)
        counts = np.array(list(self.label_counts.values())).reshape(-1, self.classes)
        peer_counts = scoring.peer_label_counts(counts, positions, self.peering)
        scores = [0] * self.members
        added = scoring.score_chunk(labels, positions, peer_counts, self.peering, self.penalty_wad)
        for position, score in zip(positions, added, strict=True):
            scores[position] = score
        votes = scoring.vote(labels, self.classes)
        majority = scoring.majority(votes, wire.abstain(self.classes))
        return (
            scores,
            wire.pack(majority, self.classes),
            int(votes.max(axis=1).sum()),
            int(votes.sum()),
        )

    def conditions(self) -> dict[str, bool]:
        """Of the corners that must be met, in which this case is."""
        voters = len(self.labels)
        league = sum(position % 2 == 0 for position in self.labels)
        peers = max(league, voters - league) if self.peering else voters - 1
        all_vote = self.abstaining == 0 and self.members > 10 and self.classes <= 16
        return {
            "many members, nobody abstains": all_vote and peers <= 15,
            "more of them than nibbles count": all_vote and peers > 15,
            "one member": self.members == 1,
            "nobody revealed": voters == 0,
            "some silent": 0 < voters < self.members,
            "a silent league": self.peering == 1
            and self.members > 1
            and voters > 0 == min(league, voters - league),
            "one voter": voters == 1,
            "2 to 3 peers": 2 <= peers <= 3,
            "4 to 10 peers": 4 <= peers <= 10,
            "11 to 16 peers": 11 <= peers <= 16,
            "over 16 peers": peers > 16,
            "over 31 peers": peers > 31,
            "over 48 voters": voters > 48,
            "64 voters": voters == 64,
            "2 classes": self.classes == 2,
            "3 classes": self.classes == 3,
            "10 classes": self.classes == 10,
            "classes fill the code": (self.classes + 1) & self.classes == 0,
            "classes start a code": self.classes & (self.classes - 1) == 0,
            "over 32 classes": self.classes > 32,
            "over 256 classes": self.classes > 256,
            "a sample alone": self.samples == 1,
            "a whole group": self.samples == GROUP,
            "ragged": self.samples % GROUP > 0,
            "several groups": 1 < self.groups <= 8,
            "several blocks of groups": self.groups > 8,
            "nobody abstains": self.abstaining == 0,
            "everybody abstains": self.abstaining == 1 and voters > 0,
            "many abstain": self.abstaining > 0.5,
            "few abstain": 0 < self.abstaining < 0.2,
            "everyone else is a peer": self.peering == 0,
            "the other league are peers": self.peering == 1,
            "no penalty": self.penalty_wad == 0,
            "labels in other chunks": self.elsewhere > 0,
        }


def _spread(rng: np.random.Generator, least: int, most: int) -> int:
    """A whole number, as often below the geometric mean as above."""
    return min(most, int(np.exp(rng.uniform(np.log(least), np.log(most + 1)))))
