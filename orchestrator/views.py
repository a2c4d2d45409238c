"""Records of the index -> what the API answers. Pure."""

from typing import Any

from orchestrator.deployment import Record
from orchestrator.index import Index, Part, Round
from orchestrator.reports import Reports
from orchestrator.schemas import (
    EventView,
    FederationView,
    Participation,
    RoundView,
    TaskView,
    WorkerView,
)
from services.chain import Event
from services.task import WAD
from services.wire import abstain, chunk_sizes, unpack

# Event arguments that are amounts, scores or fixed-point: JSON numbers would lose their digits.
_DECIMAL_ARGS = frozenset(
    {"deposit", "refund", "amount", "score", "reward", "pool", "agreementWad"}
)


def federation_view(index: Index, record: Record) -> FederationView:
    """``GET /federation``."""
    return FederationView(
        chain_id=record.chain_id,
        genesis_hash=record.genesis_hash,
        contract=record.contract,
        code_hash=record.code_hash or "",
        deploy_block=record.block(),
        task=TaskView(**index.task.model_dump()),
        phase=index.phase,
        round=index.round,
        deadline=index.deadline,
        workers=index.n_workers,
    )


def round_view(index: Index, reports: Reports, found: Round) -> RoundView:
    """``GET /rounds/{round}``."""
    return RoundView(
        round=found.number,
        phase=found.phase,
        commit_deadline=found.commit_deadline,
        reveal_deadline=found.reveal_deadline,
        committed=found.n_committed,
        revealed=found.n_revealed,
        chunks=index.n_chunks,
        aggregated_chunks=len(found.global_labels),
        agreement=None if found.agreement_wad is None else found.agreement_wad / WAD,
        pool_wei=found.pool_wei,
        gas_used=dict(found.gas_used),
        workers=[
            _participation(index, reports, found, address, part)
            for address, part in found.parts.items()
        ],
    )


def worker_view(index: Index, reports: Reports, address: str) -> WorkerView:
    """``GET /workers/{address}``."""
    worker = index.workers[address]
    return WorkerView(
        address=address,
        balance_wei=worker.balance_wei,
        excluded=worker.is_excluded,
        rounds=[
            _participation(index, reports, found, address, found.parts[address])
            for found in index.rounds.values()
            if address in found.parts
        ],
    )


def global_labels(index: Index, found: Round) -> list[int | None]:
    """A round's global labels in sample order, None for ABSTAIN; every chunk is aggregated."""
    classes = index.task.classes
    sizes = chunk_sizes(index.task.samples_per_round, index.task.chunk_samples)
    codes = [
        code
        for chunk, size in enumerate(sizes)
        for code in unpack(found.global_labels[chunk], classes, size).tolist()
    ]
    no_label = abstain(classes)
    return [None if code == no_label else code for code in codes]


def packed_global_labels(found: Round) -> bytes:
    """The same as the chain has it: the chunks in ascending order, concatenated."""
    return b"".join(data for _, data in sorted(found.global_labels.items()))


def event_view(event: Event) -> EventView:
    """The ``data`` of a server-sent event."""
    return EventView(
        name=event.name,
        block_number=event.block_number,
        block_hash=event.block_hash,
        transaction_hash=event.transaction_hash,
        log_index=event.log_index,
        args={name: _argument(name, value) for name, value in event.args.items()},
    )


def _argument(name: str, value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return str(value) if name in _DECIMAL_ARGS else value


def _participation(
    index: Index, reports: Reports, found: Round, address: str, part: Part
) -> Participation:
    report = reports.get(address, found.number)
    balance_wei = part.balance_wei if found.is_over else index.workers[address].balance_wei
    return Participation(
        round=found.number,
        address=address,
        committed=part.committed,
        revealed=part.revealed,
        slashed=part.slashed,
        label_counts=part.label_counts,
        score=part.score,
        reward_wei=part.reward_wei,
        balance_wei=balance_wei,
        top1_accuracy_before=report.top1_accuracy_before if report else None,
        top1_accuracy_after=report.top1_accuracy_after if report else None,
        private_samples=report.private_samples if report else None,
        model=report.model if report else None,
    )
