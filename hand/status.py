"""What `fedserum status` prints: the federation, this participant, and what is next."""

from collections.abc import Sequence

from hand.standing import Standing, ether, last_settled, next_step, read_standing
from services.chain import Federation, Phase
from services.errors import MembershipError
from services.membership import read_own_description
from services.task import Task
from worker.steps import Steps


def status(steps: Steps) -> str:
    """Where the federation and this participant are, and what is next."""
    standing, task = read_standing(steps), steps.task
    federation, number = steps.federation, standing.round_number
    lines = {
        "federation": f"{federation.address} on chain {federation.chain.chain_id()}",
        "phase": standing.round_and_phase + _left(standing),
        "task": f"{task.samples_per_round} samples of {task.classes} classes a round; public set's "
        f"SHA-256 {task.dataset_hash}",
        "you": f"{standing.address}; balance {ether(standing.balance_wei)} ether here, "
        f"{ether(standing.ether_wei)} outside",
    }
    if number and standing.phase is not Phase.CLOSED and standing.is_on_roster:
        lines |= {
            "samples": f"{_window(task, number)} (from the start again where it ends); yours: "
            f"{_rows(steps.rows(steps.assigned_chunks()), task)}",
            "committed": _yes(standing.is_committed)
            + f"; {_count(federation, number, 'Committed')} of {standing.n_roster} have",
            "revealed": _yes(standing.is_revealed)
            + f"; {_count(federation, number, 'Revealed')} of {standing.n_roster} have",
        }
    elif standing.phase is Phase.REGISTRATION:
        lines["registered"] = f"{_yes(standing.balance_wei > 0)}; {standing.n_roster} of at most "
        lines["registered"] += f"{task.max_workers} are"
    last = last_settled(federation)
    if last:
        reward = ether(federation.reward_of(last, standing.address))
        lines["reward"] = f"{reward} ether in round {last}"
    lines["next"] = next_step(standing)
    return "\n".join(f"{name:<11} {text}" for name, text in lines.items())


def _window(task: Task, number: int) -> str:
    """Which samples the round has, in words."""
    first = (number - 1) * task.samples_per_round
    span = f"{first} to {first + task.samples_per_round - 1} of the public set"
    try:
        sealed = task.uri and read_own_description(task).sealed_order
    except MembershipError:  # whose page is gone now
        return span + ", unless its order is sealed (fedserum samples)"
    return span + (" in its sealed order (fedserum samples tells which)" if sealed else "")


def _left(standing: Standing) -> str:
    if standing.phase is Phase.CLOSED:
        return ""
    left_s = standing.deadline - standing.now
    return f" ({left_s} s left)" if left_s > 0 else " (over)"


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"


def _count(federation: Federation, round_number: int, name: str) -> int:
    return len(federation.round_events(round_number, [name]))


def _rows(rows: Sequence[slice], task: Task) -> str:
    """Rows of the round as text, neighbours joined: `rows 0-511, 768-1023`."""
    if sum(part.stop - part.start for part in rows) == task.samples_per_round:
        return "all"
    joined: list[list[int]] = []
    for part in rows:
        if joined and joined[-1][1] == part.start:
            joined[-1][1] = part.stop
        else:
            joined.append([part.start, part.stop])
    return "rows " + ", ".join(f"{start}-{stop - 1}" for start, stop in joined)
