"""The federation played again: from what workers and keepers did follows every event.

Pure (protocol sections 3 to 8). Of an event that somebody caused only what was free is taken as
given: who, when, which commitment, how much funding. The rest of it, and the events that come with
it, are computed and must be the next ones on the chain.
"""

from collections import deque

from audit.comparison import Expected, require, require_event
from audit.ledger import Ledger
from audit.round import Opening
from audit.state import State
from services import wire
from services.chain import Event, Phase, SlashReason
from services.interface import decode_calls


class Replay:
    """Follows a ledger.

    Attributes:
        state: the federation after the events so far.
        unproven: reveals through another contract whose data do not show the salt.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.state = State(ledger.task, ledger.contract)
        self.unproven = 0

    def run(self) -> State:
        """Follow all events; the state that they leave.

        Raises:
            AuditError: the first difference, in chain order.
        """
        awaited: deque[Expected] = deque()
        for event in self.ledger.events:
            if not awaited:
                self.state.header = self.ledger.headers[event.block_number]
                awaited.extend(self._follow(event))
            expected = awaited.popleft()
            number = expected.args.get("round", self.state.number)
            require_event(self.ledger.task, number, expected, event)
        if awaited:
            require(self.state.number, "event after the last one", awaited[0].name, "none")
        return self.state

    def _follow(self, event: Event) -> list[Expected]:
        """Do what an event says that somebody did; the events that must be seen of it."""
        args = event.args
        match event.name:
            case "Registered":
                return self._register(args["worker"])
            case "Left":
                return self._leave(args["worker"])
            case "Committed":
                return self._commit(args["worker"], args["commitment"])
            case "Revealed":
                return self._reveal(event)
            case "Slashed" if args["reason"] == SlashReason.WRONG_LABEL_COUNT:
                return self._miscount(event)
            case "ChunkAggregated":
                return self._aggregate(args["chunk"], args["keeper"])
            case "Rewarded" | "RoundSettled":
                return self._settle()
            case "Funded":
                return self._fund(args["from"], args["amount"])
            case "Withdrawn":
                return self._withdraw(args["worker"])
        return self._advance(event.name)

    def _register(self, worker: str) -> list[Expected]:
        state, task, what = self.state, self.ledger.task, f"registration of {worker}"
        state.require_open(Phase.REGISTRATION, what)
        if self.ledger.members is not None:
            state.require(worker in self.ledger.members, what, "a member of the description")
        state.require(worker not in state.roster, what, "once")
        state.balances[worker] = task.deposit_wei
        state.roster.append(worker)
        is_full = len(state.roster) == task.max_workers
        registered = Expected("Registered", {"worker": worker, "deposit": task.deposit_wei})
        return [registered, *(state.open_round() if is_full else [])]

    def _leave(self, worker: str) -> list[Expected]:
        state, what = self.state, f"leaving of {worker}"
        refund = state.balances.get(worker, 0)
        state.require(refund > 0, what, "a worker with a balance")
        state.balances[worker] = 0
        left = Expected("Left", {"worker": worker, "refund": refund})
        if state.phase is Phase.REGISTRATION:
            state.drop(state.roster.index(worker))
            return [left]
        state.require_open(Phase.COMMIT, what)
        state.require(state.number > 1, what, "after the first round")
        state.require(worker not in state.round.commitments, what, "without a commitment")
        state.round.left.add(worker)
        return [left, *state.end_commit_if_complete()]

    def _commit(self, worker: str, commitment: bytes) -> list[Expected]:
        state, what = self.state, f"commitment of {worker}"
        state.require_open(Phase.COMMIT, what)
        state.require(worker in state.active(), what, "a worker of the roster with a balance")
        state.require(worker not in state.round.commitments, what, "one a round")
        state.require(any(commitment), what, "not zero", "zero")
        state.round.commitments[worker] = commitment
        args = {"round": state.number, "worker": worker, "commitment": commitment}
        return [Expected("Committed", args), *state.end_commit_if_complete()]

    def _reveal(self, event: Event) -> list[Expected]:
        state, worker = self.state, event.args["worker"]
        opening = self._opening(event) or Opening(event.args["labels"], event.args["labelCount"])
        state.round.reveal(worker, opening)
        args = {
            "round": state.number,
            "worker": worker,
            "labelCount": opening.label_count,
            "labels": opening.labels,
        }
        revealed = Expected("Revealed", args, state.round.chunks_of[worker])
        return [revealed, *state.end_reveal_if_complete()]

    def _miscount(self, event: Event) -> list[Expected]:
        state, worker = self.state, event.args["worker"]
        opening = self._opening(event)
        if opening is not None:
            _, counts = state.round.recount(worker, opening.labels)
            is_wrong = counts != opening.label_count
            state.require(is_wrong, f"label count that {worker} is slashed for", "wrong", "right")
        slashed = state.slash(worker, SlashReason.WRONG_LABEL_COUNT)
        return [slashed, *state.end_reveal_if_complete()]

    def _opening(self, event: Event) -> Opening | None:
        """What opens a worker's commitment: the salt is only in the data of the reveal's call.

        None where another contract made that call from data that do not show it.
        """
        current, worker = self.state.round, event.args["worker"]
        what = f"opening of {worker}'s commitment (transaction {event.transaction_hash})"
        self.state.require_open(Phase.REVEAL, what)
        self.state.require(worker in current.commitments, what, "a commitment before it")
        is_new = worker not in current.counts and worker not in current.slashed
        self.state.require(is_new, what, "one a round")
        call, found = self.ledger.calls[event.transaction_hash], b""
        for args in decode_calls("reveal", call.data):
            opening = Opening(args["labels"], args["labelCount"])
            found = wire.commitment(
                self.ledger.chain_id,
                self.ledger.contract,
                current.number,
                worker,
                opening.labels,
                opening.label_count,
                args["salt"],
            )
            if found == current.commitments[worker]:
                return opening
        if call.to == self.ledger.contract:
            require(current.number, what, current.commitments[worker], found or "no reveal")
        self.unproven += 1
        return None

    def _aggregate(self, chunk: int, keeper: str) -> list[Expected]:
        state, what = self.state, f"aggregation of chunk {chunk}"
        state.require_open(Phase.AGGREGATE, what)
        n_chunks = len(state.round.sizes)
        state.require(chunk < n_chunks, what, f"a chunk below {n_chunks}")
        state.require(chunk not in state.round.global_labels, what, "once")
        global_labels = state.round.aggregate(chunk)
        args = {"round": state.number, "chunk": chunk, "keeper": keeper}
        return [Expected("ChunkAggregated", args | {"globalLabels": global_labels}, [chunk])]

    def _settle(self) -> list[Expected]:
        state = self.state
        state.require_open(Phase.AGGREGATE, "settlement")
        n_chunks, n_aggregated = len(state.round.sizes), len(state.round.global_labels)
        require(state.number, "aggregated chunks at the settlement", n_chunks, n_aggregated)
        return state.settle()

    def _advance(self, name: str) -> list[Expected]:
        """A phase ended by its deadline: nothing that anybody did explains the event."""
        state, what = self.state, f"{name} that nothing led to"
        state.require(state.phase is not Phase.CLOSED, what, "nothing", name)
        if state.deadline is not None:
            now, deadline = state.header.timestamp, state.deadline
            state.require(now >= deadline, what, f"not before {deadline}", f"at {now}")
        match state.phase:
            case Phase.REGISTRATION:
                return state.open_round()
            case Phase.COMMIT:
                return state.end_commit()
            case Phase.REVEAL:
                return state.end_reveal_late()
        return state.void()

    def _fund(self, giver: str, amount: int) -> list[Expected]:
        is_running = self.state.phase not in (Phase.REGISTRATION, Phase.CLOSED)
        self.state.require(is_running, f"funding by {giver}", "in a round", self.state.phase.name)
        self.state.pot += amount
        return [Expected("Funded", {"from": giver, "amount": amount})]

    def _withdraw(self, worker: str) -> list[Expected]:
        state, what = self.state, f"withdrawal of {worker}"
        state.require(state.phase is Phase.CLOSED, what, "in CLOSED", f"in {state.phase.name}")
        amount = state.balances.get(worker, 0)
        state.require(amount > 0, what, "a worker with a balance")
        state.balances[worker] = 0
        return [Expected("Withdrawn", {"worker": worker, "amount": amount})]
