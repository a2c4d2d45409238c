"""One round as a stranger sees it: what it does, what it computes, what the contract then shows.

The stranger's client in the order of a round (protocol, sections 3 to 8). `test_stranger.py` says
who does what in which round.
"""

import random
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak
from stranger import (
    WAD,
    Labels,
    abstain,
    commitment,
    committee_of,
    count_labels,
    count_votes,
    labels_proof,
    labels_root,
    majority,
    pack,
    peers_of,
    ring,
    score_chunk,
    seed_of,
    split,
    unpack,
)
from stranger_stage import AGGREGATE, CLOSED, COMMIT, REVEAL, Stage

THIRTY_DAYS = 30 * 24 * 3600


@dataclass(frozen=True)
class Opening:
    """What a stranger keeps to itself between commit and reveal."""

    labels: bytes
    label_count: list[int]
    salt: bytes


class Round:
    """One round from its opening to its end, as a stranger sees it."""

    def __init__(self, stage: Stage) -> None:
        self.rng = random.Random(stage.show("round"))
        self.stage, self.task, self.number = stage, stage.task, stage.show("round")
        self.contract, self.functions = stage.contract, stage.contract.functions
        roster = stage.show("roster")
        assert set(roster) == stage.ledger.active()
        [opened] = stage.events("RoundOpened", round=self.number)
        block = stage.w3.eth.get_block(opened["blockNumber"])
        prevrandao = int.from_bytes(block["mixHash"], "big")
        self.seed = seed_of(prevrandao, self.contract.address, self.number)
        deadline = block["timestamp"] + self.task.commit_seconds
        assert stage.show("deadline") == deadline
        assert opened["args"] == {
            "round": self.number,
            "workers": len(roster),
            "seed": self.seed,
            "commitDeadline": deadline,
        }
        self.ring = ring(roster, self.seed)
        self.sizes = self.task.chunk_sizes()
        self.committees = [
            committee_of(self.ring, chunk, self.task.committee) for chunk in range(len(self.sizes))
        ]
        self.chunks_of = {
            worker: [q for q, members in enumerate(self.committees) if worker in members]
            for worker in self.ring
        }
        self.n_assigned = {
            worker: sum(self.sizes[chunk] for chunk in chunks)
            for worker, chunks in self.chunks_of.items()
        }
        self.openings: dict[str, Opening] = {}
        self.revealed: dict[str, Opening] = {}
        self.scores: dict[str, int] = {}
        self.n_votes = self.n_agreed = 0

    def check_assignment(self) -> None:
        """Section 6: committees and leagues are as computed, and no chunk is left over."""
        assert self.stage.show("chunks") == len(self.sizes)
        for chunk, members in enumerate(self.committees):
            assert self.stage.show("committeeOf", chunk) == members
        for position, worker in enumerate(self.ring):
            assert self.stage.show("leagueOf", worker) == position % 2

    def label(self, worker: str, noise: float) -> Opening:
        """Stand in for a model: a skewed truth, some of it wrong, some abstained, then packed."""
        classes, parts, given = range(self.task.classes), [], []
        for chunk in self.chunks_of[worker]:
            truth = random.Random(f"{self.number} {chunk}")
            labels: Labels = []
            for _ in range(self.sizes[chunk]):
                label = truth.choices(classes, weights=[1 + x for x in classes])[0]
                if self.rng.random() < noise:
                    label = self.rng.choice([*classes, abstain(self.task.classes)])
                labels.append(label)
            parts.append(pack(labels, self.task.classes))
            given += labels
        label_count = count_labels(given, self.task.classes)
        return Opening(b"".join(parts), label_count, secrets.token_bytes(32))

    def leave(self, worker: str) -> None:
        """Section 7: out with the whole balance, but still in this round's ring."""
        owned = self.stage.ledger.leave(worker)
        assert self.stage.paid(self.stage.accounts[worker], self.functions.leave()) == owned
        [event] = self.stage.events("Left", worker=worker)
        assert event["args"]["refund"] == owned
        assert worker in self.stage.show("roster")

    def commit(self, worker: str, opening: Opening) -> None:
        """Section 3: hash locally, keep the opening, send the hash."""
        self.openings[worker] = opening
        hash_ = commitment(
            self.stage.w3.eth.chain_id,
            self.contract.address,
            self.number,
            worker,
            opening.labels,
            opening.label_count,
            opening.salt,
        )
        self.stage.send(self.stage.accounts[worker], self.functions.commit(hash_))
        assert self.stage.show("commitmentOf", self.number, worker) == hash_
        arguments = (opening.labels, opening.label_count, opening.salt)
        assert self.stage.show("hashCommitment", self.number, worker, *arguments) == hash_

    def reveal(self, worker: str) -> None:
        """Section 3: open the commitment; the contract recounts."""
        opening = self.openings[worker]
        call = self.functions.reveal(opening.labels, opening.label_count, opening.salt)
        self.stage.send(self.stage.accounts[worker], call)

    def check_revealed(self, worker: str) -> None:
        """Section 3: the labels are in the event, their root and count in storage."""
        opening = self.openings[worker]
        self.revealed[worker] = opening
        [event] = self.stage.events("Revealed", round=self.number, worker=worker)
        assert event["args"]["labels"] == opening.labels
        assert event["args"]["labelCount"] == opening.label_count
        assert self.stage.show("labelCountOf", self.number, worker) == opening.label_count
        root = labels_root(split(opening.labels, self.task, self.chunks_of[worker]))
        assert self.stage.show("labelsRootOf", self.number, worker) == root

    def check_slashed(self, worker: str, reason: int) -> None:
        """Section 3: the whole balance is lost, for good, and nothing is published."""
        amount = self.stage.ledger.slash(worker)
        [event] = self.stage.events("Slashed", worker=worker)
        arguments = {"round": self.number, "worker": worker, "amount": amount, "reason": reason}
        assert event["args"] == arguments
        assert not self.stage.events("Revealed", round=self.number, worker=worker)
        assert self.stage.show("labelsRootOf", self.number, worker) == bytes(32)

    def is_void(self, present: Collection[str]) -> bool:
        """Section 5: too few of them, or nobody of a league."""
        leagues = [self.ring[0::2], self.ring[1::2]] if self.task.peering else [self.ring]
        return len(present) < self.task.min_workers or any(
            not set(league) & set(present) for league in leagues
        )

    def void(self) -> None:
        """Section 5: nobody is paid, who did not commit pays its stake into the pot."""
        self.stage.ledger.void(set(self.ring) - set(self.openings))
        assert len(self.stage.events("RoundVoided", round=self.number)) == 1
        assert not self.stage.events("RoundSettled", round=self.number)
        assert not any(self.stage.show("rewardOf", self.number, worker) for worker in self.ring)
        self.check_end(0)

    def check_window(self, phase: int, event_name: str, seconds: int) -> Any:
        """Section 7: the window starts with the block of the call that opened it."""
        assert self.stage.show("phase") == phase
        [event] = self.stage.events(event_name, round=self.number)
        opened = self.stage.w3.eth.get_block(event["blockNumber"])["timestamp"]
        assert self.stage.show("deadline") == opened + seconds
        return event["args"]

    def check_reveal_opened(self) -> None:
        """Section 7: the last commit opened Reveal."""
        opened = self.check_window(REVEAL, "RevealOpened", self.task.reveal_seconds)
        assert opened["revealDeadline"] == self.stage.show("deadline")

    def check_aggregation_opened(self) -> None:
        """Section 7: the last reveal opened Aggregate, or `advance` after the deadline."""
        opened = self.check_window(AGGREGATE, "AggregationOpened", THIRTY_DAYS)
        assert opened["chunks"] == len(self.committees)
        self.stage.check_money()

    def aggregate(self) -> None:
        """Section 8: any keeper, with nothing but the `Revealed` events; chunks in any order."""
        parts = {}
        for event in self.stage.events("Revealed", round=self.number):
            worker = event["args"]["worker"]
            parts[worker] = split(event["args"]["labels"], self.task, self.chunks_of[worker])
        self.scores = dict.fromkeys(parts, 0)
        for chunk in reversed(range(len(self.committees))):
            members = self.committees[chunk]
            data = [parts[member][chunk] if member in parts else b"" for member in members]
            proofs = [
                labels_proof(parts[member], chunk) if member in parts else [] for member in members
            ]
            self.stage.send(self.stage.outsider, self.functions.aggregate(chunk, data, proofs))
            self.book_chunk(
                chunk,
                {
                    member: unpack(packed, self.task.classes, self.sizes[chunk])
                    for member, packed in zip(members, data, strict=True)
                    if packed
                },
            )

    def book_chunk(self, chunk: int, labels: dict[str, Labels]) -> None:
        """Section 4: scores, majority and agreement of a chunk; compares the global labels."""
        for worker, mine in labels.items():
            peers = peers_of(worker, list(self.revealed), self.ring, self.task.peering)
            self.scores[worker] += score_chunk(
                mine,
                [theirs for peer, theirs in labels.items() if peer in peers],
                [self.revealed[peer].label_count for peer in peers],
                self.task,
            )
        votes = count_votes(list(labels.values()), self.sizes[chunk], self.task.classes)
        self.n_votes += sum(map(sum, votes))
        self.n_agreed += sum(map(max, votes))
        global_labels = pack(majority(votes, self.task.classes), self.task.classes)
        [event] = self.stage.events("ChunkAggregated", round=self.number, chunk=chunk)
        assert event["args"]["globalLabels"] == global_labels
        assert event["args"]["keeper"] == self.stage.outsider.address
        shown = self.stage.show("globalLabelsHash", self.number, chunk)
        assert shown == keccak(global_labels)

    def settle(self) -> dict[str, int]:
        """Section 5: share the pool; compares scores, rewards, pool, agreement and all balances."""
        active = self.stage.ledger.active()
        self.stage.send(self.stage.outsider, self.functions.settle())
        pool, rewards = self.stage.ledger.settle(self.ring, self.scores, self.n_assigned)
        agreement_wad = WAD * self.n_agreed // self.n_votes if self.n_votes else 0
        [event] = self.stage.events("RoundSettled", round=self.number)
        shown = {"round": self.number, "pool": pool, "agreementWad": agreement_wad}
        assert event["args"] == shown
        for worker in self.ring:
            assert self.stage.show("scoreOf", self.number, worker) == self.scores.get(worker, 0)
            assert self.stage.show("rewardOf", self.number, worker) == rewards[worker]
        rewarded = [event["args"] for event in self.stage.events("Rewarded", round=self.number)]
        assert len(rewarded) == len(active)
        assert {args["worker"]: (args["score"], args["reward"]) for args in rewarded} == {
            worker: (self.scores.get(worker, 0), rewards[worker]) for worker in active
        }
        self.check_end(agreement_wad)
        return rewards

    def check_end(self, agreement_wad: int) -> None:
        """Section 7: the next round is open, or the federation closed and the pot is shared."""
        if self.stage.ledger.is_last(self.number, agreement_wad):
            self.stage.ledger.close()
            assert self.stage.show("phase") == CLOSED
            assert set(self.stage.show("roster")) == set(self.ring)
        else:
            assert self.stage.show("phase") == COMMIT
            assert self.stage.show("round") == self.number + 1
        self.stage.check_money()
