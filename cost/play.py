"""Rounds of the release's contract, on `Machine` or a node: every transaction and its gas."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from eth_abi.abi import decode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from cost.labels import draw_labels, draw_truth
from cost.machine import CallRefused, Machine, Result
from cost.translator import Code
from services import assignment, wire
from services.errors import ContractRevertError
from services.interface import (
    PROXY,
    PROXY_CODE,
    decode_revert,
    encode_call,
    encode_deployment,
    kernels,
)
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

    `round_number` is 0 for what happens once: deployment and registrations, and "kernels", which
    are deployed once for all federations of a chain.
    """

    function: str
    round_number: int
    gas: int
    calldata_bytes: int


class Chain(Protocol):
    """Where a federation is played; accounts and contracts are numbers."""

    chain_id: int

    def transact(self, sender: int, to: int | None, data: bytes, value: int = 0) -> Result:
        """Execute a transaction; `to` None creates a contract."""

    def call(self, to: int, data: bytes) -> bytes:
        """What a view answers."""


def make_task(members: Sequence[str] | None = None, /, **fields: int) -> Task:
    """A task of exactly ``max_workers`` members, who are described on chain."""
    n = fields["max_workers"]
    known = list(members or accounts(n))
    return Task(
        members_root=members_root(known),
        uri=describe(known) if n <= MOST_MEMBERS_ON_CHAIN else ELSEWHERE,
        dataset_hash="0x" + keccak(b"data set").hex(),
        **{"min_workers": n, **fields},
    )


def accounts(n: int) -> list[str]:
    """Addresses [n], as arbitrary as real ones."""
    return [to_checksum_address(keccak(b"worker %d" % i)[-20:]) for i in range(n)]


def put_kernels(chain: Chain, sender: int) -> Iterator[Transaction]:
    """Deploy the kernels as whoever comes first on a chain does, once for all federations."""
    for kernel in kernels():
        result = chain.transact(sender, _number(PROXY), kernel.deployment)
        yield Transaction("kernels", 0, result.gas_used, len(kernel.deployment))


def machine_without_kernels() -> Machine:
    """A chain on which nobody has deployed a federation yet; it has the deployment proxy."""
    machine = Machine()
    machine.codes[_number(PROXY)] = Code(PROXY_CODE)
    return machine


def machine_with_kernels() -> Machine:
    """A chain on which a federation can be deployed."""
    machine = machine_without_kernels()
    list(put_kernels(machine, 1))
    return machine


def why_refused(task: Task) -> ContractRevertError | None:
    """What the contract has against a task; None if it accepts it."""
    try:
        machine_with_kernels().transact(1, None, encode_deployment(task.to_abi()))
    except CallRefused as refused:
        return decode_revert(refused.data)
    return None


def play(
    task: Task,
    n_rounds: int,
    abstention: float,
    chain: Chain | None = None,
    members: Sequence[str] | None = None,
    seed: int = 0,
) -> Iterator[Transaction]:
    """Deploy, register everybody and play rounds in which everybody reveals.

    Args:
        task: as `make_task` made it of the members.
        n_rounds: how many rounds.
        abstention: share of samples that a worker does not label.
        chain: where, with the kernels; None: a new machine.
        members: addresses; None: `accounts`.
        seed: of labels and salts.

    Raises:
        ContractRevertError: the contract refuses the task.
    """
    known = list(members or accounts(task.max_workers))
    try:
        federation = _Federation(task, abstention, chain or machine_with_kernels(), known, seed)
        yield from federation.play(n_rounds)
    except CallRefused as refused:
        raise decode_revert(refused.data) from None


class _Federation:
    """One deployment and its members."""

    def __init__(
        self, task: Task, abstention: float, chain: Chain, members: list[str], seed: int
    ) -> None:
        self.task, self.abstention = task, abstention
        self.chain, self.members = chain, members
        self.random = np.random.default_rng(seed)
        self.sizes: list[int] = []
        self.address = 0

    def play(self, n_rounds: int) -> Iterator[Transaction]:
        data = encode_deployment(self.task.to_abi())
        deployed = self.chain.transact(_number(self.members[0]), None, data)
        self.address = deployed.created
        self.sizes = wire.chunk_sizes(self.task.samples_per_round, self.task.chunk_samples)
        yield Transaction("deploy", 0, deployed.gas_used, len(data))
        for member in self.members:
            proof = membership_proof(self.members, member)
            yield self._send(member, "register", proof, value=self.task.deposit_wei)
        for number in range(1, n_rounds + 1):
            yield from self._play_round(number)

    def _play_round(self, number: int) -> Iterator[Transaction]:
        committees = self._committees()
        truth = draw_truth(self.random, self.task.samples_per_round, self.task.classes)
        packed = {member: self._label(member, committees, truth) for member in self.members}
        openings = {}
        for member, (parts, counts) in packed.items():
            opening = (b"".join(parts.values()), counts, self.random.bytes(32))
            commitment = wire.commitment(
                self.chain.chain_id,
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

    def _committees(self) -> list[list[str]]:
        """Every chunk's members."""
        if assignment.is_everyone(len(self.members), self.task.committee):
            return [self._committee(0)] * len(self.sizes)
        return [self._committee(chunk) for chunk in range(len(self.sizes))]

    def _committee(self, chunk: int) -> list[str]:
        answer = self.chain.call(self.address, encode_call("committeeOf", (chunk,)))
        return [to_checksum_address(address) for address in decode(["address[]"], answer)[0]]

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
        result = self.chain.transact(_number(sender), self.address, data, value)
        return Transaction(function, number, result.gas_used, len(data))


def _number(address: str) -> int:
    return int(address, 16)


def _proof(parts: dict[int, bytes], chunk: int) -> list[bytes]:
    """That a chunk's labels are among those revealed."""
    leaves = [wire.labels_leaf(number, data) for number, data in parts.items()]
    return wire.merkle_proof(leaves, list(parts).index(chunk))
