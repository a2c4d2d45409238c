"""A worker as the keeper of last resort: calls that anyone may make, and nobody has made."""

import random
import time
from dataclasses import dataclass, field

import structlog

from services.chain import Federation
from services.errors import ContractRevertError, InsufficientFundsError, TransactionError
from services.keeper import Duty, due, perform

# What may fail in a call that anyone may make; our own round goes on.
NOT_OURS = (ContractRevertError, InsufficientFundsError, TransactionError)

log = structlog.get_logger()


@dataclass
class LastKeeper:
    """Makes a due call once it has been due for the grace time.

    Attributes:
        federation: whose calls, with the account to sign.
        least_grace_s: seconds.
    """

    federation: Federation
    least_grace_s: float
    _duty: Duty | None = field(default=None, init=False)
    _patient_until: float = field(default=0.0, init=False)
    _next_look: float = field(default=0.0, init=False)

    def grace_s(self) -> float:
        """Workers are patient for different times, so that one of them is first."""
        return self.least_grace_s * random.uniform(1.0, 1.5)

    def keep(self) -> None:
        """Look, now and then, and make what has been due for too long and what follows from it.

        Raises:
            ChainError: the node does not answer as it should.
        """
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + self.least_grace_s / 4
        duty = due(self.federation)
        if duty != self._duty:
            self._duty, self._patient_until = duty, now + self.grace_s()
        if duty is None or now < self._patient_until:
            return
        round_number = duty.round_number
        log.warning("keeper_missing", call=duty.call, round=round_number)
        try:
            while duty is not None:
                perform(self.federation, duty)
                duty = due(self.federation)
        except NOT_OURS as error:
            # Nobody owes anybody this call; our own commit or reveal must not fail for it.
            log.warning("keeper_failed", round=round_number, why=str(error))
            self._duty = None
