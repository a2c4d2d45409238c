"""What workers say about themselves, kept in the state folder; the chain knows nothing of it.

Shown beside what the chain says, never part of a score. One report per worker and round; a later
one replaces it.
"""

import threading
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.messages import encode_defunct

from orchestrator.schemas import Report, SignedReport
from orchestrator.state import read_json, write_json
from services.errors import SettingsError
from services.wire import report_message

FILE_NAME = "reports.json"


def signer_of(signed: SignedReport) -> str | None:
    """The address whose key signed the report (EIP-191); None for a malformed signature."""
    message = encode_defunct(text=report_message(signed.report.as_sent()))
    try:
        return str(Account.recover_message(message, signature=signed.signature))
    except Exception:  # the signature libraries raise their own, without a common root
        return None


class Reports:
    """The reports about one federation.

    Args:
        state_dir: where ``reports.json`` is.
        federation: what tells it from others that the folder served: genesis hash and address.
    """

    def __init__(self, state_dir: Path, federation: str) -> None:
        self._path = state_dir / FILE_NAME
        self._lock = threading.Lock()
        self._all: dict[str, dict[str, dict[str, Any]]] = read_json(self._path) or {}
        self._federation = federation
        try:
            mine = self._all.setdefault(federation, {})
            self._reports = {
                key: SignedReport.model_validate(value).report for key, value in mine.items()
            }
        except (ValueError, AttributeError, TypeError) as error:
            raise SettingsError(
                f"{self._path} is malformed ({error}); restore it, or move it away to go on "
                "without the reports"
            ) from error

    def get(self, address: str, round_number: int) -> Report | None:
        """A worker's report on one round."""
        return self._reports.get(f"{address}/{round_number}")

    def keep(self, address: str, signed: SignedReport) -> None:
        """Write it to disk, then show it.

        Raises:
            SettingsError: the state folder cannot be written.
        """
        key = f"{address}/{signed.report.round}"
        with self._lock:
            self._all[self._federation][key] = {
                "report": signed.report.as_sent(),
                "signature": signed.signature,
            }
            write_json(self._path, self._all)
            self._reports[key] = signed.report
