"""How much one client may ask, and how fast it has to: before anything else looks at a request.

Each limit is a setting (``OrchestratorSettings``); what is beyond it gets a problem document. What
HTTP itself does not let through is in ``connections.py``.
"""

import asyncio
import math
import time
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.problems import answer

MOST_HEAD_BYTES = 16_384  # of a request: its line and its headers
PRUNE_AT = 10_000  # clients that are remembered before those who are owed nothing are forgotten
ALWAYS = ("/health",)  # whoever restarts what looks dead must not be kept waiting


class SizeLimit:
    """Refuses heads that are too large (431), and bodies that are too large (413) or slow (408).

    Args:
        app: what is behind it.
        most_bytes: of a body.
        timeout_s: seconds until a body has to be there.
    """

    def __init__(self, app: ASGIApp, most_bytes: int, timeout_s: float) -> None:
        self._app = app
        self._most_bytes, self._timeout_s = most_bytes, timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, counting what comes in."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        head_bytes = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
        if head_bytes + len(scope["raw_path"]) + len(scope["query_string"]) > MOST_HEAD_BYTES:
            large = f"address and headers are larger than {MOST_HEAD_BYTES} bytes; send fewer"
            await answer(scope["path"], 431, large)(scope, receive, send)
            return
        n_bytes, is_whole, has_answered = 0, False, False
        until = time.monotonic() + self._timeout_s

        def refuse(status: int, detail: str) -> Message:
            if has_answered:  # too late to say why
                return {"type": "http.disconnect"}
            raise HTTPException(status, detail)

        async def receive_limited() -> Message:
            nonlocal n_bytes, is_whole
            if is_whole:  # what is awaited now is the client's leaving
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), max(0.0, until - time.monotonic()))
            except TimeoutError:
                late = f"the body did not arrive within {self._timeout_s:g} s; send it at once"
                return refuse(408, late)
            is_whole = not message.get("more_body", False)
            n_bytes += len(message.get("body", b""))
            if n_bytes > self._most_bytes:
                large = f"the body is larger than {self._most_bytes} bytes; a report fits in them"
                return refuse(413, large)
            return message

        async def send_noted(message: Message) -> None:
            nonlocal has_answered
            has_answered = True
            await send(message)

        await self._app(scope, receive_limited, send_noted)


class RateLimit:
    """Refuses requests of a client that has sent too many: 429, with when to come again.

    A client may send a minute's requests at once, and then as many as trickle in.

    Args:
        app: what is behind it.
        per_minute: requests of one address; 0: any number.
        clock: monotonic seconds.
    """

    def __init__(
        self, app: ASGIApp, per_minute: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._per_minute, self._clock = per_minute, clock
        self._free_at: dict[str, float] = {}  # when a client has its whole minute again

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is within the limit."""
        if scope["type"] == "http" and self._per_minute and scope["path"] not in ALWAYS:
            host = scope["client"][0] if scope.get("client") else ""
            wait_s = self._take(host)
            if wait_s > 0:
                wait = str(math.ceil(wait_s))
                refusal = answer(
                    scope["path"],
                    429,
                    f"more than {self._per_minute} requests a minute from {host}; wait {wait} s, "
                    "and ask less often or read /events",
                    headers={"Retry-After": wait},
                )
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _take(self, host: str) -> float:
        """Count one request; the seconds until it would be allowed, 0 if it is now."""
        now, each_s = self._clock(), 60 / self._per_minute
        free_at = max(now, self._free_at.get(host, now)) + each_s
        if free_at > now + 60 + each_s / 2:
            return free_at - now - 60
        if len(self._free_at) >= PRUNE_AT:
            self._free_at = {who: at for who, at in self._free_at.items() if at > now}
        self._free_at[host] = free_at
        return 0.0
