"""Requests that are too large, slow or many, or no requests, to an orchestrator that runs."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
from nodes import Node
from orchestrators import TOKEN, Prepare, Process, is_problem, signed

TIMEOUT_S = 1.0
CONNECTIONS = 6
REPORT = {
    "round": 1,
    "chain_id": 31337,
    "top1_accuracy_before": 0.5,
    "top1_accuracy_after": 0.75,
    "private_samples": 1000,
    "model": "LeNet-5",
}


@pytest.fixture
def process(prepare: Prepare) -> Process:
    """An orchestrator that has little patience."""
    process = prepare()
    process.start_ready(
        FEDSERUM_REQUEST_TIMEOUT_S=str(TIMEOUT_S),
        FEDSERUM_MAX_CLIENT_CONNECTIONS=str(CONNECTIONS),
    )
    return process


@contextmanager
def connected(process: Process) -> Iterator[socket.socket]:
    """A bare connection."""
    with socket.create_connection(("127.0.0.1", process.port), timeout=20) as connection:
        yield connection


def read(connection: socket.socket) -> httpx.Response:
    """What the server said before it hung up."""
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return httpx.Response(int(status.split()[1]), headers=headers, content=body)


def trickle(connection: socket.socket, data: bytes) -> float:
    """Send a byte now and then until the server has had enough; the seconds that took."""
    begin = time.monotonic()
    connection.settimeout(0.1)
    for byte in data:
        connection.send(bytes([byte]))
        try:
            if connection.recv(1, socket.MSG_PEEK):
                break
        except TimeoutError:
            continue
    connection.settimeout(20)
    return time.monotonic() - begin


def is_alive(process: Process) -> None:
    """It answers others, and nothing unexpected is in its log so far."""
    assert process.get("/ready").status_code == 200


def ends_without_a_traceback(process: Process) -> None:
    """It stops as it should, and nothing surprised it."""
    assert process.running is not None
    process.running.terminate()
    _, said = process.running.communicate(timeout=20)
    assert process.running.returncode == 0, said
    assert "Traceback" not in said
    assert '"exception"' not in said


def test_who_sends_slowly_is_cut_off(process: Process) -> None:
    """A head or a body that does not arrive in time gets 408, however steadily it trickles."""
    report = f"POST /workers/0x{'11' * 20}/report HTTP/1.1\r\nHost: x\r\n".encode()
    report += b"Content-Type: application/json\r\nContent-Length: 9999\r\n\r\n"
    with connected(process) as silent, connected(process) as head:
        assert trickle(head, b"GET /health HTTP/1.1\r\nX-Slow: " + b"a" * 99) < TIMEOUT_S + 2
        is_problem(read(head), 408)
        is_problem(read(silent), 408)
    is_alive(process)
    with connected(process) as body:
        body.sendall(report)
        assert trickle(body, b" " * 99) < TIMEOUT_S + 2
        assert "body did not arrive" in is_problem(read(body), 408)
    with connected(process) as second:  # the first of a connection does not vouch for the next
        second.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        while b'"ok"' not in second.recv(4096):
            pass
        assert trickle(second, b"GET /health HTTP/1.1\r\nX-Slow: " + b"a" * 99) < TIMEOUT_S + 2
        is_problem(read(second), 408)
    ends_without_a_traceback(process)


def test_what_is_no_request_is_refused(process: Process) -> None:
    """With a problem document, and others are answered as before."""
    head = b"GET /health HTTP/1.1\r\nHost: x\r\n"
    post = head.replace(b"GET /health", b"POST /rounds/advance")
    for status, sent in (
        (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200)),  # TLS
        (400, b"GET /health\r\n\r\n"),
        (400, head + b"no header\r\n\r\n"),
        (400, post + b"Content-Length: -1\r\n\r\n"),
        (400, post + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
        (431, head + b"X-A: b\r\n" * 4_000 + b"Connection: close\r\n\r\n"),
        (431, head.replace(b"health", b"a" * 40_000) + b"Connection: close\r\n\r\n"),
        (400, head + b"X-A: " + b"a" * 20_000),
    ):
        with connected(process) as connection:
            connection.sendall(sent)
            is_problem(read(connection), status)
        is_alive(process)
    ends_without_a_traceback(process)


def test_one_address_cannot_take_all_connections(process: Process) -> None:
    """Event streams count; whoever has enough of them gets 503 until one is closed."""
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            stack.enter_context(connected(process)).sendall(
                b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n"
            )
        with connected(process) as another:
            answer = read(another)
        assert "connections" in is_problem(answer, 503)
        assert answer.headers["retry-after"] == "1"
    process.wait_for("/ready", lambda answer: answer.status_code == 200)
    ends_without_a_traceback(process)


def test_who_asks_too_often_waits(prepare: Prepare) -> None:
    """Beyond a minute's requests it is 429 with the seconds to wait, which are enough."""
    process = prepare()
    process.start_ready(FEDSERUM_REQUESTS_PER_MINUTE="60")
    answers = [process.get("/federation") for _ in range(62)]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert 0 < len(refused) < 62
    assert "60 requests a minute" in is_problem(refused[-1], 429)
    assert process.get("/health").status_code == 200
    time.sleep(int(refused[-1].headers["retry-after"]))
    assert process.get("/federation").status_code == 200
    ends_without_a_traceback(process)


