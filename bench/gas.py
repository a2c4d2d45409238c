"""What whole rounds cost on chain: `make bench-gas`.

Deploys the built contract on anvil with the transaction cap on, plays one round per case with
random labels that agree with a common truth 85 times in 100, adds up the receipts and prints gas
per label, next to the floor: every label crosses calldata twice, at 40 gas a byte (EIP-7623).
"""

import secrets
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from demo.processes import require_free
from services import assignment, log, wire
from services.accounts import development_account
from services.chain import Chain, Federation, deploy
from services.keeper import due, perform
from services.membership import members_root, membership_proof
from services.task import Task

ANVIL = Path("node_modules/.bin/anvil")
ACCURACY = 0.85
PORT = 18546


@dataclass(frozen=True)
class Case:
    """One round: workers n, samples m, classes C, samples per chunk, and share of abstentions."""

    name: str
    workers: int
    samples: int
    classes: int
    chunk: int
    abstention: float = 0.0
    committee: int = 0


CASES = [
    Case("n=10", 10, 40_000, 10, 20_480),
    Case("n=10, 20 % abstain", 10, 40_000, 10, 20_480, 0.2),
    Case("n=4", 4, 40_000, 10, 40_960),
    Case("n=30", 30, 8_192, 10, 4_096),
    Case("C=47", 10, 8_192, 47, 4_096),
    Case("C=100", 10, 4_096, 100, 768),
    Case("n=20, committee 2", 20, 40_000, 10, 2_048, 0.0, 2),
]


def play(chain: Chain, case: Case) -> dict[str, list[int]]:
    """Play one round; gas of every transaction by function."""
    accounts = [development_account(index) for index in range(case.workers)]
    members = [account.address for account in accounts]
    task = Task(
        members_root=members_root(members),
        dataset_hash="0x" + "00" * 32,
        samples_per_round=case.samples,
        chunk_samples=case.chunk,
        classes=case.classes,
        committee=case.committee,
        min_workers=case.workers,
        max_workers=case.workers,
    )
    deployment = deploy(chain, accounts[0], task)
    parties = [Federation(chain, deployment.contract, account) for account in accounts]
    gas: dict[str, list[int]] = {"deploy": [deployment.gas_used]}
    for party, member in zip(parties, members, strict=True):
        receipt = party.register(membership_proof(members, member), task.deposit_wei)
        gas.setdefault("register", []).append(receipt.gas_used)
    openings = _openings(parties[0], case, members)
    for party, member in zip(parties, members, strict=True):
        labels, counts, salt = openings[member]
        commitment = wire.commitment(
            chain.chain_id(), deployment.contract, 1, member, labels, counts, salt
        )
        gas.setdefault("commit", []).append(party.commit(commitment).gas_used)
    for party, member in zip(parties, members, strict=True):
        gas.setdefault("reveal", []).append(party.reveal(*openings[member]).gas_used)
    while (duty := due(parties[0])) is not None:
        performed = perform(parties[0], duty)
        if performed is not None:
            gas.setdefault(duty.call, []).append(performed.gas_used)
    return gas


def _openings(
    federation: Federation, case: Case, members: list[str]
) -> dict[str, tuple[bytes, list[int], bytes]]:
    """Every worker's labels of its chunks, packed, their counts and a salt."""
    random = np.random.default_rng(0)
    none = wire.abstain(case.classes)
    truth = random.integers(case.classes, size=case.samples)
    sizes = wire.chunk_sizes(case.samples, case.chunk)
    everyone = assignment.is_everyone(case.workers, case.committee)
    committees = [
        set(members) if everyone else set(federation.committee_of(chunk))
        for chunk in range(len(sizes))
    ]
    found = {}
    for member in members:
        guesses = random.integers(case.classes, size=case.samples)
        labels = np.where(random.random(case.samples) < ACCURACY, truth, guesses)
        labels[random.random(case.samples) < case.abstention] = none
        labels = labels.astype(np.uint16)
        parts, counts, start = [], np.zeros(case.classes, int), 0
        for size, committee in zip(sizes, committees, strict=True):
            part, start = labels[start : start + size], start + size
            if member in committee:
                parts.append(wire.pack(part, case.classes))
                counts += wire.count_labels(part, case.classes)
        found[member] = (b"".join(parts), [int(n) for n in counts], secrets.token_bytes(32))
    return found


def main() -> None:
    """Run every case on a chain of its own and print the table."""
    log.configure("warning")
    print(
        f"{'case':22}{'labels':>9}{'gas/label':>10}{'floor':>7}{'commit':>8}{'reveal':>8}"
        f"{'aggregate':>10}{'settle':>8}{'calls':>7}{'dearest':>12}"
    )
    for case in CASES:
        require_free(PORT, "PORT in bench/gas.py")
        options = ["--silent", "--enable-tx-gas-limit", "--accounts", "110", "--port", str(PORT)]
        chain_process = subprocess.Popen([str(ANVIL), *options])
        try:
            chain = Chain(f"http://127.0.0.1:{PORT}", poll_s=0.02)
            time.sleep(1.0)
            gas = play(chain, case)
        finally:
            chain_process.terminate()
            chain_process.wait()
        seats = case.workers
        if not assignment.is_everyone(case.workers, case.committee):
            seats = case.committee
        n_labels = seats * case.samples
        calls = {name: gas[name] for name in ("commit", "reveal", "aggregate", "settle")}
        total = sum(map(sum, calls.values()))
        floor = 2 * 40 * wire.label_bits(case.classes) / 8
        shares = "".join(
            f"{sum(spent) / n_labels:>{width}.1f}"
            for spent, width in zip(calls.values(), (8, 8, 10, 8), strict=True)
        )
        dearest = max(max(spent) for spent in calls.values())
        print(
            f"{case.name:22}{n_labels:>9,}{total / n_labels:>10.1f}{floor:>7.0f}{shares}"
            f"{sum(map(len, calls.values())):>7}{dearest:>12,}"
        )


if __name__ == "__main__":
    main()
