"""Every error that leaves the API, as an RFC 9457 problem document."""

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.schemas import Problem
from services.errors import ChainError, FedserumError

MEDIA_TYPE = "application/problem+json"

# For the OpenAPI page: what every endpoint may answer besides its own.
RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem document",
        "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
    }
}

MAX_BODY_BYTES = 16_384  # the only body is a report

log = structlog.get_logger()


def install(app: FastAPI) -> None:
    """Make ``app`` answer every error as a problem document."""
    app.add_middleware(BodyLimit)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(FedserumError, _own)
    app.add_exception_handler(Exception, _unexpected)


class BodyLimit:
    """Refuses larger bodies while they arrive; the framework's own limit answers plain text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, counting what comes in."""
        n_bytes = 0

        async def receive_limited() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > MAX_BODY_BYTES:
                raise HTTPException(
                    413,
                    f"the body is larger than the {MAX_BODY_BYTES} bytes that a report may have",
                )
            return message

        await self._app(scope, receive_limited, send)


def _problem(
    request: Request,
    status: int,
    detail: str,
    errors: Any = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    problem = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.url.path,
        errors=errors,
    )
    return JSONResponse(
        problem.model_dump(exclude_none=True),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  (starlette dispatches by type)
    detail = str(error.detail)
    if detail == HTTPStatus(error.status_code).phrase:  # raised by the framework, without a cause
        detail = (
            f"{request.method} {request.url.path}: {detail.lower()}; see /docs for what there is"
        )
    headers = dict(error.headers) if error.headers else None
    return _problem(request, error.status_code, detail, headers=headers)


async def _validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  (starlette dispatches by type)
    errors = [
        {"loc": list(found["loc"]), "msg": found["msg"], "type": found["type"]}
        for found in jsonable_encoder(error.errors())
    ]
    places = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in errors)
    return _problem(request, 422, f"{places}; see /docs for what is expected", errors)


async def _own(request: Request, error: Exception) -> JSONResponse:
    status = 503 if isinstance(error, ChainError) else 500
    log.warning("request_failed", path=request.url.path, cause=str(error))
    return _problem(request, status, str(error))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    return _problem(
        request, 500, "an unexpected error, the orchestrator's log has it; please report it"
    )
