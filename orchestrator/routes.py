"""The API, endpoint by endpoint: protocol section 10.

Everything but the worker's own reports comes from the index, so anyone can read it from the chain
without this process.
"""

import asyncio
import hmac
from http import HTTPStatus
from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, Header, HTTPException, Path, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import SecretStr
from sse_starlette import EventSourceResponse

from orchestrator import problems
from orchestrator.deployment import Record
from orchestrator.events import event_place, event_stream
from orchestrator.index import Index, Round
from orchestrator.indexer import Indexer
from orchestrator.metrics import registry
from orchestrator.process import Orchestrator
from orchestrator.reports import Reports, signer_of
from orchestrator.schemas import (
    Address,
    EventView,
    FederationView,
    Health,
    Kept,
    Readiness,
    RoundView,
    SignedReport,
    WorkerView,
)
from orchestrator.views import (
    federation_view,
    global_labels,
    packed_global_labels,
    round_view,
    worker_view,
)

OCTETS = "application/octet-stream"
# One server-sent event, for the OpenAPI page.
EVENT = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "description": "Block and log index, to go on after a break."},
        "event": {"type": "string", "description": "Name of the contract's event."},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": EventView.model_json_schema(),
        },
    },
}
CLOSING_S = 0.5  # how long open event streams may take to end with the process

router = APIRouter(responses=problems.RESPONSES)
_bearer = HTTPBearer(auto_error=False, description="The operator's token (FEDSERUM_TOKEN_FILE).")

RoundNumber = Annotated[int, Path(ge=1, description="Number of the round, from 1.")]
WorkerAddress = Annotated[Address, Path(description="The worker's address, 0x and 40 hex digits.")]


class Known:
    """What the routes answer from, once the federation is known."""

    def __init__(self, record: Record, indexer: Indexer, reports: Reports) -> None:
        self.record = record
        self.indexer = indexer
        self.reports = reports


def _orchestrator(request: Request) -> Orchestrator:
    orchestrator: Orchestrator = request.app.state.orchestrator
    return orchestrator


def _known(orchestrator: Annotated[Orchestrator, Depends(_orchestrator)]) -> Known:
    record, indexer, reports = orchestrator.record, orchestrator.indexer, orchestrator.reports
    if record is None or indexer is None or reports is None:
        raise HTTPException(503, f"not ready: {orchestrator.unready}", {"Retry-After": "1"})
    return Known(record, indexer, reports)


KnownFederation = Annotated[Known, Depends(_known)]


@router.get("/health")
def get_health() -> Health:
    """Whether the process lives."""
    return Health()


@router.get("/ready")
def get_ready(
    orchestrator: Annotated[Orchestrator, Depends(_orchestrator)], known: KnownFederation
) -> Readiness:
    """Whether chain and contract answer; 503 with the reason if not."""
    if orchestrator.unready is not None:
        raise HTTPException(503, f"not ready: {orchestrator.unready}", {"Retry-After": "1"})
    with known.indexer.reading() as index:
        return Readiness(indexed_block=index.block)


@router.get("/federation")
def get_federation(known: KnownFederation) -> FederationView:
    """The federation, its task and where it is."""
    with known.indexer.reading() as index:
        return federation_view(index, known.record)


@router.get("/rounds")
def get_rounds(known: KnownFederation) -> list[RoundView]:
    """Every round that was opened, oldest first."""
    with known.indexer.reading() as index:
        return [round_view(index, known.reports, found) for found in index.rounds.values()]


