"""The labels of one round, recomputed: openings, recounts, votes, scores (protocol 2, 3, 4 and 6).

Who did what when, and the money, are in ``replay.py``; this file knows one round and no event.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from audit.comparison import require
from services import assignment, mechanism, scoring, wire
from services.errors import AuditError, LabelsError
from services.task import Task


@dataclass(frozen=True)
class Opening:
    """What a reveal says: the worker's packed labels, and how many of each class they are."""

    labels: bytes
    label_count: list[int]


@dataclass
class Round:
    """One round; what is by worker is by address.

    Attributes:
        ring: the round's workers by ring position.
        scale_wad: λ.
        commitments: of who committed.
        counts: recounted labels per class, of who revealed.
        roots: Merkle roots of the labels, of who revealed.
        global_labels: packed, by chunk.
        slashed: who lost its balance.
        state: what became of the round.
        pool_wei: Σ stakes + pot once settled.
    """

    task: Task
    number: int
    ring: list[str]
    scale_wad: int
    commitments: dict[str, bytes] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    slashed: set[str] = field(default_factory=set)
    counts: dict[str, list[int]] = field(default_factory=dict)
    roots: dict[str, bytes] = field(default_factory=dict)
    scores: dict[str, int] = field(default_factory=dict)
    rewards: dict[str, int] = field(default_factory=dict)
    global_labels: dict[int, bytes] = field(default_factory=dict)
    state: Literal["open", "settled", "void"] = "open"
    pool_wei: int = 0
    votes: int = 0
    majority_votes: int = 0
    _labels: dict[str, dict[int, scoring.Labels]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.positions = {worker: position for position, worker in enumerate(self.ring)}
        self.sizes = wire.chunk_sizes(self.task.samples_per_round, self.task.chunk_samples)
        members = [
            assignment.members(chunk, len(self.ring), self.task.committee)
            for chunk in range(len(self.sizes))
        ]
        self.committees = [[self.ring[position] for position in each] for each in members]
        self.chunks_of: dict[str, list[int]] = {worker: [] for worker in self.ring}
        for chunk, committee in enumerate(self.committees):
            for worker in committee:
                self.chunks_of[worker].append(chunk)

    @property
    def agreement_wad(self) -> int:
        """floor(1e18 · majority votes / votes) of the chunks aggregated so far (section 7)."""
        return mechanism.WAD * self.majority_votes // self.votes if self.votes else 0

    def rewarded(self, worker: str) -> dict[str, object]:
        """The arguments of a worker's ``Rewarded`` event."""
        score, reward = self.scores.get(worker, 0), self.rewards[worker]
        return {"round": self.number, "worker": worker, "score": score, "reward": reward}

    def recount(self, worker: str, data: bytes) -> tuple[dict[int, scoring.Labels], list[int]]:
        """A worker's labels by chunk, and how many of each class they are (section 3).

        Raises:
            AuditError: they are not a whole number of its chunks, or malformed.
        """
        try:
            labels = {
                chunk: wire.unpack(part, self.task.classes, self.sizes[chunk])
                for chunk, part in self._cut(worker, data).items()
            }
        except LabelsError as error:
            what = f"labels that {worker} revealed"
            raise AuditError(self.number, what, "well-formed codes", str(error)) from error
        every = np.concatenate([np.zeros(0, dtype=np.uint16), *labels.values()])
        return labels, wire.count_labels(every, self.task.classes)

    def reveal(self, worker: str, opening: Opening) -> None:
        """Book the labels of a worker.

        Raises:
            AuditError: they are malformed, or its label count is not theirs.
        """
        labels, counts = self.recount(worker, opening.labels)
        require(self.number, f"label count of {worker}", counts, opening.label_count)
        parts = self._cut(worker, opening.labels)
        leaves = [wire.labels_leaf(chunk, part) for chunk, part in parts.items()]
        self._labels[worker], self.counts[worker], self.scores[worker] = labels, counts, 0
        self.roots[worker] = wire.merkle_root(leaves)

    def aggregate(self, chunk: int) -> bytes:
        """Score a chunk from what was revealed (section 4); its global labels, packed."""
        classes, size = self.task.classes, self.sizes[chunk]
        present = [worker for worker in self.committees[chunk] if worker in self._labels]
        rows = [self._labels[worker][chunk] for worker in present]
        labels = np.array(rows, dtype=np.uint16).reshape(-1, size)
        added = scoring.score_chunk(
            labels,
            [self.positions[worker] for worker in present],
            self._peer_counts(present),
            self.task.peering,
            self.task.penalty_wad,
        )
        for worker, score in zip(present, added, strict=True):
            self.scores[worker] += score
        votes = scoring.vote(labels, classes)
        self.votes += int(votes.sum())
        self.majority_votes += int(votes.max(axis=1).sum())
        majority = scoring.majority(votes, wire.abstain(classes))
        self.global_labels[chunk] = wire.pack(majority, classes)
        return self.global_labels[chunk]

    def rate(self, worker: str) -> int:
        """Score per assigned sample, at least 0; 0 for who did not reveal (section 5)."""
        n_samples = sum(self.sizes[chunk] for chunk in self.chunks_of[worker])
        return max(self.scores.get(worker, 0), 0) // n_samples if n_samples else 0

    def _peer_counts(self, workers: list[str]) -> scoring.Counts:
        """g of some workers, [workers, classes]."""
        revealed = list(self.counts)
        every = scoring.peer_label_counts(
            np.array([self.counts[worker] for worker in revealed], dtype=np.int64),
            [self.positions[worker] for worker in revealed],
            self.task.peering,
        )
        return every[[revealed.index(worker) for worker in workers]].reshape(-1, self.task.classes)

    def _cut(self, worker: str, data: bytes) -> Mapping[int, bytes]:
        """A worker's packed labels by chunk."""
        parts, start = {}, 0
        for chunk in self.chunks_of[worker]:
            end = start + wire.packed_bytes(self.task.classes, self.sizes[chunk])
            parts[chunk] = data[start:end]
            start = end
        require(self.number, f"bytes of labels that {worker} revealed", start, len(data))
        return parts
