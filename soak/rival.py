"""A keeper that nobody asked for: for some time it makes every due call as fast as it can."""

import threading
import time

from services.accounts import development_account
from services.chain import Chain, Federation
from services.errors import FedserumError
from services.keeper import due, perform

ACCOUNT = 9  # of the development accounts; the funding of the run is over by then
POLL_S = 0.1


class Rival:
    """A stranger with an account of its own."""

    def __init__(self, rpc_url: str, contract: str) -> None:
        chain = Chain(rpc_url, timeout_s=5, transaction_timeout_s=15, poll_s=POLL_S)
        self._federation = Federation(chain, contract, development_account(ACCOUNT))
        self._thread: threading.Thread | None = None

    @property
    def is_at_work(self) -> bool:
        """Whether it has not given up yet."""
        return self._thread is not None and self._thread.is_alive()

    def work(self, seconds: float) -> None:
        """Keep the federation for a while, in a thread of its own."""
        self._thread = threading.Thread(target=self._keep, args=(seconds,), daemon=True)
        self._thread.start()

    def _keep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                duty = due(self._federation)
                if duty is not None:
                    perform(self._federation, duty)
                    continue
            except FedserumError:
                pass  # the chain is out of reach, or somebody was faster: it owes nobody anything
            time.sleep(POLL_S)
