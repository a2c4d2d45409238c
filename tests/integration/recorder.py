"""A proxy that keeps what one process sends over HTTP."""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx


@dataclass
class Recorder:
    """Passes HTTP requests of one worker on, and keeps what it has sent.

    Attributes:
        target: where they go.
        prefix: start of every path, which is not passed on.
        is_up: whether it passes anything on; it answers 503 while not.
        url: where it listens, without the prefix.
        bodies: what each request carried: path, without the prefix, and body.
    """

    target: str
    prefix: str = ""
    is_up: bool = True
    url: str = ""
    bodies: list[bytes] = field(default_factory=list)

    def start(self) -> ThreadingHTTPServer:
        """Listen on a free port, in a thread."""
        recorder, client = self, httpx.Client(timeout=60)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._pass_on()

            do_POST = do_GET  # noqa: N815

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path = self.path.removeprefix(recorder.prefix)
                recorder.bodies.append(path.encode() + body)
                try:
                    if not recorder.is_up:
                        raise httpx.TransportError("down")
                    answer = client.request(
                        self.command,
                        recorder.target + path,
                        content=body,
                        headers={"Content-Type": "application/json"},
                    )
                    status, content = answer.status_code, answer.content
                except httpx.TransportError:
                    status, content = 503, b"{}"
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server
