"""A faulty network between one client and its node: an HTTP proxy that loses, delays and repeats.

What happens to a request follows from its method and from how many of that method there were, so a
seed gives the same faults however the processes are scheduled.
"""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

import httpx
from nodes import served

LOSE_REQUEST = "request lost"  # the node never gets it, the client no answer
LOSE_ANSWER = "answer lost"  # the node does as told, the client never knows
DELAY = "request delayed"  # until the client has given up; then the node gets it
DOUBLE = "request doubled"  # the node gets it twice, the client its second answer
OLD = "old answer"  # what the node answered the last time that it was asked the same
FAULTS = (LOSE_ANSWER, DOUBLE, DELAY, LOSE_REQUEST, OLD)

Plan = Callable[[str, int], str | None]  # method, its how-manieth request from 1 -> the fault


def in_turn(faults: Sequence[str | None]) -> Plan:
    """One fault after the other for each method, over and over; None: this one goes well."""
    return lambda _, count: next(islice(cycle(faults), count - 1, None))


def at_random(seed: int, share: float, faults: Sequence[str] = FAULTS) -> Plan:
    """A share of all requests goes wrong, each in one of these ways."""

    def plan(method: str, count: int) -> str | None:
        chance = random.Random(f"{seed} {method} {count}")
        return chance.choice(faults) if chance.random() < share else None

    return plan


@dataclass
class Proxy:
    """A proxy in front of a node.

    Attributes:
        url: where it listens.
        plan: which requests go wrong, and how.
        delay_s: how long `DELAY` holds a request, in seconds.
        is_cut: while it is true no request gets through.
        done: what went wrong so far: (method, fault) -> how often.
        asked: requests so far, by method.
    """

    url: str
    plan: Plan
    delay_s: float
    is_cut: bool = False
    done: Counter[tuple[str, str]] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    _answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, content: bytes, forward: Callable[[bytes], bytes]) -> bytes | None:
        """What the client gets for a request; None: its connection breaks."""
        request = json.loads(content)
        method = request["method"]
        same = json.dumps([method, request["params"]])
        with self._lock:
            if self.is_cut:
                return None
            self.asked[method] += 1
            fault = self.plan(method, self.asked[method])
            if fault == OLD and same not in self._answers:
                fault = None
            if fault is not None:
                self.done[method, fault] += 1
        if fault == LOSE_REQUEST:
            return None
        if fault == OLD:
            return json.dumps(self._answers[same] | {"id": request["id"]}).encode()
        if fault == DELAY:
            time.sleep(self.delay_s)
        body = forward(content)
        if fault == DOUBLE:
            body = forward(content)
        self._answers[same] = json.loads(body)
        return None if fault == LOSE_ANSWER else body


@contextmanager
def proxied(node_url: str, plan: Plan, delay_s: float = 1.5) -> Iterator[Proxy]:
    """Put a proxy in front of a node."""
    client = httpx.Client(timeout=30, headers={"Content-Type": "application/json"})

    def forward(content: bytes) -> bytes:
        return client.post(node_url, content=content).content

    with client, served(lambda content: proxy.answer(content, forward)) as url:
        proxy = Proxy(url, plan, delay_s)
        yield proxy
