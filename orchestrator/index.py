"""What the contract's events say, as records in memory.

Pure: the indexer feeds it events, receipts and balances in chain order, the routes read it. It
keeps no revealed labels (they are in the chain's events), only the global ones.
"""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from orchestrator.schemas import Phase, RoundPhase, Slash
from services.chain import Event, SlashReason
from services.task import Task
from services.wire import chunk_sizes

ROUND_ENDS = ("RoundSettled", "RoundVoided")
SLASHES: dict[SlashReason, Slash] = {
    SlashReason.WITHHELD: "withheld",
    SlashReason.WRONG_LABEL_COUNT: "wrong_label_count",
}


@dataclass
class Part:
    """One worker's part in one round."""

    committed: bool = False
    revealed: bool = False
    slashed: Slash | None = None
    label_counts: list[int] | None = None
    score: int | None = None
    reward_wei: int | None = None
    balance_wei: int | None = None


@dataclass
class Round:
    """One round; ``parts`` has every worker of its roster."""

    number: int
    commit_deadline: int
    parts: dict[str, Part]
    phase: RoundPhase = "commit"
    reveal_deadline: int | None = None
    global_labels: dict[int, bytes] = field(default_factory=dict)  # by chunk, packed
    agreement_wad: int | None = None
    pool_wei: int | None = None
    gas_used: Counter[str] = field(default_factory=Counter)

    @property
    def is_over(self) -> bool:
        """Whether it settled or is void."""
        return self.phase in ("settled", "void")

    @property
    def n_committed(self) -> int:
        """Workers that committed."""
        return sum(part.committed for part in self.parts.values())

    @property
    def n_revealed(self) -> int:
        """Workers that revealed."""
        return sum(part.revealed for part in self.parts.values())

    def pay_nobody_else(self) -> None:
        """The round is over: whoever got no reward so far gets none."""
        for part in self.parts.values():
            part.reward_wei = part.reward_wei or 0


@dataclass
class Worker:
    """One address that ever registered."""

    balance_wei: int = 0
    is_excluded: bool = False
    has_left: bool = False


@dataclass
class Index:
    """Everything the API tells of one federation.

    Attributes:
        block: the last block whose events are in it.
        open_deadline: of Registration or Aggregate, which no event tells, unix seconds.
        event_blocks: ascending numbers of the blocks that have events.
        gas_used: per contract function over the federation's life, with ``transactions`` beside.
    """

    task: Task
    block: int
    phase: Phase = "registration"
    open_deadline: int = 0
    rounds: dict[int, Round] = field(default_factory=dict)
    workers: dict[str, Worker] = field(default_factory=dict)
    event_blocks: list[int] = field(default_factory=list)
    gas_used: Counter[str] = field(default_factory=Counter)
    transactions: Counter[str] = field(default_factory=Counter)

    @property
    def round(self) -> int:
        """The current round; 0 before the first."""
        return len(self.rounds)

    @property
    def deadline(self) -> int:
        """When the phase ends, unix seconds; 0 once closed."""
        match self.phase:
            case "closed":
                return 0
            case "commit":
                return self.rounds[self.round].commit_deadline
            case "reveal":
                return self.rounds[self.round].reveal_deadline or 0
        return self.open_deadline

    @property
    def n_chunks(self) -> int:
        """Chunks of every round."""
        return len(chunk_sizes(self.task.samples_per_round, self.task.chunk_samples))

    @property
    def n_workers(self) -> int:
        """Workers that registered and did not leave."""
        return sum(not worker.has_left for worker in self.workers.values())

    def next_event_block(self, block: int) -> int | None:
        """The first block from ``block`` on that has events; None if there is none yet."""
        place = bisect_left(self.event_blocks, block)
        return self.event_blocks[place] if place < len(self.event_blocks) else None

    def apply(
        self, events: list[Event], function: str, gas_used: int, balances_wei: dict[str, int] | None
    ) -> None:
        """Take in one transaction, in chain order.

        Its gas belongs to the round that its first event names, else to the round under way; what
        happens in Registration or once closed belongs to none.

        Args:
            events: the contract's events in it, at least one.
            function: the contract function that was called.
            gas_used: its gas.
            balances_wei: every worker's balance after it; only read where a round ends; None if
                the node has forgotten.
        """
        under_way = 0 if self.phase == "closed" else self.round
        number = events[0].args.get("round", under_way)
        if not self.event_blocks or self.event_blocks[-1] != events[0].block_number:
            self.event_blocks.append(events[0].block_number)
        for event in events:
            self._apply_event(event)
            if event.name in ROUND_ENDS and balances_wei is not None:
                self._set_round_balances(balances_wei)
        self.gas_used[function] += gas_used
        self.transactions[function] += 1
        if number:
            self.rounds[number].gas_used[function] += gas_used

    def set_balances(self, balances_wei: dict[str, int]) -> None:
        """Set what each worker has at the index's block, where a round's end was forgotten."""
        for address, balance_wei in balances_wei.items():
            self.workers[address].balance_wei = balance_wei

    def _set_round_balances(self, balances_wei: dict[str, int]) -> None:
        self.set_balances(balances_wei)
        for address, part in self.rounds[self.round].parts.items():
            part.balance_wei = balances_wei.get(address)

    def _apply_event(self, event: Event) -> None:
        args = event.args
        match event.name:
            case "Registered":
                self.workers[args["worker"]] = Worker(balance_wei=args["deposit"])
            case "Left":
                self.workers[args["worker"]].has_left = True
                self.workers[args["worker"]].balance_wei = 0
            case "Withdrawn":
                self.workers[args["worker"]].balance_wei = 0
            case "RoundOpened":
                self.phase = "commit"
                self._open_round(args["round"], args["commitDeadline"])
            case "Closed":
                self.phase = "closed"
            case "Committed" | "Revealed" | "Slashed" | "Rewarded":
                self._apply_to_part(event)
            case (
                "RevealOpened"
                | "AggregationOpened"
                | "ChunkAggregated"
                | "RoundSettled"
                | "RoundVoided"
            ):
                self._apply_to_round(event)

    def _open_round(self, number: int, commit_deadline: int) -> None:
        roster = [
            address
            for address, worker in self.workers.items()
            if not worker.is_excluded and not worker.has_left and worker.balance_wei > 0
        ]
        self.rounds[number] = Round(
            number, commit_deadline, {address: Part() for address in roster}
        )

    def _apply_to_round(self, event: Event) -> None:
        args = event.args
        current = self.rounds[args["round"]]
        match event.name:
            case "RevealOpened":
                self.phase = current.phase = "reveal"
                current.reveal_deadline = args["revealDeadline"]
            case "AggregationOpened":
                self.phase = current.phase = "aggregate"
            case "ChunkAggregated":
                current.global_labels[args["chunk"]] = args["globalLabels"]
            case "RoundSettled":
                current.phase = "settled"
                current.pool_wei = args["pool"]
                current.agreement_wad = args["agreementWad"]
                current.pay_nobody_else()
            case "RoundVoided":
                current.phase = "void"
                current.pay_nobody_else()

    def _apply_to_part(self, event: Event) -> None:
        args = event.args
        part = self.rounds[args["round"]].parts.setdefault(args["worker"], Part())
        match event.name:
            case "Committed":
                part.committed = True
            case "Revealed":
                part.revealed = True
                part.label_counts = list(args["labelCount"])
            case "Slashed":
                part.slashed = SLASHES[SlashReason(args["reason"])]
                worker = self.workers[args["worker"]]
                worker.is_excluded, worker.balance_wei = True, 0
            case "Rewarded":
                part.score, part.reward_wei = args["score"], args["reward"]