@router.post("/rounds/advance")
async def post_advance(
    request: Request,
    orchestrator: Annotated[Orchestrator, Depends(_orchestrator)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    response: Response,
) -> Kept:
    """Have the keeper make the call that is due now, if one is; 401 and 403 without the token."""
    _check_token(request.app.state.token, credentials)
    _known(orchestrator)
    duty, receipt = await asyncio.wrap_future(orchestrator.poke())
    response.headers["Cache-Control"] = "no-store"
    if duty is None:
        return Kept(
            function=None,
            chunk=None,
            transaction_hash=None,
            gas_used=None,
            detail="nothing is due: the federation waits for workers, or is closed",
        )
    what = f"{duty.call} of round {duty.round_number}"
    return Kept(
        function=duty.call,
        chunk=duty.chunk,
        transaction_hash=receipt.transaction_hash if receipt else None,
        gas_used=receipt.gas_used if receipt else None,
        detail=f"made {what}" if receipt else f"someone else was faster with {what}",
    )


@router.get("/rounds/advance", include_in_schema=False)
def get_advance() -> None:
    """Nothing: or "advance" would be taken for the number of a round."""
    raise HTTPException(405, HTTPStatus.METHOD_NOT_ALLOWED.phrase, {"Allow": "POST"})


@router.get("/rounds/{round}")
def get_round(known: KnownFederation, round: RoundNumber) -> RoundView:  # noqa: A002
    """One round."""
    with known.indexer.reading() as index:
        return round_view(index, known.reports, _find_round(index, round))


@router.get(
    "/rounds/{round}/labels",
    response_model=list[int | None],
    responses={
        200: {
            "description": "Label per sample, null for ABSTAIN; or packed, as protocol section 2.",
            "content": {OCTETS: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
def get_labels(
    known: KnownFederation,
    round: RoundNumber,  # noqa: A002
    accept: Annotated[str, Header()] = "*/*",
) -> Response:
    """The round's global labels, in sample order; 404 until every chunk is aggregated."""
    with known.indexer.reading() as index:
        found = _find_round(index, round)
        n_aggregated, n_chunks = len(found.global_labels), index.n_chunks
        if n_aggregated < n_chunks:
            raise HTTPException(
                404,
                f"round {round} has no global labels: {n_aggregated} of {n_chunks} chunks are "
                f"aggregated, and the round's phase is {found.phase}",
            )
        if _prefers_octets(accept):
            return Response(
                packed_global_labels(found), media_type=OCTETS, headers={"Vary": "Accept"}
            )
        labels = global_labels(index, found)
    return JSONResponse(labels, headers={"Vary": "Accept"})


@router.get("/workers")
def get_workers(known: KnownFederation) -> list[WorkerView]:
    """Every worker that ever registered."""
    with known.indexer.reading() as index:
        return [worker_view(index, known.reports, address) for address in index.workers]


@router.get("/workers/{address}")
def get_worker(known: KnownFederation, address: WorkerAddress) -> WorkerView:
    """One worker: balance, exclusion, rounds."""
    with known.indexer.reading() as index:
        _check_worker(index, address)
        return worker_view(index, known.reports, address)


@router.post("/workers/{address}/report")
def post_report(known: KnownFederation, address: WorkerAddress, signed: SignedReport) -> WorkerView:
    """Keep a worker's own figures on a round; a later one replaces it, an earlier one does not."""
    report = signed.report
    expected = (known.record.chain_id, known.record.contract)
    if (report.chain_id, report.contract) != expected:
        raise HTTPException(
            422,
            f"the report is about chain {report.chain_id}, contract {report.contract}; expected "
            f"chain {expected[0]}, contract {expected[1]}, see GET /federation",
        )
    signer = signer_of(signed)
    if signer != address:
        raise HTTPException(
            403,
            f"the report must be signed by {address}, found {signer or 'a malformed signature'}; "
            "sign the JSON text of the report, keys sorted and no spaces (EIP-191)",
        )
    with known.indexer.reading() as index:
        _check_worker(index, address)
        found = _find_round(index, report.round)
        if address not in found.parts:
            raise HTTPException(409, f"{address} is not on the roster of round {report.round}")
    if not known.reports.keep(address, signed):
        raise HTTPException(
            409, f"{address} has replaced its report on round {report.round} too often; it stays"
        )
    with known.indexer.reading() as index:
        return worker_view(index, known.reports, address)


@router.get(
    "/events",
    response_class=EventSourceResponse,
    responses={
        200: {
            "description": "Server-sent events, until the reader leaves.",
            "content": {"text/event-stream": {"itemSchema": EVENT}},
        }
    },
)
async def get_events(
    known: KnownFederation,
    orchestrator: Annotated[Orchestrator, Depends(_orchestrator)],
    last_event_id: Annotated[
        str | None, Header(description="Go on after this event; without it from the first on.")
    ] = None,
) -> EventSourceResponse:
    """Every contract event since the deployment, then each new one as it is final."""
    after = event_place(last_event_id)
    poll_s = orchestrator.settings.poll_s
    closing = anyio.Event()
    return EventSourceResponse(
        event_stream(known.indexer, after, poll_s, closing),
        sep="\n",
        shutdown_event=closing,
        shutdown_grace_period=CLOSING_S,
    )


@router.get("/metrics", response_class=Response)
def get_metrics(orchestrator: Annotated[Orchestrator, Depends(_orchestrator)]) -> Response:
    """Metrics for Prometheus."""
    return Response(generate_latest(registry(orchestrator)), media_type=CONTENT_TYPE_LATEST)


def _find_round(index: Index, number: int) -> Round:
    found = index.rounds.get(number)
    if found is None:
        raise HTTPException(
            404, f"round {number} was not opened; the last one is {index.round}, see GET /rounds"
        )
    return found


def _check_worker(index: Index, address: str) -> None:
    if address not in index.workers:
        raise HTTPException(404, f"{address} never registered; see GET /workers")


def _check_token(
    expected: SecretStr | None, credentials: HTTPAuthorizationCredentials | None
) -> None:
    if credentials is None:
        raise HTTPException(
            401,
            "expected the header `Authorization: Bearer <token>`; whoever runs the orchestrator "
            "has the token",
            {"WWW-Authenticate": "Bearer"},
        )
    if expected is None:
        raise HTTPException(403, "this orchestrator has no token; set FEDSERUM_TOKEN_FILE to one")
    given = credentials.credentials.encode()
    if not hmac.compare_digest(given, expected.get_secret_value().encode()):
        raise HTTPException(
            403,
            "this is not the orchestrator's token; whoever runs it has that",
            {"WWW-Authenticate": 'Bearer error="invalid_token"'},
        )


def _prefers_octets(accept: str) -> bool:
    """Whether the Accept header ranks octets above JSON."""
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        media_type, *parameters = (item.strip() for item in part.split(";"))
        weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            weights[media_type] = float(weight)
        except ValueError:
            weights[media_type] = 0.0
    anything = weights.get("application/*", weights.get("*/*", 0.0))
    return weights.get(OCTETS, anything) > weights.get("application/json", anything)
