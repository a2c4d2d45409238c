"""What whole rounds cost on chain: `make bench-gas`, or `make bench-gas CASE='n=10'` for one.

Deploys the built contract on anvil with the transaction cap on, with the cheapest chunk size that
its constructor accepts, plays one round with random labels of which 85 in 100 follow a common truth
and adds up the receipts. Beside it: the calldata floor, which every transaction pays for its bytes
whatever it computes (EIP-7623); the paper's Algorithm 3 as printed; and what `fedserum cost` says.
"""

import sys
from argparse import ArgumentParser
from dataclasses import dataclass
from functools import cache

from bench import paper
from bench.node import Node
from cost.chunks import cheapest
from cost.play import make_task, play, put_kernels
from services.errors import CostError

CALLS = ("commit", "reveal", "aggregate", "settle")


@dataclass(frozen=True)
class Case:
    """One round: workers n, samples m, classes C, and share of abstentions."""

    name: str
    workers: int
    samples: int = 40_000
    classes: int = 10
    abstention: float = 0.0
    committee: int = 0

    @property
    def labels(self) -> int:
        """Places for labels, abstained ones among them."""
        return self.samples * (self.committee or self.workers)

    @property
    def peering(self) -> int:
        """Leagues, for which three workers are too few."""
        return 0 if self.workers == 3 else 1


CASES = [
    Case("n=10", 10),
    Case("n=10, 20 % abstain", 10, abstention=0.2),
    Case("n=3", 3),
    Case("n=30", 30),
    Case("n=100", 100),
    Case("n=10, C=47", 10, classes=47),
    Case("n=10, C=100", 10, classes=100),
    Case("n=20, committee 2", 20, committee=2),
    Case("n=100, m=200,000, committee 2", 100, samples=200_000, committee=2),
]

COLUMNS = {
    "case": 30,
    "chunk": 8,
    "labels": 11,
    "gas/label": 10,
    "floor": 7,
    "commit": 7,
    "reveal": 7,
    "aggr.": 8,
    "settle": 7,
    "calls": 6,
    "dearest": 12,
    "tx bytes": 9,
    "gas/worker": 12,
    "cost says": 10,
    "Alg. 3": 9,
    "times": 7,
}

LEGEND = f"""
gas/label  commit, reveal, aggregate and settle of one round, over its places for labels
floor      the least that the round's calldata costs (EIP-7623), per label
tx bytes   the largest signed transaction; nodes take 131,072
cost says  how far `fedserum cost` is off: with other accounts, labels, seeds and salts
Alg. 3     gas per label as printed, extrapolated: what a sample more costs between {paper.SMALL}
           and {paper.LARGE} samples, without the cap on a transaction's gas; with a
           committee, its members are all the workers
times      Alg. 3 over gas/label"""


def measure(case: Case) -> list[str]:
    """One row of the table.

    Raises:
        CostError: the contract accepts no chunk size for the case.
    """
    fields = {
        "samples_per_round": case.samples,
        "chunk_samples": 256,
        "classes": case.classes,
        "committee": case.committee,
        "peering": case.peering,
        "max_workers": case.workers,
        "rounds": 2,  # so that settling opens one, as it does in most rounds
    }
    with Node(case.workers) as node:
        played = list(put_kernels(node, int(node.members[0], 16)))
        priced = cheapest(make_task(**fields), case.abstention, node.why_refused)
        task = make_task(node.members, **fields | {"chunk_samples": priced.chunk_samples})
        played += play(task, 1, case.abstention, node, node.members, seed=1)
    inside = [i for i, each in enumerate(played) if each.function in CALLS]
    total = sum(played[i].gas for i in inside)
    by_call = [sum(each.gas for each in played if each.function == call) for call in CALLS]
    predicted = sum(e.gas for e in play(priced, 1, case.abstention) if e.function in CALLS)
    printed = _algorithm_three(case.committee or case.workers, case.classes, case.abstention)
    return [
        case.name,
        f"{task.chunk_samples:,}",
        f"{case.labels:,}",
        f"{total / case.labels:.1f}",
        f"{sum(node.floors[i] for i in inside) / case.labels:.1f}",
        *(f"{gas / case.labels:.1f}" for gas in by_call),
        f"{len(inside):,}",
        f"{max(played[i].gas for i in inside):,}",
        f"{max(node.sent_bytes[i] for i in inside):,}",
        f"{total / case.workers:,.0f}",
        f"{(predicted - total) / total:+.2%}",
        f"{printed:,.0f}",
        f"{printed / (total / case.labels):,.0f}",
    ]


@cache
def _algorithm_three(workers: int, classes: int, abstention: float) -> float:
    return paper.gas_per_label(workers, classes, abstention)


def _line(cells: list[str]) -> str:
    name, *others = zip(cells, COLUMNS.values(), strict=False)
    return f"{name[0]:<{name[1]}}" + "".join(f"{cell:>{width}}" for cell, width in others)


def main() -> None:
    """Run the cases, each on a chain of its own, and print the table."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--case", metavar="NAME", choices=[case.name for case in CASES])
    only = parser.parse_args().case
    print(_line(list(COLUMNS)))
    for case in CASES:
        if only not in (None, case.name):
            continue
        try:
            print(_line(measure(case)))
        except CostError as error:
            print(_line([case.name, f"refused: {error}"]))
        sys.stdout.flush()
    print(LEGEND)


if __name__ == "__main__":
    main()
