"""Fills the index from the chain: everything from the deployment on at the start, then news.

Only reads. A reorganisation that reaches below the last block read makes it start over, so the
index never holds an event that the chain does not.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby

import structlog

from orchestrator.index import ROUND_ENDS, Index
from services.chain import Event, Federation
from services.errors import ChainError, ChainUnreachableError

STEP_BLOCKS = 2_000  # blocks read before the index shows them

log = structlog.get_logger()


class Indexer:
    """Reads one federation into an ``Index``; one thread calls ``step``, any thread reads."""

    def __init__(self, federation: Federation, deploy_block: int, confirmations: int) -> None:
        self.federation = federation
        self.head_block = deploy_block
        self._deploy_block = deploy_block
        self._confirmations = confirmations
        self._lock = threading.Lock()
        self._index = self._empty()
        self._block_hash: str | None = None

    @contextmanager
    def reading(self) -> Iterator[Index]:
        """The index, held still meanwhile: be brief, and leave the chain alone."""
        with self._lock:
            yield self._index

    def step(self) -> bool:
        """Read what is new; whether the index has everything up to the latest block.

        Raises:
            ChainError: the node does not answer, or not as it should; the index is unchanged.
        """
        chain = self.federation.chain
        self.head_block = chain.block_number()
        if not self._is_continued():
            log.warning("chain_reorganised", block=self._index.block)
            self._replace(self._empty())
        first = self._index.block + 1
        last = min(self.head_block - self._confirmations, self._index.block + STEP_BLOCKS)
        if last >= first:
            self._read(first, last)
        return self._index.block >= self.head_block - self._confirmations

    def _empty(self) -> Index:
        return Index(self.federation.task(), self._deploy_block - 1)

    def _replace(self, index: Index) -> None:
        with self._lock:
            self._index = index
        self._block_hash = None

    def _is_continued(self) -> bool:
        """Whether the chain still has the last block that was read."""
        block = self._index.block
        if self._block_hash is None:  # nothing has been read
            return True
        if block > self.head_block:
            return False
        return self.federation.chain.block_hash(block) == self._block_hash

    def _read(self, first: int, last: int) -> None:
        """Read blocks ``first`` to ``last``; asks the node for everything before it changes."""
        chain = self.federation.chain
        block_hash = chain.block_hash(last)
        events = self.federation.events(first, last)
        transactions = [
            (list(group), chain.receipt(transaction_hash))
            for transaction_hash, group in groupby(events, lambda event: event.transaction_hash)
        ]
        workers = set(self._index.workers) | {
            event.args["worker"] for event in events if event.name == "Registered"
        }
        ends = [event.block_number for event in events if event.name in ROUND_ENDS]
        balances_wei = {block: self._balances_wei(workers, block) for block in ends}
        is_forgotten = None in balances_wei.values()
        latest_wei = self._balances_wei(workers, last) if is_forgotten else None
        open_deadline = self.federation.deadline()
        if chain.block_hash(last) != block_hash or not self._is_continued():
            return  # reorganised meanwhile: these may be of two chains; the next step starts over
        with self._lock:
            for group, receipt in transactions:
                self._index.apply(
                    group,
                    receipt.function,
                    receipt.gas_used,
                    balances_wei.get(receipt.block_number),
                )
            if latest_wei is not None:
                self._index.set_balances(latest_wei)
            self._index.block = last
            self._index.open_deadline = open_deadline
        self._block_hash = block_hash
        self._log(events)

    def _balances_wei(self, workers: set[str], block: int) -> dict[str, int] | None:
        """Every worker's balance after a block; None if the node has forgotten that state."""
        try:
            return {worker: self.federation.balance_of(worker, block) for worker in workers}
        except ChainUnreachableError:
            raise
        except ChainError as error:
            log.warning("balances_forgotten", block=block, cause=str(error))
            return None

    @staticmethod
    def _log(events: list[Event]) -> None:
        for event in events:
            if event.name in ("RoundOpened", "RevealOpened", "AggregationOpened", *ROUND_ENDS):
                log.info(
                    "phase_changed",
                    to=event.name,
                    round=event.args["round"],
                    block=event.block_number,
                )
