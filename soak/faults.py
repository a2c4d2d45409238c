"""Carries out the plan: each fault once its round has got to its phase, and its end later.

One thread, that of the run: processes are started and signalled from nowhere else.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from services.chain import Federation, Phase
from soak.chain import SoakChain
from soak.crew import ORCHESTRATOR, Crew, worker_name
from soak.plan import OF_CHAIN, OF_NETWORK, OF_WORKERS, REGISTRATION, Fault, Kind
from soak.proxy import FAIR, Proxy, Weather
from soak.rival import Rival

WEATHERS = {
    Kind.ANSWERS_DROPPED: Weather(lose_request=0.15, lose_answer=0.15),
    Kind.ANSWERS_DELAYED: Weather(delay_s=1.0),
    Kind.REQUESTS_DOUBLED: Weather(double=0.5),
}
RETURNING = 0.5  # share of the senders whose transactions come back after a reorganisation

Place = tuple[int, Phase]  # round and phase

log = structlog.get_logger()


@dataclass(frozen=True)
class Injected:
    """A fault that took place: where the round was, and how long the run had been going."""

    fault: Fault
    place: Place
    at_s: float


@dataclass
class Faults:
    """The faults of a run.

    Attributes:
        plan: those that are still to come.
        chain, crew, proxy: what they happen to.
        federation: to look at the chain, past the proxy.
        rival: who keeps the federation besides the orchestrator.
        injected: those that came.
        guilty: (round, address) of each worker that was kept from revealing until it was too late.
    """

    plan: list[Fault]
    chain: SoakChain
    crew: Crew
    proxy: Proxy
    federation: Federation
    rival: Rival
    injected: list[Injected] = field(default_factory=list)
    guilty: set[tuple[int, str]] = field(default_factory=set)
    _started: float = field(default_factory=time.monotonic)
    _place: Place = (REGISTRATION, Phase.REGISTRATION)
    _since: float = field(default_factory=time.monotonic)
    _later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    _asleep: dict[Fault, Phase] = field(default_factory=dict)  # until that phase is over
    _is_chain_busy: bool = False

    def tick(self, place: Place) -> None:
        """Do what is due.

        Args:
            place: where the chain is, or was when it last answered.
        """
        now = time.monotonic()
        if place != self._place:
            self._place, self._since = place, now
        for entry in [entry for entry in self._later if entry[0] <= now]:
            self._later.remove(entry)
            entry[1]()
        if self.chain.is_up:
            self._wake()
        for fault in [fault for fault in self.plan if self._is_due(fault, now)]:
            if self._can_come(fault):
                self.plan.remove(fault)
                self._inject(fault)

    @property
    def are_over(self) -> bool:
        """Whether nothing is under way."""
        return not (self._later or self._asleep or self._is_chain_busy)

    def _is_due(self, fault: Fault, now: float) -> bool:
        due = (fault.round_number, fault.phase)
        return self._place > due or (self._place == due and now - self._since >= fault.after_s)

    def _can_come(self, fault: Fault) -> bool:
        """Whether what it is to happen to is there; else it comes a little later."""
        name = worker_name(fault.worker)
        if fault.kind is Kind.WORKER_WITHHELD:
            return self.chain.is_up and self._is_to_withhold(fault, name)
        if fault.kind in OF_WORKERS:
            return self.crew.can_fail(name)
        if fault.kind in (Kind.ORCHESTRATOR_KILLED, Kind.ORCHESTRATOR_FROZEN):
            return self.crew.can_fail(ORCHESTRATOR)
        if fault.kind in OF_CHAIN:
            return self.chain.is_up and not self._is_chain_busy
        if fault.kind in OF_NETWORK:
            return self.proxy.weather == FAIR
        return not self.rival.is_at_work

    def _is_to_withhold(self, fault: Fault, name: str) -> bool:
        """Whether the worker has committed and not revealed; given up where it is too late."""
        if self._place > (fault.round_number, Phase.REVEAL):
            self.plan.remove(fault)
            return False
        return self.crew.can_fail(name) and self._is_owing(fault)

    def _is_owing(self, fault: Fault) -> bool:
        """Whether the worker's commitment is on the chain, and its labels are not."""
        number, address = fault.round_number, self.crew.address(fault.worker)
        return any(self.federation.commitment_of(number, address)) and not any(
            self.federation.labels_root_of(number, address)
        )

    def _inject(self, fault: Fault) -> None:
        at_s = round(time.monotonic() - self._started, 1)
        self.injected.append(Injected(fault, self._place, at_s))
        log.info("fault_injected", kind=fault.kind, place=self._place, seconds=fault.seconds)
        name = worker_name(fault.worker)
        match fault.kind:
            case Kind.WORKER_KILLED:
                self._kill(name, fault.seconds)
            case Kind.WORKER_FROZEN:
                self._freeze(name, fault.seconds)
            case Kind.WORKER_LEFT_OUT | Kind.WORKER_WITHHELD:
                self.crew.freeze(name)
                is_guilty = fault.kind is Kind.WORKER_WITHHELD
                self._asleep[fault] = Phase.REVEAL if is_guilty else Phase.COMMIT
            case Kind.ORCHESTRATOR_KILLED:
                self._kill(ORCHESTRATOR, fault.seconds)
            case Kind.ORCHESTRATOR_FROZEN:
                self._freeze(ORCHESTRATOR, fault.seconds)
            case Kind.CHAIN_FROZEN | Kind.CHAIN_KILLED | Kind.CHAIN_REORGANISED:
                self._disturb_chain(fault)
            case Kind.RIVAL_KEEPER:
                self.rival.work(fault.seconds)
            case _:
                self.proxy.weather = WEATHERS[fault.kind]
                self._in(fault.seconds, self._clear_up)

    def _kill(self, name: str, seconds: float) -> None:
        self.crew.kill(name)
        self._in(seconds, lambda: self.crew.start(name))

    def _freeze(self, name: str, seconds: float) -> None:
        self.crew.freeze(name)
        self._in(seconds, lambda: self.crew.thaw(name))

    def _disturb_chain(self, fault: Fault) -> None:
        if fault.kind is Kind.CHAIN_REORGANISED:
            self.chain.reorganise(fault.depth, RETURNING, len(self.injected))
            return
        self._is_chain_busy = True
        if fault.kind is Kind.CHAIN_FROZEN:
            self.chain.freeze()
            self._in(fault.seconds, lambda: self._bring_back(self.chain.thaw))
            return
        self.chain.save()

        def die() -> None:
            self.chain.kill()
            self._in(fault.seconds, lambda: self._bring_back(self.chain.start))

        self._in(fault.depth, die)  # a block a second: so many are lost

    def _bring_back(self, how: Callable[[], None]) -> None:
        how()
        self._is_chain_busy = False

    def _clear_up(self) -> None:
        self.proxy.weather = FAIR

    def _wake(self) -> None:
        """Wake who slept past what it was to sleep past; note who has withheld by that."""
        for fault, phase in list(self._asleep.items()):
            if self._place <= (fault.round_number, phase):
                continue
            del self._asleep[fault]
            name = worker_name(fault.worker)
            if phase is Phase.REVEAL and self._has_withheld(fault):
                self.guilty.add((fault.round_number, self.crew.address(fault.worker)))
                self.crew.guilty.add(name)
            self.crew.thaw(name)

    def _has_withheld(self, fault: Fault) -> bool:
        """Whether there were reveals, and the worker owed one to the end."""
        events = self.federation.round_events(fault.round_number, ["RevealOpened"])
        return bool(events) and self._is_owing(fault)

    def _in(self, seconds: float, action: Callable[[], None]) -> None:
        self._later.append((time.monotonic() + seconds, action))
