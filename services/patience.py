"""Waiting for what may pass: longer each time, with a word each time, and not for ever."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from services.errors import FedserumError, OutOfPatienceError

LONGEST_PAUSE_S = 10.0

log = structlog.get_logger()


@dataclass
class Patience:
    """How one process waits for something outside it.

    Attributes:
        bound_s: seconds of failures in a row after which it gives up.
        first_pause_s: seconds after the first failure; twice as many after each further one.
        sleep: how to pause; what it returns is of no interest.
    """

    bound_s: float
    first_pause_s: float
    sleep: Callable[[float], object] = time.sleep
    _since: float | None = field(default=None, init=False)
    _pause_s: float = field(default=0.0, init=False)

    @property
    def is_tried(self) -> bool:
        """Whether the last attempt failed."""
        return self._since is not None

    def wait(self, event: str, error: FedserumError) -> None:
        """Log the event and pause, after a failed attempt.

        Raises:
            OutOfPatienceError: nothing else has happened for ``bound_s`` seconds.
        """
        now = time.monotonic()
        if self._since is None:
            self._since, self._pause_s = now, self.first_pause_s
        if now - self._since >= self.bound_s:
            raise OutOfPatienceError(
                f"waited for {self.bound_s:.0f} s in vain: {error}; nothing is lost: put it right "
                "and start again, or set a larger FEDSERUM_PATIENCE_S"
            ) from error
        log.warning(event, cause=str(error), next_attempt_s=self._pause_s)
        self.sleep(self._pause_s)
        self._pause_s = min(LONGEST_PAUSE_S, 2 * self._pause_s)

    def rest(self) -> None:
        """An attempt went well."""
        self._since = None
