"""What a worker tells about itself: its own figures, signed, to the orchestrator.

A courtesy to those who watch; no score depends on it, and a worker plays on without it.
"""

from typing import TYPE_CHECKING

import httpx
import structlog
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount

from services.transport import shown_url
from services.wire import report_message

if TYPE_CHECKING:
    from worker.study import Study

log = structlog.get_logger()

ATTEMPTS = 3


class Reporter:
    """Reports every learnt round once."""

    def __init__(
        self, orchestrator_url: str | None, account: LocalAccount, chain_id: int, contract: str
    ) -> None:
        self._url = orchestrator_url
        self._account = account
        self._chain_id = chain_id
        self._contract = contract
        self._n_reported = 0
        self._n_tried = 0

    def report(self, study: "Study") -> None:
        """Send what has not been sent; a failure is logged, and tried again at the next round."""
        if self._url is None or self._n_tried == study.n_learnt:
            return
        self._n_tried = study.n_learnt
        while self._n_reported < study.n_learnt:
            round_number = self._n_reported + 1
            figures = {
                "round": round_number,
                "contract": self._contract,
                "chain_id": self._chain_id,
                "top1_accuracy_before": study.accuracies[round_number - 1],
                "top1_accuracy_after": study.accuracies[round_number],
                "private_samples": study.n_private,
                "model": study.model_name,
            }
            if not self._send(figures):
                return
            self._n_reported = round_number
            log.info("round_reported", round=round_number)

    def _send(self, figures: dict[str, object]) -> bool:
        message = encode_defunct(text=report_message(figures))
        signature = "0x" + self._account.sign_message(message).signature.hex()
        url = f"{self._url}/workers/{self._account.address}/report"
        problem = ""
        for _ in range(ATTEMPTS):
            try:
                answer = httpx.post(
                    url, json={"report": figures, "signature": signature}, timeout=10
                )
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                problem = str(error)
                continue
            if answer.is_success:
                return True
            problem = f"{answer.status_code}: {answer.text[:200]}"
        log.warning("report_failed", url=shown_url(url), why=problem)
        return False
