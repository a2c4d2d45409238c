"""A node that answers anything: every question to it ends with ``ChainError``, and in time."""

import inspect
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from conftest import Deployed
from eth_account import Account
from nodes import Node, answer, lying

from services import envelopes, keeper
from services.chain import Chain, Federation, verify_contract
from services.errors import ChainError, ChainUnreachableError
from services.kernels import put_kernels

ACCOUNT = Account.from_key("0x" + "01" * 32)
TRANSFER = {
    "to": ACCOUNT.address,
    "value": 1,
    "gas": 21_000,
    "gasPrice": 10**10,
    "nonce": 99,
    "chainId": 31337,
}
HASH = "0x" + "11" * 32
ASK_NOTHING = ("at", "choose_node", "of", "pending")  # methods of a client

RESULTS = [
    *(None, True, 5, -1, 1.5, 2**70, 2**300, float("nan"), "", "text", "0x", "0x1", "0x7a69"),
    *("0xzz", "0x" + "ff" * 31, "0x" + "ff" * 32, "0x" + "ff" * 33, "0x" + "00" * 4096),
    *([], {}, [None], [[]], ["0x"], [{}], [{"topics": []}], {"hash": None}, {"number": "0x1"}),
    *([{"topics": ["0x12"], "data": 5}], {"hash": "0x12", "timestamp": [], "mixHash": {}}),
    {"blockHash": HASH, "contractAddress": 5, "status": "0x1", "logs": None, "gasUsed": "0xff"},
]
ERRORS = [
    *(None, "no", [], {}, {"code": "x"}, {"code": 3, "message": None}, {"message": "reverted"}),
    {"code": 3, "message": "execution reverted", "data": "0xzz"},
    {"code": 3, "message": "execution reverted", "data": {"data": [1]}},
    {"code": 3, "message": "execution reverted", "data": "0x08c379a0" + "ff" * 64},
    {"code": 3, "message": "execution reverted: \ud800", "data": 7},
    {"code": -32000, "message": "transaction not found"},
    {"code": 10**30, "message": "", "data": "Reverted 0x1"},
]
BODIES = [
    *(b"", b"null", b"7", b'"no"', b"[]", b"[{}]", b"{}", b"{", b'{"jsonrpc": "2.0", "id": 0, "re'),
    *(b"<html><body>502 Bad Gateway</body></html>", b"\xff\xfe\x00", bytes(64), b"[" * 100_000),
    b'{"jsonrpc": "2.0", "id": 987654321, "result": "0x1"}',
    b'{"jsonrpc": "2.0", "id": {}, "result": "0x1"}',
    b'{"jsonrpc": 2, "id": 0, "result": "0x1"}',
    b'{"jsonrpc": "2.0", "id": 0, "result": "0x1", "error": {"code": 1, "message": "x"}}',
    b'{"jsonrpc": "2.0", "id": 0, "result": ' + b"9" * 5_000 + b"}",
]


def questions(url: str, contract: str, account: Any) -> dict[str, Callable[[], Any]]:
    """Every public method of `Chain` and `Federation`, and what is made of several of them."""
    chain = Chain(url, timeout_s=5, transaction_timeout_s=0.3, poll_s=0.02)
    federation = Federation(chain, contract)
    federation.account = account  # which asks for the chain id, where this is given at once
    known: dict[str, Any] = {
        "account": account,
        "address": contract,
        "arguments": (),
        "before_send": None,
        "block_number": 1,
        "chunk": 0,
        "commitment": bytes(32),
        "creation_code": b"\0",
        "data": b"",
        "deposit_wei": 1,
        "first": 0,
        "from_block": 0,
        "label_count": [0] * 10,
        "labels": [b""],
        "last": 5_000,
        "names": ["Revealed"],
        "number": 1,
        "proof": [],
        "proofs": [[]],
        "raw": bytes(account.sign_transaction(TRANSFER).raw_transaction),
        "round_number": 1,
        "salt": bytes(32),
        "signer": contract,
        "spare_gas": 0,
        "to": contract,
        "at_block": 1,
        "contract": contract,
        "to_block": None,
        "topics": [],
        "transaction_hash": HASH,
        "value_wei": 1,
        "worker": contract,
    }
    found: dict[str, Callable[[], Any]] = {}
    for target in (chain, federation):
        for name, method in inspect.getmembers(target, inspect.ismethod):
            if not name.startswith("_") and name not in ASK_NOTHING:
                options = {each: known[each] for each in inspect.signature(method).parameters}
                if name in ("reveal", "hash_commitment"):
                    options["labels"] = b""
                call = f"{type(target).__name__}.{name}"
                found[call] = lambda method=method, options=options: method(**options)
    return found | {
        "verify_contract": lambda: verify_contract(chain, contract),
        "put_kernels": lambda: put_kernels(chain, account),
        "keeper.due": lambda: keeper.due(federation),
        "read_envelopes": lambda: envelopes.read_envelopes(federation, contract, contract),
        "envelopes.deliver": lambda: envelopes.deliver(federation, contract, account, bytes(32)),
    }


