"""The index and the keeper as Prometheus metrics, read when they are asked for."""

from collections.abc import Iterator
from typing import get_args

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from orchestrator.index import Index
from orchestrator.process import Orchestrator
from orchestrator.schemas import Phase
from services.task import WAD


def registry(orchestrator: Orchestrator) -> CollectorRegistry:
    """A registry of its own, with this orchestrator's metrics."""
    found = CollectorRegistry()
    found.register(_OrchestratorCollector(orchestrator))
    return found


class _OrchestratorCollector(Collector):
    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator

    def describe(self) -> list[Metric]:
        return []  # or registering would collect, before there is anything

    def collect(self) -> Iterator[Metric]:
        orchestrator = self._orchestrator
        yield _gauge("ready", "1 while chain and contract answer.", orchestrator.unready is None)
        calls = CounterMetricFamily(
            "fedserum_keeper_calls", "Due calls that this keeper made.", labels=["function"]
        )
        for function in ("advance", "aggregate", "settle"):
            calls.add_metric([function], orchestrator.keeper_calls[function])
        yield calls
        yield CounterMetricFamily(
            "fedserum_keeper_failures",
            "Attempts at a due call that failed.",
            orchestrator.keeper_failures,
        )
        indexer = orchestrator.indexer
        if indexer is None:
            return
        with indexer.reading() as index:
            families = list(_federation(index))
        yield from families
        yield _gauge("head_block", "The node's latest block.", indexer.head_block)
        yield _gauge("indexed_block", "The last block in the index.", index.block)
        yield _gauge(
            "indexer_lag_blocks",
            "Blocks that the index is behind.",
            max(0, indexer.head_block - index.block),
        )


def _gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"fedserum_{name}", about, value)


def _federation(index: Index) -> Iterator[Metric]:
    phases = GaugeMetricFamily(
        "fedserum_phase", "1 at the phase the federation is in.", labels=["phase"]
    )
    for phase in get_args(Phase):
        phases.add_metric([phase], phase == index.phase)
    yield phases
    yield _gauge("round", "The current round; 0 before the first.", index.round)
    yield _gauge("deadline_seconds", "End of the phase, unix seconds; 0: closed.", index.deadline)
    workers = GaugeMetricFamily("fedserum_workers", "Workers by state.", labels=["state"])
    workers.add_metric(["registered"], index.n_workers)
    workers.add_metric(["excluded"], sum(w.is_excluded for w in index.workers.values()))
    current = index.rounds.get(index.round)
    workers.add_metric(["committed"], current.n_committed if current else 0)
    workers.add_metric(["revealed"], current.n_revealed if current else 0)
    yield workers
    chunks = len(current.global_labels) if current else 0
    yield _gauge("aggregated_chunks", "Aggregated chunks of the current round.", chunks)
    ended = CounterMetricFamily("fedserum_rounds", "Rounds that ended.", labels=["result"])
    for result in ("settled", "void"):
        ended.add_metric([result], sum(r.phase == result for r in index.rounds.values()))
    yield ended
    agreements = [r.agreement_wad for r in index.rounds.values() if r.agreement_wad is not None]
    if agreements:
        yield _gauge("agreement", "Agreement of the last settled round.", agreements[-1] / WAD)
    gas = CounterMetricFamily("fedserum_gas_used", "Gas by contract function.", labels=["function"])
    transactions = CounterMetricFamily(
        "fedserum_transactions", "Transactions by contract function.", labels=["function"]
    )
    for function, gas_used in index.gas_used.items():
        gas.add_metric([function], gas_used)
        transactions.add_metric([function], index.transactions[function])
    yield gas
    yield transactions
