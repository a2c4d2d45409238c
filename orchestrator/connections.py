"""HTTP connections that nobody can hold for nothing: how many, from whom, and for how long.

uvicorn waits for ever for the head of a request, and answers what is no HTTP in plain text.
"""

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from orchestrator.limits import MOST_HEAD_BYTES
from orchestrator.problems import answer
from services.settings import OrchestratorSettings


class Connection(H11Protocol):
    """One connection of uvicorn's, within limits: 400, 408 and 503 as problem documents."""

    def __init__(self, *arguments: Any, limits: OrchestratorSettings, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limits = limits
        self._until_head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it, unless there are too many."""
        super().connection_made(transport)
        self._await_head()
        mine = self.client[0] if self.client else ""
        n_mine = sum(
            isinstance(each, Connection) and each.client is not None and each.client[0] == mine
            for each in self.connections
        )
        most = self._limits.max_connections
        most_mine = self._limits.max_client_connections
        if n_mine > most_mine:
            self._refuse(503, f"{mine} has {most_mine} connections open; close some of them")
        elif len(self.connections) > most:
            self._refuse(503, f"{most} connections are open, the most there may be; try again")

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._forget_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; a head that has begun has to end."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._forget_head()
        elif self._until_head is None:
            self._await_head()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse(400, f"{msg} Expected HTTP/1.1 with a head of at most {MOST_HEAD_BYTES} bytes")

    def _await_head(self) -> None:
        timeout_s = self._limits.request_timeout_s
        late = f"no request arrived within {timeout_s:g} s; send it at once"
        self._until_head = self.loop.call_later(timeout_s, partial(self._refuse, 408, late))

    def _forget_head(self) -> None:
        if self._until_head is not None:
            self._until_head.cancel()
            self._until_head = None

    def _refuse(self, status: int, detail: str) -> None:
        """Say why, and hang up. Past h11, which may be in any state by now."""
        self._forget_head()
        if self.transport.is_closing():
            return
        headers = {"Connection": "close"} | ({"Retry-After": "1"} if status == 503 else {})
        refusal = answer("", status, detail, headers=headers)
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode("ascii")]
        lines += [name + b": " + value for name, value in refusal.raw_headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(refusal.body)]))
        self.transport.close()
