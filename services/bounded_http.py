"""One POST whose answer is bounded in time and size, however slowly the other side speaks.

`requests` counts its timeout anew with every byte that arrives. Here a timer cuts the connection;
what is read from a connection that was cut is an error of the transport like any other.
"""

import socket
import threading
import time
from contextlib import suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

MOST_BYTES = 134_217_728  # 128 MiB; the events of 2,000 blocks full of labels are half of it

_current = threading.local()  # .cut: the `_Cut` of the request that this thread makes


class NoAnswerError(Exception):
    """There is none, or one of another status than 2xx.

    Says nothing of the URL, in which there may be a password, so it may be logged.

    Attributes:
        may_pass: whether the trouble is with the connection or the server, and so may be over next
            time.
    """

    def __init__(self, error: requests.RequestException) -> None:
        response = error.response
        status = None if response is None else response.status_code
        super().__init__(type(error).__name__ if status is None else f"HTTP {status}")
        self.may_pass = (
            status == 429 or status >= 500
            if status is not None
            else isinstance(
                error,
                requests.ConnectionError
                | requests.Timeout
                | requests.exceptions.ChunkedEncodingError,
            )
        )


class AnswerTooLargeError(Exception):
    """The answer has more than ``MOST_BYTES`` bytes."""


class _Cut:
    """Ends one exchange when its time is up."""

    def __init__(self, timeout_s: float) -> None:
        self.connection: HTTPConnection | None = None
        self._until = time.monotonic() + timeout_s
        self._is_over = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def end(self) -> None:
        """The exchange is over."""
        self._is_over.set()

    def _watch(self) -> None:
        self._is_over.wait(self._until - time.monotonic())
        while not self._is_over.wait(0.05):  # again, if there was nothing to cut yet
            if self.connection is not None and self.connection.sock is not None:
                with suppress(OSError):
                    self.connection.sock.shutdown(socket.SHUT_RDWR)


class _Connection(HTTPConnection):
    def request(self, *arguments: Any, **options: Any) -> None:
        _current.cut.connection = self
        super().request(*arguments, **options)


class _SecureConnection(HTTPSConnection):
    def request(self, *arguments: Any, **options: Any) -> None:
        _current.cut.connection = self
        super().request(*arguments, **options)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


def post(url: str, data: bytes, headers: dict[str, str], timeout_s: float) -> bytes:
    """The body of the answer to a POST.

    Args:
        url: http or https.
        data: the request's body.
        headers: of the request.
        timeout_s: seconds to connect, and again seconds for everything else.

    Raises:
        NoAnswerError: no answer, an HTTP error, or none in time.
        AnswerTooLargeError: more than ``MOST_BYTES`` bytes.
    """
    _current.cut = _Cut(timeout_s)
    try:
        with _session().post(
            url, data=data, headers=headers, timeout=timeout_s, stream=True
        ) as answer:
            answer.raise_for_status()
            parts, n_bytes = [], 0
            for part in answer.iter_content(65_536):
                parts.append(part)
                n_bytes += len(part)
                if n_bytes > MOST_BYTES:
                    raise AnswerTooLargeError(f"more than {MOST_BYTES} bytes")
            return b"".join(parts)
    except requests.RequestException as error:
        raise NoAnswerError(error) from None
    finally:
        _current.cut.end()


def _session() -> requests.Session:
    """This thread's own, so that connections are used again."""
    if not hasattr(_current, "session"):
        _current.session = requests.Session()
        for scheme in ("http://", "https://"):
            _current.session.mount(scheme, _Adapter())
    session: requests.Session = _current.session
    return session
