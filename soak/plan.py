"""Which faults come when: drawn from a seed before anything starts, so that a run can be repeated.

Pure. What a fault does is in ``faults.py``; when a round gets to its phase only the chain decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from services.chain import Phase

REGISTRATION = 0  # the round of what happens before the first one
MEAN_FAULTS = 3.0  # of a round
TRIES = 5  # draws until a fault fits beside the others of its round
MOST_DEPTH = 5  # blocks that a reorganisation takes back
GUILTY_SPACING = 20  # one round in so many has a worker who withholds
LEAST_GUILTY_ROUNDS = 10  # a shorter run has none


class Kind(StrEnum):
    """What goes wrong, as the report names it."""

    WORKER_KILLED = "worker killed"
    WORKER_FROZEN = "worker frozen"
    WORKER_LEFT_OUT = "worker asleep past the commits"
    WORKER_WITHHELD = "worker asleep past the reveals"
    ORCHESTRATOR_KILLED = "orchestrator killed"
    ORCHESTRATOR_FROZEN = "orchestrator frozen"
    CHAIN_FROZEN = "chain frozen"
    CHAIN_KILLED = "chain killed"
    CHAIN_REORGANISED = "chain reorganised"
    ANSWERS_DROPPED = "answers dropped"
    ANSWERS_DELAYED = "answers delayed"
    REQUESTS_DOUBLED = "requests doubled"
    RIVAL_KEEPER = "rival keeper"


OF_WORKERS = (
    *(Kind.WORKER_KILLED, Kind.WORKER_FROZEN),
    *(Kind.WORKER_LEFT_OUT, Kind.WORKER_WITHHELD),
)
OF_ORCHESTRATOR = (Kind.ORCHESTRATOR_KILLED, Kind.ORCHESTRATOR_FROZEN)
OF_CHAIN = (Kind.CHAIN_FROZEN, Kind.CHAIN_KILLED, Kind.CHAIN_REORGANISED)
OF_NETWORK = (Kind.ANSWERS_DROPPED, Kind.ANSWERS_DELAYED, Kind.REQUESTS_DOUBLED)

# How likely each is beside the others. Withholding is dealt out apart: it costs a member.
WEIGHTS = {
    Kind.WORKER_KILLED: 7.0,
    Kind.WORKER_FROZEN: 3.0,
    Kind.WORKER_LEFT_OUT: 0.5,
    Kind.ORCHESTRATOR_KILLED: 2.0,
    Kind.ORCHESTRATOR_FROZEN: 1.0,
    Kind.CHAIN_FROZEN: 1.0,
    Kind.CHAIN_KILLED: 1.5,
    Kind.CHAIN_REORGANISED: 2.0,
    Kind.ANSWERS_DROPPED: 1.0,
    Kind.ANSWERS_DELAYED: 1.0,
    Kind.REQUESTS_DOUBLED: 1.0,
    Kind.RIVAL_KEEPER: 1.5,
}
SECONDS = {  # how long each lasts: at least, at most
    Kind.WORKER_KILLED: (0.0, 3.0),
    Kind.WORKER_FROZEN: (1.0, 8.0),
    Kind.ORCHESTRATOR_KILLED: (0.0, 15.0),
    Kind.ORCHESTRATOR_FROZEN: (2.0, 15.0),
    Kind.CHAIN_FROZEN: (1.0, 8.0),
    Kind.CHAIN_KILLED: (0.0, 4.0),
    Kind.ANSWERS_DROPPED: (3.0, 10.0),
    Kind.ANSWERS_DELAYED: (3.0, 10.0),
    Kind.REQUESTS_DOUBLED: (3.0, 10.0),
    Kind.RIVAL_KEEPER: (5.0, 20.0),
}


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        kind: what goes wrong.
        round_number: in which round; 0: in Registration.
        phase: of the round.
        after_s: seconds after the phase began; a phase that is over sooner is not waited for.
        seconds: that it lasts; 0 where the chain decides.
        worker: whose, by number.
        depth: blocks that a reorganisation takes back, or that a killed chain had not kept.
    """

    kind: Kind
    round_number: int
    phase: Phase
    after_s: float
    seconds: float = 0.0
    worker: int = 0
    depth: int = 0