def ask(found: dict[str, Callable[[], Any]], what: object, must_fail: bool = False) -> None:
    """Ask everything; whatever is no answer must be a `ChainError`, and be there in time."""
    for name, question in found.items():
        begin = time.monotonic()
        try:
            question()
        except ChainError:
            pass
        except Exception as error:
            raise AssertionError(f"{name} of {what!r:.80} raises {error!r:.200}") from error
        else:
            assert not must_fail, f"{name} takes {what!r:.80} for an answer"
        assert time.monotonic() - begin < 10, (name, what)


def test_a_node_that_always_says_the_same_is_an_error() -> None:
    """Bodies that are no answer fail every question; results and errors may fit one by chance."""
    said: list[bytes | dict[str, Any]] = [b""]

    def say(request: dict[str, Any]) -> bytes:
        return said[0] if isinstance(said[0], bytes) else answer(request, **said[0])

    with lying(say) as url:
        found = questions(url, ACCOUNT.address, ACCOUNT)
        for body in BODIES:
            said[0] = body
            ask(found, body, must_fail=True)
        for error in ERRORS:
            said[0] = {"error": error}
            ask(found, error, must_fail=True)
        for result in RESULTS:
            said[0] = {"result": result}
            ask(found, result)


def test_a_node_that_lies_in_one_method_is_an_error(
    node: Node, federation: Callable[..., Deployed]
) -> None:
    """Everything else is true: a real federation, in Commit, of which one thing is nonsense."""
    deployed = federation()
    deployed.register_all()
    account = deployed.workers[0].account
    lie: list[Any] = ["", None]
    asked: set[str] = set()

    def say(request: dict[str, Any]) -> bytes | None:
        asked.add(request["method"])
        return answer(request, **lie[1]) if request["method"] == lie[0] else None

    with lying(say, node.url) as url:
        every = questions(url, deployed.deployer.address, account)
        few = (
            *("Chain.header", "Chain.logs", "Chain.receipt", "Chain.call", "Chain.balance_wei"),
            *("Federation.task", "Federation.phase", "Federation.roster", "Federation.fund"),
            *("Federation.round_events", "keeper.due", "read_envelopes"),
        )
        found = {name: every[name] for name in few}
        transaction = deployed.deployer.fund(1).transaction_hash
        chain = Chain(url)
        found |= {
            "receipt": lambda: chain.receipt(transaction),
            "public_key": lambda: chain.public_key(ACCOUNT.address, transaction),
        }
        ask(found, "the truth")
        for method in sorted(asked - {"eth_sendRawTransaction"}):
            for result in RESULTS[::3]:
                lie[:] = method, {"result": result}
                ask(found, (method, result))


@pytest.mark.parametrize("slow", ["silent", "head", "body"])
def test_a_node_that_speaks_slowly_is_out_of_reach(slow: str) -> None:
    """However steadily it speaks: an answer has to be whole in time."""
    stop = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            start = {"silent": b"", "head": b"HTTP/1.1 200 OK\r\nX-Slow: "}.get(
                slow, b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"
            )
            self.wfile.write(start)
            while slow != "silent" and not stop.wait(0.05):
                try:
                    self.wfile.write(b"a")
                except OSError:
                    return
            stop.wait(60)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    begin = time.monotonic()
    try:
        with pytest.raises(ChainUnreachableError):
            Chain(f"http://127.0.0.1:{server.server_port}", timeout_s=0.4).chain_id()
        assert time.monotonic() - begin < 15
    finally:
        stop.set()
        server.shutdown()
        server.server_close()


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not kept in memory to the end."""
    monkeypatch.setattr("services.bounded_http.MOST_BYTES", 100_000)
    with (
        lying(lambda request: answer(request, result="0x" + "00" * 10**6)) as url,
        pytest.raises(ChainError, match="too large"),
    ):
        Chain(url).code_hash(ACCOUNT.address)
