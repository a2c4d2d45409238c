"""What `fedserum cost` says is what a node charges."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from conftest import Deployed
from nodes import Node

from cost.__main__ import FUNCTIONS, Question, price
from cost.labels import draw_labels, draw_truth
from cost.machine import Machine
from cost.play import machine_with_kernels, machine_without_kernels, put_kernels
from cost.translator import PURE, Code
from services import membership, wire
from services.keeper import due, perform
from services.node import Receipt

CALLDATALOAD, EXTCODESIZE, EXP = 0x35, 0x3B, 0x0A


def _play(
    played: Deployed, n_rounds: int, abstention: float = 0.1
) -> Iterator[tuple[str, Receipt]]:
    """Register everybody and play rounds in which everybody reveals; every call's receipt."""
    task, random = played.task, np.random.default_rng(7)
    for worker in played.workers:
        assert worker.account is not None
        proof = membership.membership_proof(played.members, worker.account.address)
        yield "register", worker.register(proof, task.deposit_wei)
    sizes = wire.chunk_sizes(task.samples_per_round, task.chunk_samples)
    for number in range(1, n_rounds + 1):
        truths = [draw_truth(random, size, task.classes) for size in sizes]
        openings = []
        for worker in played.workers:
            drawn = [
                draw_labels(random, truths[chunk], task.classes, abstention)
                for chunk in played.assigned_chunks(worker)
            ]
            data = b"".join(wire.pack(labels, task.classes) for labels in drawn)
            openings.append((data, wire.count_labels(np.hstack(drawn), task.classes), bytes(32)))
        for worker, opening in zip(played.workers, openings, strict=True):
            yield "commit", worker.commit(played.commitment(worker, number, *opening))
        for worker, opening in zip(played.workers, openings, strict=True):
            yield "reveal", worker.reveal(*opening)
        while (duty := due(played.deployer)) is not None:
            receipt = perform(played.deployer, duty)
            assert receipt is not None
            yield duty.call, receipt


@pytest.mark.parametrize(
    "fields",
    [
        {"n_workers": 7, "samples_per_round": 3_000, "chunk_samples": 2_048, "rounds": 2},
        {"n_workers": 5, "samples_per_round": 700, "classes": 47, "peering": 0},
        {"n_workers": 9, "samples_per_round": 1_200, "committee": 2},
        {"n_workers": 4, "samples_per_round": 300, "chunk_samples": 512, "classes": 300},
    ],
)
def test_every_transaction_uses_the_gas_that_the_machine_says(
    node: Node, federation: Callable[..., Deployed], fields: dict[str, Any]
) -> None:
    """A federation is played on the node, then its transactions once more on the machine."""
    node.put_kernels()
    first = node.chain().block_number() + 1
    played = federation(**fields)
    list(_play(played, fields.get("rounds", 1)))
    machine, contract = machine_with_kernels(), int(played.deployment.contract, 16)
    machine.chain_id = node.chain().chain_id()
    functions = set()
    for number in range(first, node.chain().block_number() + 1):
        block = node.rpc("eth_getBlockByNumber", hex(number), True)
        machine.timestamp = int(block["timestamp"], 16)
        machine.prevrandao = int(block["mixHash"], 16)
        for sent in block["transactions"]:
            receipt = played.chain.receipt(sent["hash"])
            result = machine.transact(
                int(sent["from"], 16),
                contract if sent["to"] else None,
                bytes.fromhex(sent["input"][2:]),
                int(sent["value"], 16),
            )
            assert (receipt.function, result.gas_used) == (receipt.function, receipt.gas_used)
            functions.add(receipt.function)
    assert functions == {"constructor", "register", "commit", "reveal", "aggregate", "settle"}


def test_the_kernels_use_the_gas_that_the_machine_says(start_node: Callable[..., Node]) -> None:
    """On a chain that has had no federation."""
    node = start_node()
    node.put_kernels()
    block = node.rpc("eth_getBlockByNumber", "latest", True)
    sender = int(block["transactions"][0]["from"], 16)
    chain = node.chain()
    hashes = [
        node.rpc("eth_getBlockByNumber", hex(number), False)["transactions"][0] for number in (1, 2)
    ]
    machine = machine_without_kernels()
    assert [each.gas for each in put_kernels(machine, sender)] == [
        chain.receipt(transaction_hash).gas_used for transaction_hash in hashes
    ]


@pytest.mark.parametrize(
    "asked",
    [
        Question(3_000, 10, 10, gas_price=1.0, abstention=0.2),
        Question(2_500, 4, 47, gas_price=1.0),
        Question(2_304, 10, 10, gas_price=1.0, committee=4, rounds=3),
        Question(900, 3, 3, gas_price=1.0, peering=0, abstention=1.0),
    ],
    ids=lambda asked: f"{asked.workers} of {asked.samples}",
)
def test_the_price_is_what_a_federation_pays(
    federation: Callable[..., Deployed], asked: Question
) -> None:
    """Other accounts, labels and seeds cost all but the same; so does the round that closes it."""
    answer = price(asked)
    fields = answer.task.model_dump(exclude={"members_root", "uri", "max_workers"})
    played = federation(asked.workers, **fields)
    paid = {"deploy": [played.deployment.gas_used]}
    for function, receipt in _play(played, asked.rounds, asked.abstention):
        paid.setdefault(function, []).append(receipt.gas_used)
    for function, gas in paid.items():
        expected = [each for each in answer.played if each.function == function]
        assert len(gas) == sum(map(answer.times, expected)), function
        # which chunks a small committee gets is drawn, and with it who is the first to be written
        assert sum(gas) == pytest.approx(answer.gas(function), rel=0.1), function
    total = sum(map(sum, paid.values()))
    assert total == pytest.approx(answer.gas(*FUNCTIONS), rel=0.01)


def test_the_machine_computes_what_a_node_computes(node: Node) -> None:
    """Every instruction on words, with operands at and around what is special."""
    dice = random.Random(0)
    edges = [0, 1, 2, 31, 32, 255, 256, 2**127, 2**255 - 1, 2**255, 2**256 - 1]
    other = (CALLDATALOAD, EXTCODESIZE)
    of_arguments = [code for code, (taken, *_) in PURE.items() if taken and code not in other]
    for code in [*of_arguments, EXP]:
        # code(word 0, word 1, word 2 of the input), returned
        program = bytes.fromhex("604035602035" + "5f35" + f"{code:02x}" + "5f5260205ff3")
        address = 0xFED5 << 64 | code
        node.set_code(f"0x{address:040x}", "0x" + program.hex())
        machine = Machine()
        machine.codes[address] = Code(program)
        inputs = [
            [dice.choice([*edges, dice.getrandbits(256)]) for _ in range(3)] for _ in range(20)
        ]
        data = [b"".join(word.to_bytes(32) for word in words) for words in inputs]
        calls = [{"to": f"0x{address:040x}", "data": "0x" + each.hex()} for each in data]
        body = [
            {"jsonrpc": "2.0", "id": i, "method": "eth_call", "params": [call, "latest"]}
            for i, call in enumerate(calls)
        ]
        answers = httpx.post(node.url, json=body).json()
        expected = {answer["id"]: answer["result"] for answer in answers}
        for i, words in enumerate(inputs):
            found = machine.call(address, data[i]).hex()
            assert (hex(code), words, "0x" + found) == (hex(code), words, expected[i])
