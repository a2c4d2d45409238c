"""Rounds of the release's contract on `Machine`: every transaction, and what it uses."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from eth_abi.abi import decode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from cost.labels import draw_labels, draw_truth
from cost.machine import CallRefused, Machine
from services import assignment, wire
from services.errors import ContractRevertError
from services.interface import decode_revert, encode_call, encode_deployment
from services.membership import (
    MOST_MEMBERS_ON_CHAIN,
    describe,
    members_root,
    membership_proof,
)
from services.task import Task

ELSEWHERE = "https://federation.example/members.json"  # where there are too many for the chain


@dataclass(frozen=True)
class Transaction:
    """A call of the contract: which function, gas used, bytes of calldata.

    `round_number` is 0 for what happens once: deployment and registrations.
    """

    function: str
    round_number: int
    gas: int
    calldata_bytes: int


def make_task(**fields: int) -> Task:
    """A task of exactly ``max_workers`` members, the accounts of `accounts`, described on chain."""
    n = fields["max_workers"]
    members = accounts(n)
    return Task(
        members_root=members_root(members),
        uri=describe(members) if n <= MOST_MEMBERS_ON_CHAIN else ELSEWHERE,
        dataset_hash="0x" + keccak(b"data set").hex(),
        **{"min_workers": n, **fields},
    )


def accounts(n: int) -> list[str]:
    """Addresses [n], as arbitrary as real ones."""
    return [to_checksum_address(keccak(b"worker %d" % i)[-20:]) for i in range(n)]


def why_refused(task: Task) -> ContractRevertError | None:
    """What the contract has against a task; None if it accepts it."""
    try:
        Machine().transact(1, None, encode_deployment(task.to_abi()))
    except CallRefused as refused:
        return decode_revert(refused.data)
    return None


def play(task: Task, n_rounds: int, abstention: float) -> Iterator[Transaction]:
    """Deploy, register everybody and play rounds in which everybody reveals.

    Raises:
        ContractRevertError: the contract refuses the task.
    """
    try:
        yield from _Federation(task, abstention).play(n_rounds)
    except CallRefused as refused:
        raise decode_revert(refused.data) from None


class _Federation:
    """One deployment and its members."""

    def __init__(self, task: Task, abstention: float) -> None:
        self.task, self.abstention = task, abstention
        self.machine = Machine()
        self.members = accounts(task.max_workers)
        self.random = np.random.default_rng(0)
        self.sizes = wire.chunk_sizes(task.samples_per_round, task.chunk_samples)
        self.address = 0

    def play(self, n_rounds: int) -> Iterator[Transaction]:
        data = encode_deployment(self.task.to_abi())
        deployed = self.machine.transact(_number(self.members[0]), None, data)
        self.address = deployed.created
        yield Transaction("deploy", 0, deployed.gas_used, len(data))
        for member in self.members:
            proof = membership_proof(self.members, member)
            yield self._send(member, "register", proof, value=self.task.deposit_wei)
        for number in range(1, n_rounds + 1):
            yield from self._play_round(number)

    def _play_round(self, number: int) -> Iterator[Transaction]:
        committees = self._committees(number)
        truth = draw_truth(self.random, self.task.samples_per_round, self.task.classes)
        packed = {member: self._label(member, committees, truth) for member in self.members}
        openings = {}
        for member, (parts, counts) in packed.items():
            opening = (b"".join(parts.values()), counts, self.random.bytes(32))
            commitment = wire.commitment(
                self.machine.chain_id,
                f"0x{self.address:040x}",
                number,
                member,
                *opening,
            )
            openings[member] = opening
            yield self._send(member, "commit", commitment, number=number)
        for member, opening in openings.items():
            yield self._send(member, "reveal", *opening, number=number)
        keeper = self.members[0]
        for chunk, committee in enumerate(committees):
            labels = [packed[member][0][chunk] for member in committee]
            proofs = [_proof(packed[member][0], chunk) for member in committee]
            yield self._send(keeper, "aggregate", chunk, labels, proofs, number=number)
        yield self._send(keeper, "settle", number=number)

    def _committees(self, number: int) -> list[list[str]]:
        """Every chunk's members."""
        answer = self.machine.transact(1, self.address, encode_call("roster", ())).returned
        roster = [to_checksum_address(address) for address in decode(["address[]"], answer)[0]]
        n = len(roster)
        numbers = (self.machine.prevrandao, self.address, number)
        seed = keccak(b"".join(value.to_bytes(32) for value in numbers))
        ring = [roster[index] for index in assignment.ring(seed, n)]
        committee = self.task.committee
        return [
            [ring[position] for position in assignment.members(chunk, n, committee)]
            for chunk in range(len(self.sizes))
        ]

    def _label(
        self, member: str, committees: list[list[str]], truth: wire.Labels
    ) -> tuple[dict[int, bytes], list[int]]:
        """A member's packed labels by chunk, and its label count."""
        classes, first = self.task.classes, 0
        parts, counts = {}, np.zeros(classes, dtype=int)
        for chunk, (size, committee) in enumerate(zip(self.sizes, committees, strict=True)):
            if member in committee:
                part = truth[first : first + size]
                labels = draw_labels(self.random, part, classes, self.abstention)
                parts[chunk] = wire.pack(labels, classes)
                counts += wire.count_labels(labels, classes)
            first += size
        return parts, counts.tolist()

    def _send(
        self, sender: str, function: str, *arguments: object, number: int = 0, value: int = 0
    ) -> Transaction:
        data = encode_call(function, arguments)
        result = self.machine.transact(_number(sender), self.address, data, value)
        return Transaction(function, number, result.gas_used, len(data))


def _number(address: str) -> int:
    return int(address, 16)


def _proof(parts: dict[int, bytes], chunk: int) -> list[bytes]:
    """That a chunk's labels are among those revealed."""
    leaves = [wire.labels_leaf(number, data) for number, data in parts.items()]
    return wire.merkle_proof(leaves, list(parts).index(chunk))
