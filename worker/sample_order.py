"""Which public samples a round has: the set's own order, or one that only workers can know.

A sealed order's key comes in an envelope (protocol section 11), is kept in the journal, and handed
on to whoever has none if nobody else does that.
"""

from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from services.datasets import round_window
from services.envelopes import deliver, read_envelopes
from services.errors import SettingsError
from services.membership import SealedOrder
from services.samples import IndexArray
from services.sealed_order import key_hash, read_order_key, sample_order, unseal
from worker.journal import write_whole
from worker.steps import Steps

log = structlog.get_logger()


@dataclass
class SampleOrder:
    """The order of one federation's samples, as far as this worker knows it.

    Attributes:
        steps: whose.
        sealed: from the description; None: the public set's own order.
        n_public: |X^pub|.
    """

    steps: Steps
    sealed: SealedOrder | None
    n_public: int
    _order: IndexArray | None = field(default=None, init=False)

    def window(self, round_number: int) -> IndexArray | None:
        """Indices into the public set of a round's samples, int64 [m] (protocol section 2).

        None as long as the key of a sealed order has not come.
        """
        window = round_window(round_number, self.steps.task.samples_per_round, self.n_public)
        if self.sealed is None:
            return window
        if self._order is None:
            key = self._key(self.sealed)
            if key is None:
                return None
            self._order = sample_order(key, self.n_public)
        return self._order[window]

    def hand_on(self, round_number: int, is_late: bool) -> int:
        """Bring the key to whoever of the round may lack it; returns to how many.

        Args:
            round_number: the round, in Commit.
            is_late: not only to who has no envelope at all, but to everyone who has not committed:
                what anybody else posted may be rubbish.

        Raises:
            ChainError: a transaction does not go through.
        """
        key = None if self.sealed is None else self._key(self.sealed)
        if self.sealed is None or key is None:
            return 0
        account, federation = self.steps.account, self.steps.federation
        waiting = [
            worker
            for worker in federation.roster()
            if not any(federation.commitment_of(round_number, worker))
        ]
        trusts_others = not is_late
        return deliver(federation, self.sealed.envelopes, account, key, waiting, trusts_others)

    def _key(self, sealed: SealedOrder) -> bytes | None:
        """From the journal, or else from an envelope; None if there is none."""
        file = self.steps.journal.order_key_file
        with suppress(SettingsError):  # not there, or damaged: the chain has it
            kept = read_order_key(file)
            if key_hash(kept) == sealed.key_hash:
                return kept
        account, federation = self.steps.account, self.steps.federation
        if federation.round() == 0:
            return None
        found = read_envelopes(federation, sealed.envelopes, account.address)
        key = unseal(account, found, sealed.key_hash)
        if key is not None:
            write_whole(file, key.hex().encode())
            log.info("order_key_received")
        return key
