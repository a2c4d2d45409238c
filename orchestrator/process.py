"""The orchestrator's two threads: one reads the chain into the index, one keeps the federation.

The routes only read what these threads leave. A chain that does not answer is waited for, within a
bound; a chain or contract that is not the recorded one ends the process.
"""

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

import structlog
from eth_account.signers.local import LocalAccount

from orchestrator.courier import Courier
from orchestrator.deployment import Record, check, open_deployment
from orchestrator.indexer import Indexer
from orchestrator.reports import Reports
from services import keeper
from services.chain import Chain, Federation, Receipt
from services.errors import ChainError, ChainUnreachableError, FedserumError
from services.keeper import Duty
from services.patience import LONGEST_PAUSE_S, Patience
from services.settings import OrchestratorSettings

STOP_S = 0.2  # how long a stop waits for the threads

log = structlog.get_logger()

Done = tuple[Duty | None, Receipt | None]  # no duty: nothing due; no receipt: another was first


class Orchestrator:
    """One federation, deployed or found again, indexed and kept.

    Attributes:
        unready: why it cannot answer for the chain now; None when it can.
        failure: the error that ended it, if one did.
        record: where the federation is; None until it is known, as with the next two.
    """

    def __init__(self, settings: OrchestratorSettings, account: LocalAccount) -> None:
        self.settings = settings
        self.failure: FedserumError | None = None
        self.record: Record | None = None
        self.indexer: Indexer | None = None
        self.reports: Reports | None = None
        self.keeper_calls: Counter[str] = Counter()
        self.keeper_failures = 0
        self._account = account
        self._chain = Chain.of(settings)
        self.unready: str | None = f"starting; no answer from {self._chain.place} yet"
        self._stop = threading.Event()
        self._patience = Patience(settings.patience_s, settings.poll_s, self._stop.wait)
        self._on_failure: Callable[[], None] = lambda: None
        self._pokes: queue.SimpleQueue[Future[Done] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def start(self, on_failure: Callable[[], None]) -> None:
        """Start the threads; ``on_failure`` is called once ``failure`` is set."""
        self._on_failure = on_failure
        self._start_thread("indexer", self._run)

    def stop(self) -> None:
        """Ask the threads to end; waits briefly, they die with the process anyway."""
        self._stop.set()
        self._pokes.put(None)
        deadline = time.monotonic() + STOP_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def poke(self) -> Future[Done]:
        """Have the keeper do what is due now; the future has what it did."""
        future: Future[Done] = Future()
        self._pokes.put(future)
        return future

    def _start_thread(self, name: str, target: Callable[[], None]) -> None:
        # A daemon: one that waits for the node must not hold up the end of the process.
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self) -> None:
        try:
            found = self._open()
            if found is not None:
                record, indexer, courier = found
                self._start_thread("keeper", partial(self._keep, indexer.federation, courier))
                self._follow(record, indexer)
        except FedserumError as error:
            self._fail(error)
        except Exception as error:
            log.exception("indexer_failed")
            self._fail(FedserumError(f"the indexer failed unexpectedly ({error!r}); see the log"))

    def _open(self) -> tuple[Record, Indexer, Courier] | None:
        """Deploy or find the federation, however long the chain takes; None if stopped."""
        while not self._stop.is_set():
            try:
                record = open_deployment(
                    self._chain, self._account, self.settings.task_file, self.settings.state_dir
                )
                reports = Reports(
                    self.settings.state_dir, f"{record.genesis_hash}/{record.contract}"
                )
                federation = Federation(self._chain, record.contract, self._account)
                indexer = Indexer(federation, record.block(), self.settings.confirmations)
                courier = Courier(federation, self._account, self.settings.order_key_file)
            except ChainUnreachableError as error:
                self._wait_for_chain(error)
                continue
            log.info(
                "federation_found",
                contract=record.contract,
                chain_id=record.chain_id,
                block=record.deploy_block,
            )
            self.reports, self.indexer, self.record = reports, indexer, record
            return record, indexer, courier
        return None

    def _follow(self, record: Record, indexer: Indexer) -> None:
        """Keep the index up to date."""
        while not self._stop.is_set():
            try:
                self._chain.choose_node()
                is_complete = indexer.step()
            except ChainError as error:
                if not isinstance(error, ChainUnreachableError):
                    self._check_deployment(record)
                self._wait_for_chain(error)
                continue
            self._patience.rest()
            if is_complete:
                if self.unready is not None:
                    log.info("orchestrator_ready", block=indexer.head_block)
                self.unready = None
                self._stop.wait(self.settings.poll_s)

    def _check_deployment(self, record: Record) -> None:
        """End the process if the chain is not the one any more."""
        try:
            check(self._chain, record, self.settings.state_dir)
        except ChainUnreachableError:
            return

    def _wait_for_chain(self, error: ChainError) -> None:
        if not self._stop.is_set():
            self.unready = str(error)
            self._patience.wait("chain_unready", error)

    def _keep(self, federation: Federation, courier: Courier) -> None:
        poll_s = self.settings.poll_s
        pause_s, failed_in_a_row = poll_s, 0
        while not self._stop.is_set():
            poke = self._next_poke(pause_s)
            pause_s = poll_s
            if self._stop.is_set() or (poke is None and not self.settings.keeper):
                continue
            try:
                done = self._keep_once(federation)
                courier.deliver()
            except Exception as error:
                self.keeper_failures += 1
                failed_in_a_row += 1
                pause_s = min(LONGEST_PAUSE_S, poll_s * 2 ** min(failed_in_a_row, 10))
                log.warning(
                    "keeper_failed", cause=str(error), exc_info=not isinstance(error, FedserumError)
                )
                if poke is not None:
                    poke.set_exception(error)
                continue
            failed_in_a_row = 0
            if done[0] is not None:
                pause_s = 0.0  # where one thing was due, the next may be
            if poke is not None:
                poke.set_result(done)

    def _next_poke(self, pause_s: float) -> Future[Done] | None:
        """Wait for a poke; None after the pause, or if whoever poked is gone."""
        try:
            poke = self._pokes.get(timeout=pause_s) if pause_s else self._pokes.get_nowait()
        except queue.Empty:
            return None
        return poke if poke is not None and poke.set_running_or_notify_cancel() else None

    def _keep_once(self, federation: Federation) -> Done:
        duty = keeper.due(federation)
        if duty is None:
            return None, None
        receipt = keeper.perform(federation, duty)
        if receipt is not None:
            self.keeper_calls[duty.call] += 1
        return duty, receipt

    def _fail(self, error: FedserumError) -> None:
        self.failure = error
        self.unready = str(error)
        self._on_failure()