def test_a_report_that_is_not_the_workers_own_word_is_refused(node: Node, prepare: Prepare) -> None:
    """Signed by another, for another federation, altered, replayed, not JSON: nothing changes."""
    process = prepare()
    process.start_ready()
    deployed = process.deployed(node)
    deployed.register_all()
    process.wait_for_round(1, "commit")
    member, other = process.members[:2]
    mine = REPORT | {"contract": deployed.deployer.address}
    path = f"/workers/{member.address}/report"

    def post(content: bytes) -> httpx.Response:
        kind = {"Content-Type": "application/json"}
        return httpx.post(process.url + path, content=content, headers=kind)

    def shown() -> Any:
        return process.get("/rounds/1").json()["workers"][0]["private_samples"]

    wrong = {
        403: [signed(other, mine), signed(member, mine) | {"report": mine | {"model": "x"}}],
        422: [
            signed(member, mine | {"contract": other.address}),
            signed(member, mine | {"chain_id": 10**4000}),
            {"report": mine, "signature": "0x12"},
            {"report": mine, "signature": "0x" + "ff" * 65, "\ud800": 1},
            {"report": {"\ud800": "\udfff"}, "signature": "0x" + "ff" * 65},
            {"report": mine | {"model": "\ud800"}, "signature": "0x" + "ff" * 65},
            [],
        ],
    }
    for status, bodies in wrong.items():
        for body in bodies:
            is_problem(post(json.dumps(body).encode()), status)
    for content in (b"", b"{", b"\xff\xfe", b"[" * 16_000, b'{"report": ' + b"9" * 9_000, b"NaN"):
        is_problem(post(content), post(content).status_code)
        assert post(content).status_code in (400, 422)
    is_problem(post(b" " * 20_000), 413)
    assert shown() is None
    first, second = (signed(member, mine | {"private_samples": n}) for n in (1, 2))
    for report, n_samples in ((first, 1), (second, 2), (first, 2)):
        assert post(json.dumps(report).encode()).status_code == 200
        assert shown() == n_samples  # the earlier one, replayed, changes nothing
    process.stop()
    process.start_ready()
    post(json.dumps(first).encode())
    assert shown() == 2
    statuses = [
        post(json.dumps(signed(member, mine | {"private_samples": n})).encode()).status_code
        for n in range(3, 30)
    ]
    assert statuses.count(200) == 15
    assert set(statuses) == {200, 409}
    assert TOKEN not in process.record.with_name("reports.json").read_text()
    ends_without_a_traceback(process)
