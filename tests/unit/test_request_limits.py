"""How much one client may ask of the API, request by request."""

import asyncio
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse

from orchestrator import limits
from orchestrator.limits import RateLimit


def statuses(limit: RateLimit, n: int, host: str = "10.0.0.1", path: str = "/rounds") -> list[int]:
    """What so many requests of one address get."""
    transport = httpx.ASGITransport(limit, client=(host, 1))

    async def ask() -> list[int]:
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return [(await client.get(path)).status_code for _ in range(n)]

    return asyncio.run(ask())


def limited(per_minute: int, clock: Any) -> RateLimit:
    """An application that answers 200, within a limit."""
    return RateLimit(PlainTextResponse("ok"), per_minute, clock)


def test_a_minutes_requests_may_come_at_once() -> None:
    """Then one at a time, as they are earned; other addresses and /health are not concerned."""
    now = [100.0]
    limit = limited(60, lambda: now[0])
    assert statuses(limit, 61) == [200] * 60 + [429]
    assert statuses(limit, 1, host="10.0.0.2") == [200]
    assert statuses(limit, 5, path="/health") == [200] * 5
    now[0] += 2
    assert statuses(limit, 4) == [200, 200, 429, 429]
    now[0] += 3_600
    assert statuses(limit, 61) == [200] * 60 + [429]


def test_no_limit_is_none() -> None:
    """0 lets any number through."""
    assert statuses(limited(0, lambda: 0.0), 100) == [200] * 100


def test_clients_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks from ever new addresses fills no memory once a minute has passed."""
    monkeypatch.setattr(limits, "PRUNE_AT", 10)
    now = [0.0]
    limit = limited(60, lambda: now[0])
    for index in range(40):
        now[0] += 5
        statuses(limit, 1, host=f"10.0.1.{index}")
    assert len(limit._free_at) <= 10
