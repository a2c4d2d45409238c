"""Brings the key of a sealed order to the workers, once none of them can leave with it for nothing.

The one thing that the orchestrator knows and others do not, until round 1 opens: from then on any
worker can hand it on.
"""

import time
from pathlib import Path

import structlog
from eth_account.signers.local import LocalAccount

from services.chain import Federation, Phase
from services.envelopes import deliver
from services.errors import ChainError, MembershipError, SettingsError
from services.membership import SealedOrder, read_own_description
from services.sealed_order import key_hash, read_order_key
from services.task import Task

PAUSE_S = 10.0  # between two looks, and between two attempts at something that failed

log = structlog.get_logger()


class Courier:
    """The key of one federation's sealed order, if there is one and we have it.

    Args:
        federation: whose.
        account: who pays for the envelopes.
        key_file: where the key is; None: somebody else has it.

    Raises:
        SettingsError: the order is sealed, and the key not there or another one than the task's
            description pins.
        MembershipError: the key is there, and the description cannot be read.
    """

    def __init__(
        self, federation: Federation, account: LocalAccount, key_file: Path | None
    ) -> None:
        self._federation, self._account = federation, account
        self._key, self._next_attempt = b"", 0.0
        self._sealed = None if key_file is None else _sealed_order(federation.task(), key_file)
        if key_file is not None and self._sealed is not None:
            self._key = read_order_key(key_file)
            if key_hash(self._key) != self._sealed.key_hash:
                raise SettingsError(
                    f"{key_file} has a key with hash {key_hash(self._key)}, but the task's "
                    f"description pins {self._sealed.key_hash}; set FEDSERUM_ORDER_KEY_FILE to the "
                    "key that the task was made with"
                )

    def deliver(self) -> None:
        """Post what has not been posted; nothing in Registration, and once it is done for good.

        As long as round 1 takes commits it looks again, since a reorganisation may undo it. A
        failure is logged, and tried again after a pause: whoever keeps the federation is not to be
        kept from that.
        """
        if self._sealed is None or time.monotonic() < self._next_attempt:
            return
        try:
            phase, number = self._federation.phase(), self._federation.round()
            if phase is Phase.REGISTRATION:
                return
            deliver(self._federation, self._sealed.envelopes, self._account, self._key)
        except ChainError as error:
            self._next_attempt = time.monotonic() + PAUSE_S
            log.warning("envelopes_not_posted", why=str(error), next_attempt_s=PAUSE_S)
            return
        if (phase, number) == (Phase.COMMIT, 1):
            self._next_attempt = time.monotonic() + PAUSE_S
        else:
            self._sealed = None


def _sealed_order(task: Task, key_file: Path) -> SealedOrder | None:
    """From the task's description; without it and without a key there is nothing to bring."""
    if not task.uri:
        return None
    try:
        return read_own_description(task).sealed_order
    except MembershipError as error:
        if key_file.exists():
            raise
        log.warning("description_unread", why=str(error))
        return None
