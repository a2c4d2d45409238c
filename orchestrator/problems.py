"""Every error that leaves the API, as an RFC 9457 problem document."""

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

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

log = structlog.get_logger()


def install(app: FastAPI) -> None:
    """Make ``app`` answer every error as a problem document."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(FedserumError, _own)
    app.add_exception_handler(Exception, _unexpected)


def answer(
    path: str,
    status: int,
    detail: str,
    errors: Any = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """A problem document about a request for that path."""
    problem = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=path,
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
    return answer(request.url.path, error.status_code, detail, headers=headers)


async def _validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  (starlette dispatches by type)
    errors = [
        {"loc": list(found["loc"]), "msg": found["msg"], "type": found["type"]}
        for found in jsonable_encoder(error.errors())
    ]
    places = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in errors)
    return answer(request.url.path, 422, f"{places}; see /docs for what is expected", errors)


async def _own(request: Request, error: Exception) -> JSONResponse:
    status = 503 if isinstance(error, ChainError) else 500
    log.warning("request_failed", path=request.url.path, cause=str(error))
    return answer(request.url.path, status, str(error))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    return answer(
        request.url.path,
        500,
        "an unexpected error, the orchestrator's log has it; please report it",
    )
