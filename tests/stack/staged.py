"""A federation in containers whose rounds a test holds up, and what must be true after each."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from compose_project import Stack, logged, pause, wait_for
from docker.models.containers import Container

from services.chain import Chain, Federation, Phase

WORKER_LIMIT = 1 << 30  # bytes of memory, as docker-compose.yml has it

# Takes all the memory that its container has left, and has the kernel kill the worker for it.
GLUTTON = """
worker = open("/proc/1/task/1/children").read().split()[0]
open(f"/proc/{worker}/oom_score_adj", "w").write("1000")
eaten = []
while True:
    eaten.append(b"x" * (1 << 24))
"""


@dataclass
class Staged:
    """One federation in containers; a worker that is paused, the straggler, holds it in Commit.

    Attributes:
        stack: its Compose project.
        workers: the workers' containers, the straggler last.
        addresses: the workers, as the chain knows them, sorted.
    """

    stack: Stack
    workers: list[Container] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    _contract: str = ""
    _since: datetime = field(default_factory=lambda: datetime.now(UTC))

    def find_workers(self) -> None:
        """Look for the workers' containers, by number."""
        found = self.stack.containers("worker")
        number = "com.docker.compose.container-number"
        self.workers = sorted(found, key=lambda each: int(each.labels[number]))

    def find_contract(self) -> None:
        """Ask the orchestrator for the contract."""
        self._contract = self.stack.get("/federation")["contract"]

    def replace(self, lost: Container) -> Container:
        """Remove a worker's container; Compose makes another one, and starts all workers."""
        lost.remove(force=True)
        self.stack.compose("up", "--detach", "--no-deps", "--no-recreate", "worker")
        (new,) = [each for each in self.stack.containers("worker") if each not in self.workers]
        self.workers[self.workers.index(lost)] = new
        return new

    @property
    def chain(self) -> Container:
        """The chain's container."""
        (found,) = self.stack.containers("chain")
        return found

    @property
    def orchestrator(self) -> Container:
        """The orchestrator's container."""
        (found,) = self.stack.containers("orchestrator")
        return found

    @property
    def federation(self) -> Federation:
        """The contract, as the host reads it."""
        return Federation(Chain(self.stack.rpc_url), self._contract)

    def named(self, event: str, round_number: int) -> list[str]:
        """Whom such events of a round name, sorted."""
        events = self.federation.round_events(round_number, [event])
        return sorted(event.args["worker"] for event in events)

    def require_commit(self, round_number: int) -> None:
        """The round is still where the straggler holds it."""
        federation = self.federation
        assert (federation.round(), federation.phase()) == (round_number, Phase.COMMIT)

    def await_committed(self, round_number: int, *but: Container) -> None:
        """Wait until so many as there are others have committed; they are held in Commit there."""
        n_workers = len(self.workers) - len(but)
        what = f"{n_workers} commits in round {round_number}"
        wait_for(what, lambda: len(self.named("Committed", round_number)) == n_workers, 120)
        self.require_commit(round_number)

    def hold_next(self, round_number: int) -> None:
        """Pause the straggler when it has revealed, so that it does not commit in the next round.

        The others' reveals, or at least the settlement, are still to come.
        """
        straggler = self.workers[-1]
        await_said(straggler, "labels_revealed", round=round_number)
        pause(straggler)

    @contextmanager
    def without_network(self, container: Container) -> Iterator[None]:
        """Cut it off from all others, the host included."""
        (network,) = self.stack.engine.networks.list(names=[f"{self.stack.project}_default"])
        service = container.labels["com.docker.compose.service"]
        network.disconnect(container)
        try:
            yield
        finally:
            network.connect(container, aliases=[service])

    @contextmanager
    def everybody_says(self, event: str, containers: Sequence[Container]) -> Iterator[None]:
        """At the end, wait until each has said it once more than at the beginning."""
        before = [n_said(each, event) for each in containers]
        yield
        for container, n in zip(containers, before, strict=True):
            await_said(container, event, n + 1)

    def require_settled(self, round_number: int) -> None:
        """Everybody committed once, revealed once and was scored; nobody was slashed."""
        federation = self.federation

        def is_over() -> bool:
            return federation.round() > round_number or federation.phase() is Phase.CLOSED

        wait_for(f"the end of round {round_number}", is_over, 120)
        self.addresses = self.addresses or sorted(federation.roster())
        assert len(self.addresses) == len(self.workers)
        for event in ("Committed", "Revealed", "Rewarded"):
            assert self.named(event, round_number) == self.addresses, event
        assert self.named("Slashed", round_number) == []
        assert federation.round_events(round_number, ["RoundVoided"]) == []

    def n_killed_for_memory(self, container: Container) -> int:
        """How often the kernel killed in it for want of memory, by the engine's record."""
        events = self.stack.engine.events(
            since=self._since,
            until=datetime.now(UTC),
            filters={"container": container.id, "event": "oom"},
            decode=True,
        )
        return len(list(events))


def n_said(container: Container, event: str, **fields: object) -> int:
    """How many lines of its log are such an event, over all its processes."""
    return sum(
        fields.items() <= line.items() for line in logged(container) if line["event"] == event
    )


def await_said(container: Container, event: str, times: int = 1, **fields: object) -> None:
    """Wait until its log has such an event so often."""
    what = f"{times} times {event} {fields} of {container.name}"
    wait_for(what, lambda: n_said(container, event, **fields) >= times, 120)


def restarts(container: Container) -> int:
    """How often the engine has started it again by its policy."""
    container.reload()
    return int(container.attrs["RestartCount"])


def has_restarted(container: Container, n_before: int) -> bool:
    """Whether the engine has started it again since it counted so many."""
    return restarts(container) > n_before


def state(container: Container) -> tuple[str, int]:
    """Its status and the exit code of its last process."""
    container.reload()
    return container.status, int(container.attrs["State"]["ExitCode"])


def starve(container: Container) -> None:
    """Have the kernel kill its worker because the container is out of memory."""
    container.exec_run(["python", "-c", GLUTTON])


def limit(container: Container, n_bytes: int) -> None:
    """Give it so much memory from now on."""
    container.update(mem_limit=n_bytes, memswap_limit=n_bytes)