def draw(rounds: int, workers: int, seed: int, mean: float = MEAN_FAULTS) -> list[Fault]:
    """The faults of a run, in order of round and phase.

    A worker has one fault in a round, and the orchestrator, the chain and the network one each:
    more could leave an honest worker no time within a window.

    Args:
        rounds: of the run.
        workers: number of workers.
        seed: the same seed draws the same faults.
        mean: faults in a round, on average.
    """
    rng = np.random.default_rng(seed)
    faults = [_fault(rng, Kind.WORKER_KILLED, REGISTRATION, workers)] if mean else []
    withheld = _withheld(rng, rounds, workers) if mean else {}
    for number in range(1, rounds + 1):
        drawn: list[Fault] = []
        if number in withheld:
            drawn.append(Fault(Kind.WORKER_WITHHELD, number, Phase.COMMIT, 0, 0, withheld[number]))
        for _ in range(_number(rng, mean)):
            for _ in range(TRIES):
                kind = list(WEIGHTS)[rng.choice(len(WEIGHTS), p=_shares())]
                fault = _fault(rng, kind, number, workers)
                if _fits(fault, drawn, withheld):
                    drawn.append(fault)
                    break
        faults += sorted(drawn, key=lambda fault: (fault.phase, fault.after_s))
    return faults


def _withheld(rng: np.random.Generator, rounds: int, workers: int) -> dict[int, int]:
    """In which rounds a worker withholds its labels, and which: another one each time."""
    if rounds < LEAST_GUILTY_ROUNDS:
        return {}
    n_guilty = min(max(1, rounds // GUILTY_SPACING), workers // 4)
    guilty = rng.permutation(workers)[:n_guilty]
    span = rounds // n_guilty
    return {
        int(index * span + rng.integers(2, span)): int(worker)
        for index, worker in enumerate(guilty)
    }


def _number(rng: np.random.Generator, mean: float) -> int:
    """How many faults are drawn for a round: at least one, unless the mean is less."""
    return 1 + int(rng.poisson(mean - 1)) if mean >= 1 else int(rng.random() < mean)


def _shares() -> list[float]:
    total = sum(WEIGHTS.values())
    return [weight / total for weight in WEIGHTS.values()]


def _fault(rng: np.random.Generator, kind: Kind, number: int, workers: int) -> Fault:
    phase = Phase(int(rng.integers(Phase.COMMIT, Phase.CLOSED)))
    if number == REGISTRATION:
        phase = Phase.REGISTRATION
    if kind is Kind.WORKER_LEFT_OUT:
        phase = Phase.COMMIT
    after_s = 0.0 if kind is Kind.WORKER_LEFT_OUT else round(float(rng.uniform(0, 4)), 2)
    seconds = round(float(rng.uniform(*SECONDS.get(kind, (0.0, 0.0)))), 2)
    depth = 0
    if kind is Kind.CHAIN_REORGANISED:
        depth = int(rng.integers(1, MOST_DEPTH + 1))
    elif kind is Kind.CHAIN_KILLED:
        depth = int(rng.integers(0, 3))
    return Fault(kind, number, phase, after_s, seconds, int(rng.integers(workers)), depth)


def _fits(fault: Fault, drawn: Sequence[Fault], withheld: dict[int, int]) -> bool:
    """Whether it may come beside the others of its round."""
    if fault.kind in OF_WORKERS:
        # Who is guilty in an earlier round is not there any more.
        gone = {worker for number, worker in withheld.items() if number <= fault.round_number}
        others = {other.worker for other in drawn if other.kind in OF_WORKERS}
        return fault.worker not in gone | others
    # Whether a worker has withheld is to be beyond doubt: no chain takes back its commitment.
    if fault.kind in OF_CHAIN and any(o.kind is Kind.WORKER_WITHHELD for o in drawn):
        return False
    for group in (OF_ORCHESTRATOR, OF_CHAIN, OF_NETWORK, (Kind.RIVAL_KEEPER,)):
        if fault.kind in group:
            return not any(other.kind in group for other in drawn)
    return True
