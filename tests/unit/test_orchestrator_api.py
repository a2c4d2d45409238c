"""The API where no chain answers: problems, limits, its own description, its settings."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from nodes import ROOT
from pydantic import SecretStr, ValidationError

from orchestrator.app import create_app, read_token
from orchestrator.reports import Reports, signer_of
from orchestrator.routes import _prefers_octets
from orchestrator.schemas import Report, SignedReport
from services.errors import SettingsError
from services.settings import OrchestratorSettings
from services.wire import report_message

MEMBER = Account.from_key("0x" + "01" * 32)
REPORT: dict[str, Any] = {
    "round": 1,
    "contract": "0x" + "11" * 20,
    "chain_id": 31337,
    "top1_accuracy_before": 0.5,
    "top1_accuracy_after": 1,
    "private_samples": 1000,
    "model": "LeNet-5 µ",
}


def settings(folder: Path, **fields: Any) -> OrchestratorSettings:
    """Settings that lead to no chain."""
    return OrchestratorSettings(
        **{
            "rpc_url": "http://127.0.0.1:9",
            "key_file": folder / "key",
            "state_dir": folder,
            "task_file": folder / "task.json",
            **fields,
        }
    )


Ask = Callable[..., httpx.Response]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Ask the application, whose threads do not run: ``ask(method, path)``."""
    app = create_app(settings(tmp_path), MEMBER, on_failure=lambda: None)
    transport = httpx.ASGITransport(app)

    async def request(method: str, path: str, **options: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **options)

    return lambda *arguments, **options: asyncio.run(request(*arguments, **options))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("POST", "/rounds", 405),
        ("GET", "/rounds/one", 503),
        ("GET", "/workers/0x12", 503),
        ("GET", "/federation", 503),
        ("GET", "/events", 503),
        ("GET", "/ready", 503),
        ("POST", "/rounds/advance", 401),
    ],
)
def test_every_error_is_a_problem_document(ask: Ask, method: str, path: str, status: int) -> None:
    """RFC 9457: type, title, status, detail, instance, under their own media type."""
    answer = ask(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert {"type", "title", "status", "detail", "instance"} <= problem.keys()
    assert (problem["status"], problem["instance"]) == (status, path)


def test_health_and_metrics_need_no_chain(ask: Ask) -> None:
    """The process lives and is not ready, and both can be seen."""
    assert ask("GET", "/health").json() == {"status": "ok"}
    assert "fedserum_ready 0.0" in ask("GET", "/metrics").text


def test_a_body_beyond_a_report_is_refused(ask: Ask) -> None:
    """While it arrives, not after it filled the memory."""
    path = f"/workers/{MEMBER.address}/report"
    headers = {"content-type": "application/json"}
    answer = ask("POST", path, content=b" " * 20_000, headers=headers)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_description_has_every_endpoint(ask: Ask) -> None:
    """Protocol section 10, endpoint by endpoint; the API page has them too."""
    paths = ask("GET", "/openapi.json").json()["paths"]
    page = (ROOT / "docs/api.md").read_text()
    assert [path for path in paths if path not in page] == []
    assert {(method, path) for path, methods in paths.items() for method in methods} == {
        ("get", "/health"),
        ("get", "/ready"),
        ("get", "/federation"),
        ("get", "/rounds"),
        ("get", "/rounds/{round}"),
        ("get", "/rounds/{round}/labels"),
        ("get", "/workers"),
        ("get", "/workers/{address}"),
        ("post", "/workers/{address}/report"),
        ("post", "/rounds/advance"),
        ("get", "/events"),
        ("get", "/metrics"),
    }


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", False),
        ("application/json", False),
        ("application/octet-stream", True),
        ("application/octet-stream, */*;q=0.1", True),
        ("application/json, application/octet-stream;q=0.9", False),
        ("application/octet-stream;q=0, */*", False),
        ("nonsense;q=x", False),
    ],
)
def test_packed_labels_go_to_who_prefers_them(accept: str, expected: bool) -> None:
    """JSON is the default; the Accept header's weights decide."""
    assert _prefers_octets(accept) is expected


def sign(report: dict[str, Any]) -> SignedReport:
    """A report with its worker's signature."""
    signature = MEMBER.sign_message(encode_defunct(text=report_message(report))).signature
    return SignedReport.model_validate({"report": report, "signature": "0x" + signature.hex()})


def test_the_signature_covers_the_report_as_it_was_sent() -> None:
    """An accuracy written as 1 stays 1 under the signature, whatever its type becomes here."""
    signed = sign(REPORT)
    assert signed.report.top1_accuracy_after == 1.0
    assert signer_of(signed) == MEMBER.address
    other = signed.model_copy(update={"report": Report(**REPORT | {"private_samples": 1001})})
    assert signer_of(other) != MEMBER.address


@pytest.mark.parametrize("signature", ["ff" * 65, "00" * 65, "11" * 64 + "1b", "11" * 64 + "07"])
def test_a_signature_of_nobody_is_no_crash(signature: str) -> None:
    """Malformed signatures name nobody, or a stranger."""
    signed = SignedReport.model_validate({"report": REPORT, "signature": "0x" + signature})
    assert signer_of(signed) != MEMBER.address


@pytest.mark.parametrize(
    "wrong",
    [
        {"top1_accuracy_before": float("nan")},
        {"top1_accuracy_after": -0.1},
        {"private_samples": 0},
        {"private_samples": 1.5},
        {"round": "1"},
        {"model": "x" * 101},
        {"contract": "0x12"},
        {"salt": "0x00"},
    ],
)
def test_a_report_has_exactly_its_fields(wrong: dict[str, Any]) -> None:
    """Figures outside their range and further fields are refused."""
    with pytest.raises(ValidationError):
        Report.model_validate(REPORT | wrong)


def test_reports_are_kept_apart_by_federation(tmp_path: Path) -> None:
    """A folder that served another federation, or the same address on a wiped chain, mixes none."""
    Reports(tmp_path, "0xaa/0x01").keep(MEMBER.address, sign(REPORT))
    found = Reports(tmp_path, "0xaa/0x01").get(MEMBER.address, 1)
    assert found is not None
    assert found.model == REPORT["model"]
    assert Reports(tmp_path, "0xbb/0x01").get(MEMBER.address, 1) is None


@pytest.mark.parametrize("content", ["{", "[]", '{"0xaa/0x01": []}', '{"0xaa/0x01": {"x": 1}}'])
def test_malformed_reports_are_named(tmp_path: Path, content: str) -> None:
    """They are neither dropped nor overwritten."""
    path = tmp_path / "reports.json"
    path.write_text(content)
    with pytest.raises(SettingsError, match=str(path)):
        Reports(tmp_path, "0xaa/0x01")
    assert path.read_text() == content


def test_the_token_is_read_from_one_place(tmp_path: Path) -> None:
    """From the setting or the file, never empty, never both."""
    path = tmp_path / "token"
    with pytest.raises(SettingsError, match=str(path)):
        read_token(settings(tmp_path, token_file=path))
    path.write_text(" sesame\n")
    found = read_token(settings(tmp_path, token_file=path))
    assert found is not None
    assert found.get_secret_value() == "sesame"
    assert read_token(settings(tmp_path)) is None
    with pytest.raises(SettingsError, match="both"):
        read_token(settings(tmp_path, token_file=path, token=SecretStr("x")))
    path.write_text("\n")
    with pytest.raises(SettingsError, match="empty"):
        read_token(settings(tmp_path, token_file=path))
