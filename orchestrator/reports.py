"""What workers say about themselves, kept in the state folder; the chain knows nothing of it.

Shown beside what the chain says, never part of a score. One report per worker and round; a later
one replaces it, and whoever sends the earlier one again changes nothing.
"""

import hashlib
import threading
from pathlib import Path

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError as InvalidSignature
from pydantic import Field, TypeAdapter, ValidationError

from orchestrator.schemas import Report, SignedReport
from orchestrator.state import read_json, write_json
from services.errors import SettingsError
from services.wire import report_message

FILE_NAME = "reports.json"

MOST_REPLACED = 16  # reports of one worker on one round


class KeptReport(SignedReport):
    """The report that counts, and which it has replaced."""

    replaced: list[str] = Field([], description="SHA-256 of each earlier report's text.")


# Reports by federation, then by "address/round".
_FILE = TypeAdapter(dict[str, dict[str, KeptReport]])


def signer_of(signed: SignedReport) -> str | None:
    """The address whose key signed the report (EIP-191); None for a malformed signature."""
    message = encode_defunct(text=report_message(signed.report.as_sent()))
    try:
        return str(Account.recover_message(message, signature=signed.signature))
    except (BadSignature, InvalidSignature, ValueError):
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
        self._federation = federation
        content = read_json(self._path)
        try:
            self._all = _FILE.validate_python({} if content is None else content)
        except ValidationError as error:
            problems = "; ".join(f"{p['loc']}: {p['msg']}" for p in error.errors())
            raise SettingsError(
                f"{self._path} is malformed: {problems}; restore it, or move it away to go on "
                "without the reports"
            ) from error
        self._mine = self._all.setdefault(federation, {})

    def get(self, address: str, round_number: int) -> Report | None:
        """A worker's report on one round."""
        signed = self._mine.get(f"{address}/{round_number}")
        return signed.report if signed else None

    def keep(self, address: str, signed: SignedReport) -> bool:
        """Write it to disk, then show it; a replaced report that comes again is not taken.

        Returns:
            Whether there was room: a worker may replace its report on a round so many times.

        Raises:
            SettingsError: the state folder cannot be written.
        """
        key = f"{address}/{signed.report.round}"
        with self._lock:
            earlier, digest = self._mine.get(key), _digest(signed)
            replaced = [] if earlier is None else [*earlier.replaced, _digest(earlier)]
            if digest in replaced:
                return True
            if len(replaced) > MOST_REPLACED:
                return False
            kept = KeptReport(report=signed.report, signature=signed.signature, replaced=replaced)
            mine = self._mine | {key: kept}
            self._all[self._federation] = mine
            write_json(
                self._path,
                {
                    federation: {
                        key: {
                            "report": kept.report.as_sent(),
                            "signature": kept.signature,
                            "replaced": kept.replaced,
                        }
                        for key, kept in reports.items()
                    }
                    for federation, reports in self._all.items()
                },
            )
            self._mine = mine
        return True


def _digest(signed: SignedReport) -> str:
    return hashlib.sha256(report_message(signed.report.as_sent()).encode()).hexdigest()
