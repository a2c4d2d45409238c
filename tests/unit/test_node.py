"""What the chain client makes of keys and of nodes that misbehave, without a chain."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_utils.crypto import keccak

from services.chain import Chain, Federation, load_account
from services.errors import (
    ChainError,
    ChainUnreachableError,
    ContractRevertError,
    SettingsError,
)

WORKER = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"


# --- keys


@pytest.mark.parametrize("prefix", ["", "0x"])
def test_a_key_file_holds_64_hex_digits(tmp_path: Path, prefix: str) -> None:
    """With or without 0x, and a line break at the end."""
    file = tmp_path / "key"
    file.write_text(prefix + "00" * 31 + "01\n")
    assert load_account(file).address == WORKER


@pytest.mark.parametrize("content", ["", "abc", "zz" * 32, "00" * 32, "11" * 31, "11" * 33])
def test_a_malformed_key_file_is_an_error_that_keeps_the_key(tmp_path: Path, content: str) -> None:
    """The message names the file and never what is in it."""
    file = tmp_path / "key"
    file.write_text(content)
    with pytest.raises(SettingsError, match="expected 64 hex digits") as caught:
        load_account(file)
    assert str(file) in str(caught.value)
    assert not content or content not in str(caught.value)


def test_a_missing_key_file_is_an_error(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(SettingsError, match="no-key"):
        load_account(tmp_path / "no-key")


# --- a node that misbehaves


@contextmanager
def server(answers: list[bytes | None], status: int = 200) -> Iterator[tuple[str, list[bytes]]]:
    """An HTTP server that gives these answers, then repeats the last; None hangs up instead.

    Where an answer has the id 0, it gets that of the request.
    """
    requests: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            requests.append(self.rfile.read(int(self.headers["Content-Length"])))
            body = answers[min(len(requests), len(answers)) - 1]
            if body is None:
                self.close_connection = True
                return
            asked = json.dumps(json.loads(requests[-1])["id"]).encode()
            body = body.replace(b'"id": 0', b'"id": ' + asked)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.server_port}", requests
    finally:
        listener.shutdown()
        listener.server_close()


CHAIN_ID = b'{"jsonrpc": "2.0", "id": 0, "result": "0x7a69"}'


def test_a_broken_connection_is_tried_again() -> None:
    """Two lost answers do not reach the caller."""
    with server([None, None, CHAIN_ID]) as (url, requests):
        assert Chain(url).chain_id() == 31337
    assert len(requests) == 3


def test_a_node_in_trouble_is_tried_a_few_times() -> None:
    """A server error is retried, but not for ever, and then named."""
    with (
        server([b"busy"], status=503) as (url, requests),
        pytest.raises(ChainUnreachableError, match="HTTP 503"),
    ):
        Chain(url).chain_id()
    assert 2 <= len(requests) <= 10


def test_a_refused_request_is_not_tried_again() -> None:
    """What the server forbids stays forbidden; the error says so and shows no access key."""
    with server([b"no"], status=401) as (url, requests):
        with_key = f"{url.replace('//', '//user:secret@')}/v3/secret?key=secret"
        with pytest.raises(ChainUnreachableError, match="HTTP 401") as caught:
            Chain(with_key).chain_id()
    assert url in str(caught.value)
    assert "secret" not in str(caught.value)
    assert len(requests) == 1


@pytest.mark.parametrize("url", ["127.0.0.1:8545", "http://", "no url"])
def test_a_malformed_url_is_an_error(url: str) -> None:
    """It is named as it was given."""
    with pytest.raises(ChainUnreachableError, match=url):
        Chain(url).chain_id()


@pytest.mark.parametrize("answer", [b"<html>hello</html>", b"{}", b"[]", b'"no"'])
def test_what_is_no_node_is_named(answer: bytes) -> None:
    """A web server at the address is told apart from a node, without retries."""
    with (
        server([answer]) as (url, requests),
        pytest.raises(ChainUnreachableError, match="no chain node"),
    ):
        Chain(url).chain_id()
    assert len(requests) == 1


def test_an_answer_to_another_request_is_none() -> None:
    """What a proxy mixes up is noticed, not believed."""
    with (
        server([b'{"jsonrpc": "2.0", "id": 77, "result": "0x1"}']) as (url, _),
        pytest.raises(ChainUnreachableError, match="another one"),
    ):
        Chain(url).chain_id()


def test_a_refusal_by_the_node_is_no_transport_error() -> None:
    """What the node says comes through, and it is asked once."""
    refusal = b'{"jsonrpc": "2.0", "id": 0, "error": {"code": -32005, "message": "too much"}}'
    with server([refusal]) as (url, requests), pytest.raises(ChainError, match="too much"):
        Chain(url).chain_id()
    assert len(requests) == 1


@pytest.mark.parametrize(
    "wrapped", ["{data}", "Reverted {data}", {"message": "", "data": "{data}"}]
)
def test_a_refusal_by_the_contract_is_named_however_nodes_wrap_it(wrapped: Any) -> None:
    """Revert data come alone, after a word, or in an object, as each kind of node has it."""
    data = "0x" + keccak(text="EmptyCommitment()")[:4].hex()
    text = json.dumps({"code": 3, "message": "reverted", "data": wrapped}).replace("{data}", data)
    answer = f'{{"jsonrpc": "2.0", "id": 0, "error": {text}}}'.encode()
    with server([answer]) as (url, _), pytest.raises(ContractRevertError) as caught:
        Federation(Chain(url), WORKER).phase()
    assert caught.value.name == "EmptyCommitment"


def test_no_key_of_the_development_mnemonic_is_used_on_a_real_chain() -> None:
    """All of the first twenty accounts are refused; a fresh one is not."""
    Account.enable_unaudited_hdwallet_features()
    mnemonic = "test test test test test test test test test test test junk"
    with server([b'{"jsonrpc": "2.0", "id": 0, "result": "0x1"}']) as (url, _):
        chain = Chain(url)
        for index in (0, 9, 19):
            known = Account.from_mnemonic(mnemonic, account_path=f"m/44'/60'/0'/0/{index}")
            with pytest.raises(SettingsError, match=known.address):
                chain.refuse_known_key(known)
        chain.refuse_known_key(Account.create())
