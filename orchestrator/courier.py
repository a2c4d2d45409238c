"""Brings the key of a sealed order to the workers, once none of them can leave with it for nothing.

The one thing that the orchestrator knows and others do not, until round 1 opens: from then on any
worker can hand it on.
"""

from pathlib import Path

from eth_account.signers.local import LocalAccount

from services.chain import Federation, Phase
from services.envelopes import deliver
from services.errors import SettingsError
from services.membership import read_own_description
from services.sealed_order import key_hash, read_order_key


class Courier:
    """The key of one federation's sealed order, if there is one and we have it.

    Args:
        federation: whose.
        account: who pays for the envelopes.
        key_file: where the key is; None: somebody else has it.

    Raises:
        SettingsError: the order is sealed, and the key not there or another one than the task's
            description pins.
        MembershipError: the description cannot be read.
    """

    def __init__(
        self, federation: Federation, account: LocalAccount, key_file: Path | None
    ) -> None:
        self._federation, self._account = federation, account
        self._sealed, self._key = None, b""
        task = federation.task()
        if key_file is not None and task.uri:
            self._sealed = read_own_description(task).sealed_order
        if key_file is not None and self._sealed is not None:
            self._key = read_order_key(key_file)
            if key_hash(self._key) != self._sealed.key_hash:
                raise SettingsError(
                    f"{key_file} has a key with hash {key_hash(self._key)}, but the task's "
                    f"description pins {self._sealed.key_hash}; set FEDSERUM_ORDER_KEY_FILE to the "
                    "key that the task was made with"
                )

    def deliver(self) -> None:
        """Post what has not been posted; does nothing in Registration, and once it is done.

        Raises:
            ChainError: a transaction does not go through.
        """
        if self._sealed is None or self._federation.phase() is Phase.REGISTRATION:
            return
        deliver(self._federation, self._sealed.envelopes, self._account, self._key)
        self._sealed = None
