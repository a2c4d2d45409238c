"""One run from an empty chain to the last withdrawal, and its report."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from audit.__main__ import audit
from demo.processes import ProcessError, Processes
from services.chain import Chain, Federation, Phase
from services.errors import AuditError, ChainError
from services.settings import AuditSettings, read_settings
from soak import accounts
from soak.chain import NAME as CHAIN
from soak.chain import SoakChain
from soak.crew import MODELS, Crew
from soak.faults import Faults, Place
from soak.memory import Memory
from soak.plan import REGISTRATION, Fault
from soak.prepare import fund_all, prepare
from soak.proxy import FAIR, Proxy
from soak.report import Report, Transactions
from soak.rival import Rival

LOOK_S = 0.2
QUIET_S = 60.0  # that workers may take to end once the federation is closed


@dataclass(frozen=True)
class Options:
    """How large a run is.

    Attributes:
        rounds: number of rounds.
        workers: number of workers.
        samples: public samples of a round.
        window_s: seconds of the commit window, and of the reveal window.
        seed: of the data and of chance in faults.
        limit_s: seconds after which the run is over, wherever it is.
        models: what the workers learn with, dealt out in turn.
    """

    rounds: int
    workers: int = 8
    samples: int = 512
    window_s: int = 40
    seed: int = 0
    limit_s: float = 1500.0
    models: tuple[str, ...] = MODELS


@dataclass
class Run:
    """A run under way.

    Attributes:
        options: how large it is.
        folder: for keys, data, states and logs.
        ports: the chain's and the orchestrator's.
        memory: what it has seen of that.
        lasted: seconds of each round so far.
    """

    options: Options
    folder: Path
    ports: tuple[int, int]
    memory: Memory = field(default_factory=Memory)
    lasted: dict[int, float] = field(default_factory=dict)
    _place: Place = (REGISTRATION, Phase.REGISTRATION)
    _newest: int = REGISTRATION
    _began: float = 0.0
    _not_come: int = 0

    def play(self, plan: Sequence[Fault]) -> Report:
        """Play it with these faults.

        Raises:
            FedserumError: it did not get far enough for a report.
        """
        options, started = self.options, time.monotonic()
        home = self.folder / "home"
        prepare(
            home,
            options.workers,
            options.samples,
            options.rounds,
            options.window_s,
            options.seed,
        )
        with Processes(self.folder / "logs") as processes:
            chain = SoakChain(processes, self.ports[0], self.folder)
            chain.start()
            fund_all(home, chain.url, options.workers)
            with Proxy(chain.url, options.seed) as proxy:
                crew = Crew(
                    processes, home, proxy.url, options.workers, self.ports[1], options.models
                )
                crew.start_all()
                federation = Federation(Chain(chain.url, timeout_s=5), crew.contract)
                rival = Rival(chain.url, crew.contract)
                faults = Faults(list(plan), chain, crew, proxy, federation, rival)
                self._follow(faults, started + options.limit_s)
                return self._report(faults, time.monotonic() - started)

    def _follow(self, faults: Faults, until: float) -> None:
        """Let it go on until all workers have ended, or the time is up."""
        is_last, quiet_until = False, until
        while time.monotonic() < min(until, quiet_until):
            self._look(faults)
            is_closed = self._place[1] is Phase.CLOSED
            if is_closed and not is_last:
                is_last, quiet_until = True, time.monotonic() + QUIET_S
                self._not_come = len(faults.plan)
                faults.plan.clear()
            faults.tick(self._place)
            faults.crew.supervise(is_closed)
            if is_closed and faults.are_over and faults.crew.are_done():
                return
            time.sleep(LOOK_S)

    def _look(self, faults: Faults) -> None:
        """Where the chain is; as before if it does not answer."""
        if not faults.chain.is_up:
            return
        if faults.crew.processes.exit_code(CHAIN) is not None:
            raise ProcessError(
                f"the chain ended: {faults.crew.processes.last_words(CHAIN)}; the run is over"
            )
        try:
            self._place = (faults.federation.round(), faults.federation.phase())
        except ChainError:
            return
        if self._place[0] <= self._newest:
            return
        now = time.monotonic()
        if self._newest != REGISTRATION:
            self.lasted[self._newest] = now - self._began
        self._newest, self._began = self._place[0], now
        faults.crew.look_at_memory(self.memory, self._newest)
        self.memory.take(CHAIN, CHAIN, faults.crew.processes.pid(CHAIN), self._newest)
        self._tell(faults)

    def _tell(self, faults: Faults) -> None:
        usual = median(self.lasted.values()) if self.lasted else 0.0
        print(
            f"round {self._newest} of {self.options.rounds}: {len(faults.injected)} faults, "
            f"{len(faults.crew.ends)} unasked ends, {usual:.0f} s a round",
            flush=True,
        )

    def _report(self, faults: Faults, seconds: float) -> Report:
        chain, crew, federation = faults.chain, faults.crew, faults.federation
        faults.proxy.weather = FAIR
        if not chain.is_up:
            raise ProcessError("the time was up while the chain was down; there is no report")
        events = federation.events(0)
        members = [crew.address(index) for index in range(crew.n_workers)]
        receipts = chain.receipts()
        mine = [receipt for receipt in receipts if receipt["transactionHash"] in faults.proxy.sent]
        failed = [receipt for receipt in mine if receipt["status"] != "0x1"]
        return Report(
            wanted=self.options.rounds,
            rounds=accounts.rounds(events),
            faults=faults.injected,
            not_come=self._not_come,
            slashes=accounts.slashes(events, faults.guilty),
            transactions=Transactions(len(faults.proxy.sent), len(mine), len(failed)),
            spoiled=dict(faults.proxy.spoiled.most_common()),
            money=accounts.money(
                events,
                balances=sum(federation.balance_of(member) for member in members),
                pot=federation.pot(),
                held=federation.chain.balance_wei(crew.contract),
            ),
            audit=_audit(chain.url, crew.contract),
            ends=crew.ends,
            unended=crew.running(),
            memory=self.memory.uses(),
            seconds=seconds,
        )


def _audit(rpc_url: str, contract: str) -> str:
    """The last line of the product's own audit, or what it found."""
    try:
        settings = read_settings(AuditSettings, rpc_url=rpc_url, contract=contract)
        return audit(settings).splitlines()[-1]
    except (AuditError, ChainError) as error:
        return str(error)
