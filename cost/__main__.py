"""Price a federation before anyone pays: ``fedserum cost --samples M --workers N --classes C …``.

It runs this release's contract on a machine of its own, so it needs no node.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass

from cost.chunks import cheapest
from cost.play import Transaction, machine_without_kernels, make_task, play, put_kernels
from services import assignment
from services.arguments import within
from services.task import Task

FUNCTIONS = ("deploy", "register", "commit", "reveal", "aggregate", "settle")
ROW = "{:<10}{:>7}{:>16}{:>14}{:>14}{:>12}"


@dataclass(frozen=True)
class Question:
    """What to price. ``abstention`` is a share; prices are in gwei per gas and money per ether."""

    samples: int
    workers: int
    classes: int
    gas_price: float
    committee: int = 0
    chunk: int | None = None
    abstention: float = 0.0
    peering: int = 1
    rounds: int = 1
    ether_price: float | None = None


@dataclass(frozen=True)
class Answer:
    """A task and the transactions of its first rounds, of which the last stands for the rest.

    `kernels` is what the first federation of a chain pays besides.
    """

    question: Question
    task: Task
    played: list[Transaction]
    kernels: list[Transaction]

    def times(self, transaction: Transaction) -> int:
        """How often a transaction comes in the whole federation."""
        is_last = transaction.round_number == self.played[-1].round_number
        return self.question.rounds - transaction.round_number + 1 if is_last else 1

    def gas(self, *functions: str) -> int:
        """Gas of all calls of these functions."""
        return sum(
            each.gas * self.times(each) for each in self.played if each.function in functions
        )

    @property
    def labels(self) -> int:
        """Places for labels in all rounds, abstained ones among them."""
        asked = self.question
        everyone = assignment.is_everyone(asked.workers, asked.committee)
        return asked.rounds * asked.samples * (asked.workers if everyone else asked.committee)


def run(arguments: Sequence[str] = ()) -> None:
    """Print what a federation costs.

    Raises:
        CostError: the contract accepts no such task.
    """
    sys.stdout.write(report(price(Question(**vars(_parser().parse_args(arguments))))))


def price(question: Question) -> Answer:
    """Play what is asked for.

    Raises:
        CostError: the contract accepts no such task.
        ContractRevertError: it does not accept the chunk size.
    """
    task = make_task(
        samples_per_round=question.samples,
        chunk_samples=question.chunk or 256,
        classes=question.classes,
        committee=question.committee,
        peering=question.peering,
        max_workers=question.workers,
        rounds=question.rounds,
    )
    if question.chunk is None:
        task = cheapest(task, question.abstention)
    chain = machine_without_kernels()
    kernels = list(put_kernels(chain, 1))
    played = list(play(task, min(question.rounds, 2), question.abstention, chain))
    return Answer(question, task, played, kernels)


def report(answer: Answer) -> str:
    """A sentence and a table."""
    asked, task = answer.question, answer.task
    n_chunks = -(-asked.samples // task.chunk_samples)
    who = "everyone labels everything"
    if not assignment.is_everyone(asked.workers, asked.committee):
        who = f"{asked.committee} label each chunk"
    lines = [
        f"{asked.workers} workers, {asked.samples:,} samples of {asked.classes} classes, "
        f"{who}, {asked.abstention:.0%} abstained, peering {asked.peering}",
        f"chunks: {n_chunks} of {task.chunk_samples:,} samples"
        + ("" if asked.chunk else ", the cheapest that the contract accepts"),
        f"rounds: {asked.rounds}",
        "",
        ROW.format("", "calls", "gas", "dearest", "most bytes", "ether")
        + ("" if asked.ether_price is None else f"{'money':>12}"),
        *(_row(answer, name, (name,)) for name in FUNCTIONS),
        _row(answer, "a round", FUNCTIONS[2:], asked.rounds),
        _row(answer, "in all", FUNCTIONS),
        "",
        "besides, once for all federations of a chain, unless somebody has paid it already:",
        _row(answer, "kernels", ("kernels",)),
        "",
    ]
    per_worker = answer.gas(*FUNCTIONS[1:4]) / asked.workers
    per_label = answer.gas(*FUNCTIONS[2:]) / answer.labels
    lines += [
        f"gas per label         {per_label:.1f}",
        f"a worker's own calls  {per_worker:,.0f} gas, {_paid(answer, per_worker)}",
        f"all, per worker       {answer.gas(*FUNCTIONS) / asked.workers:,.0f} gas, "
        f"{_paid(answer, answer.gas(*FUNCTIONS) / asked.workers)}",
    ]
    return "\n".join(lines) + "\n"


def _row(answer: Answer, name: str, functions: tuple[str, ...], share: int = 1) -> str:
    calls = [each for each in answer.kernels + answer.played if each.function in functions]
    gas = sum(each.gas * answer.times(each) for each in calls) / share
    ether = _ether(answer, gas)
    money = answer.question.ether_price
    return ROW.format(
        name,
        f"{sum(map(answer.times, calls)) // share:,}",
        f"{gas:,.0f}",
        f"{max(each.gas for each in calls):,}",
        f"{max(each.calldata_bytes for each in calls):,}",
        f"{ether:.6f}",
    ) + ("" if money is None else f"{ether * money:>12,.2f}")


def _ether(answer: Answer, gas: float) -> float:
    return gas * answer.question.gas_price / 1e9


def _paid(answer: Answer, gas: float) -> str:
    ether, money = _ether(answer, gas), answer.question.ether_price
    return f"{ether:.6f} ether" + ("" if money is None else f", {ether * money:,.2f} in money")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="fedserum cost",
        description="Tell what a federation costs on chain, by running the contract's own code.",
        epilog="Exactly N workers register, and all of them reveal in every round.",
    )
    number = within(int, 1, 2**32 - 1)
    parser.add_argument("--samples", type=number, required=True, metavar="M", help="per round")
    parser.add_argument("--workers", type=within(int, 1, 65_535), required=True, metavar="N")
    parser.add_argument("--classes", type=within(int, 2, 1023), required=True, metavar="C")
    parser.add_argument(
        "--gas-price", type=within(float, 0, 1e9), required=True, metavar="GWEI", help="per gas"
    )
    parser.add_argument(
        "--committee",
        type=within(int, 0, 65_535),
        default=0,
        metavar="K",
        help="workers per chunk; 0, the default: everyone labels everything",
    )
    parser.add_argument(
        "--chunk", type=number, metavar="S", help="samples per chunk (the cheapest possible)"
    )
    parser.add_argument(
        "--abstention",
        type=within(float, 0, 1),
        default=0.0,
        metavar="F",
        help="share of samples that a worker does not label (0)",
    )
    parser.add_argument(
        "--peering",
        type=int,
        choices=(0, 1),
        default=1,
        help="0: scored against everyone else; 1, the default: the other league",
    )
    parser.add_argument(
        "--rounds", type=within(int, 1, 65_535), default=1, metavar="R", help="how many (1)"
    )
    parser.add_argument(
        "--ether-price", type=within(float, 0, 1e12), metavar="X", help="money per ether"
    )
    return parser


if __name__ == "__main__":
    run(sys.argv[1:])
