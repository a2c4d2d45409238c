"""A proxy in front of the node that loses, delays and repeats what passes through it.

HTTP on both sides. It notes the hash of every transaction that was handed in, so that what never
came into a block is known.
"""

import json
import random
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import httpx
from eth_utils.crypto import keccak

UPSTREAM_S = 30.0  # the longest that the node is waited for


@dataclass(frozen=True)
class Weather:
    """How likely a request fares ill, each 0..1.

    Attributes:
        lose_request: it never reaches the node.
        lose_answer: the node acts on it, and the answer is lost.
        double: the node gets it twice, and the second answer counts.
        delay_s: seconds that the answer takes at most, drawn anew each time.
    """

    lose_request: float = 0.0
    lose_answer: float = 0.0
    double: float = 0.0
    delay_s: float = 0.0


FAIR = Weather()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """A client that was killed is none."""


@dataclass
class Proxy:
    """A context in which the proxy listens on a port of this host.

    Attributes:
        upstream: the node's URL.
        weather: what happens to requests from now on.
        sent: hashes of the transactions handed in, ``0x…``.
        spoiled: how many requests were lost, delayed or doubled.
    """

    upstream: str
    seed: int = 0
    weather: Weather = FAIR
    sent: set[str] = field(default_factory=set)
    spoiled: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        self._client = httpx.Client(timeout=UPSTREAM_S, limits=limits)
        self._server = _Server(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        """Where clients reach the node through it."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._client.close()

    def answer(self, request: bytes) -> bytes | None:
        """What the client gets for a request; None: nothing, and the connection is cut."""
        self._note(request)
        weather = self.weather
        with self._lock:
            lots = [self._random.random() for _ in range(4)]
        if lots[0] < weather.lose_request:
            self._spoil("request lost")
            return None
        body = self._forward(request)
        if lots[1] < weather.double:
            self._spoil("request doubled")
            body = self._forward(request)
        if weather.delay_s:
            self._spoil("answer delayed")
            time.sleep(lots[2] * weather.delay_s)
        if lots[3] < weather.lose_answer:
            self._spoil("answer lost")
            return None
        return body

    def _spoil(self, how: str) -> None:
        with self._lock:
            self.spoiled[how] += 1

    def _note(self, request: bytes) -> None:
        if b"eth_sendRawTransaction" not in request:
            return
        with suppress(ValueError, KeyError, IndexError, TypeError):
            raw: str = json.loads(request)["params"][0]
            with self._lock:
                self.sent.add("0x" + keccak(bytes.fromhex(raw[2:])).hex())

    def _forward(self, request: bytes) -> bytes | None:
        try:
            answer = self._client.post(
                self.upstream, content=request, headers={"Content-Type": "application/json"}
            )
        except (httpx.HTTPError, RuntimeError):  # the latter once the client is closed
            return None
        return answer.content

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                body = proxy.answer(content)
                if body is None:
                    self.close_connection = True
                    return
                with suppress(OSError):
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        return Handler
