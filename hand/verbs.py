"""The steps of a round as verbs: each looks, does one thing, and says what it did and what is next.

What was done already is said, not done again, so that every verb may be repeated after a crash.
"""

from functools import partial
from pathlib import Path

import numpy as np

from hand.predictions import Array, as_codes, round_labels, write_array
from hand.standing import (
    Standing,
    ether,
    last_settled,
    moment,
    next_step,
    not_now,
    read_standing,
)
from services import scoring
from services.chain import Federation, Phase
from services.errors import ContractRevertError, LabelsError, RoundError, SettingsError
from services.keeper import due, perform
from services.samples import IndexArray
from worker.journal import Entry
from worker.revealed import revealed_labels
from worker.sample_order import SampleOrder
from worker.steps import TOO_LATE, Steps, global_labels, too_late_to_register


def register(steps: Steps, members: str | None) -> str:
    """Lock the deposit.

    Raises:
        RoundError: too late, or slashed.
        MembershipError: the federation does not list this account.
        InsufficientFundsError: the account cannot pay the deposit and gas.
    """
    standing = read_standing(steps)
    me, deposit = standing.address, ether(steps.task.deposit_wei)
    if standing.balance_wei:
        return f"{me} is registered already; nothing was sent"
    if standing.is_excluded or standing.phase is not Phase.REGISTRATION:
        steps.require_in(standing.phase)
        raise too_late_to_register(me, standing.phase)
    try:
        receipt = steps.register(members)
    except ContractRevertError as error:
        if error.name in TOO_LATE:
            raise too_late_to_register(me, steps.federation.phase()) from error
        if error.name != "AlreadyRegistered":  # by a killed process, just now
            raise
        receipt = None
    if receipt is None:
        return f"{me} is registered already; nothing was sent"
    return (
        f"{me} is registered with a deposit of {deposit} ether, in {receipt.transaction_hash}\n"
        f"next: {next_step(read_standing(steps))}"
    )


def commit(
    steps: Steps, array: Array | None, public_samples: int | None, members: str | None = None
) -> str:
    """Keep a round's labels and a salt in the journal, then commit to them.

    Args:
        steps: whose.
        array: the predictions (`round_labels`); None: what the journal has already.
        public_samples: as for `round_labels`.
        members: where the task's description is; None: where ``task.uri`` says.

    Raises:
        LabelsError: these are no predictions of the round's samples.
        RoundError: it is not the time, or other labels are committed or in the journal.
        JournalError: the journal cannot be written; nothing was committed.
    """
    standing = read_standing(steps)
    if standing.phase is not Phase.REGISTRATION:
        steps.require_in(standing.phase)
    is_open = standing.phase is Phase.COMMIT and not standing.is_over
    if not (is_open or standing.is_committed):
        raise not_now(standing, "labels are committed in a round's commit phase only")
    number, chunks = standing.round_number, steps.assigned_chunks()
    rows, packed = steps.rows(chunks), None
    if array is not None:
        window = partial(_window, steps, members, number)
        of_round = round_labels(array, steps.task, number, public_samples, window)
        packed = steps.pack([of_round[of_chunk] for of_chunk in rows])
    if standing.is_committed:
        return _committed_already(steps, standing, packed)
    entry = _journalled(steps, standing, packed, chunks)
    n_rows = sum(of_chunk.stop - of_chunk.start for of_chunk in rows)
    try:
        receipt = steps.commit(number, entry)
    except ContractRevertError as error:
        if error.name == "AlreadyCommitted":
            return _committed_already(steps, read_standing(steps), packed)
        if error.name not in TOO_LATE:
            raise
        raise RoundError(
            f"round {number}: commits closed at {moment(standing.deadline)}, before this one was "
            "in; nothing is lost but the round: commit earlier in the next one"
        ) from error
    n_labels = sum(entry.label_count)
    return (
        f"round {number}: committed to {n_labels} labels and {n_rows - n_labels} abstentions, in "
        f"{receipt.transaction_hash}\nlabels per class: {entry.label_count}\n"
        f"kept in {steps.journal.folder}: without it you cannot reveal\n"
        f"next: {next_step(read_standing(steps))}"
    )


def samples(
    steps: Steps, number: int | None, public_samples: int | None, members: str | None, file: Path
) -> str:
    """Write which public samples a round has, int64 [m], in its order.

    Args:
        steps: whose.
        number: the round; None: the one that is on.
        public_samples: |X^pub|.
        members: where the task's description is; None: where ``task.uri`` says.
        file: to write.

    Raises:
        RoundError: no such round has opened, or the key of its order has not come.
        LabelsError: the file cannot be written.
        SettingsError: nobody said how many samples the public set has.
    """
    if public_samples is None:
        raise SettingsError(
            "say how many samples the public set has: --public-samples N "
            "(FEDSERUM_PUBLIC_SAMPLES); fedserum dataset show tells"
        )
    task, opened = steps.task, steps.federation.round()
    number = max(opened, 1) if number is None else number
    if public_samples < task.samples_per_round:
        raise SettingsError(
            f"a round labels {task.samples_per_round} samples, but the public set is said to have "
            f"{public_samples}; correct --public-samples (FEDSERUM_PUBLIC_SAMPLES)"
        )
    if not 1 <= number <= task.rounds:
        raise RoundError(
            f"round {number} is none of this federation's; ask for one of 1 to {task.rounds}"
        )
    window = _window(steps, members, number, public_samples)
    write_array(file, window)
    return f"round {number}: the indices of its {len(window)} samples, in its order, in {file}"


def reveal(steps: Steps) -> str:
    """Open the commitment.

    Raises:
        RoundError: it is not the time, nothing was committed, or the journal does not open it.
    """
    standing = read_standing(steps)
    number = standing.round_number
    if standing.is_revealed:
        return f"round {number}: revealed already; nothing was sent\nnext: {next_step(standing)}"
    if standing.phase is not Phase.REGISTRATION:
        steps.require_in(standing.phase)
    if standing.phase is not Phase.REVEAL or standing.is_over:
        raise not_now(standing, "labels are revealed in a round's reveal phase only")
    if not standing.is_committed:
        raise not_now(standing, f"{standing.address} committed nothing in round {number}")
    entry = steps.opening(number, standing.commitment)
    try:
        receipt = steps.reveal(number, entry)
    except ContractRevertError as error:
        if error.name not in TOO_LATE:
            raise
        raise RoundError(
            f"round {number}: reveals closed at {moment(standing.deadline)}, before this one was "
            "in; who withholds labels is slashed when the phase ends: the next time reveal earlier"
        ) from error
    sent = "already" if receipt is None else f"in {receipt.transaction_hash}"
    return f"round {number}: revealed {sent}\nnext: {next_step(read_standing(steps))}"


def labels(federation: Federation, number: int | None, file: Path, votes: Path | None) -> str:
    """Write a settled round's global labels int16 [m] and the votes uint16 [m, C] behind them.

    Args:
        federation: whose.
        number: the round; None: the last one settled.
        file: for the labels.
        votes: for the votes, if wanted.

    Raises:
        RoundError: no such round is settled, it was void, or the node shows other votes than were
            revealed.
        ChainError: the node shows other labels than the contract settled.
        LabelsError: a file cannot be written.
    """
    task = federation.task()
    last = last_settled(federation)
    number = last if number is None else number
    if not 1 <= number <= last:
        raise RoundError(
            f"round {number or 1} is not settled; {last} of {task.rounds} rounds are: ask for one "
            "of these (--round), or wait, see fedserum status"
        )
    found_labels = global_labels(federation, task, number)
    if found_labels is None:
        raise RoundError(
            f"round {number} was void, so it has no global labels; ask for another (--round)"
        )
    codes = as_codes(found_labels, task.classes)
    if votes is not None:
        counted = scoring.vote(revealed_labels(federation, task, number), task.classes)
        write_array(votes, counted.astype(np.uint16))
    write_array(file, codes)
    said = f"round {number}: {len(codes)} global labels in {file}, {(codes < 0).sum()} of them -1"
    if votes is not None:
        said += f"\nvotes of {task.classes} classes for each in {votes}"
    return said


def leave(steps: Steps) -> str:
    """Leave between rounds and take the balance along.

    Raises:
        RoundError: it is not the time, or there is nothing to take.
    """
    standing = read_standing(steps)
    if standing.phase is Phase.CLOSED:
        raise not_now(standing, "a closed federation is not left")
    if not standing.balance_wei:
        if standing.phase is not Phase.REGISTRATION:
            steps.require_in(standing.phase)
        raise not_now(standing, f"{standing.address} is not registered, so it cannot leave")
    is_between = standing.phase is Phase.COMMIT and standing.round_number > 1
    if not (is_between or standing.phase is Phase.REGISTRATION) or standing.is_over:
        raise not_now(
            standing,
            "a worker may leave before round 1, and at the start of later rounds before it commits",
        )
    if standing.is_committed:
        raise not_now(standing, f"round {standing.round_number}: committed already; leave after it")
    receipt = steps.federation.leave()
    return f"{standing.address} left with {ether(standing.balance_wei)} ether, in " + (
        receipt.transaction_hash
    )


def withdraw(steps: Steps) -> str:
    """Take the balance of a closed federation.

    Raises:
        RoundError: it is not closed, or this account was never in it or was slashed.
    """
    standing = read_standing(steps)
    if standing.phase is not Phase.CLOSED:
        raise not_now(
            standing,
            "balances are withdrawn once the federation is closed; `fedserum leave` is for earlier",
        )
    steps.require_in(standing.phase)
    receipt = steps.withdraw()
    if receipt is None:
        return f"{standing.address} has withdrawn already; nothing was sent"
    return f"{standing.address} withdrew {ether(standing.balance_wei)} ether, in " + (
        receipt.transaction_hash
    )


def keep(federation: Federation) -> str:
    """Make every call that is due: end a phase, score a chunk, settle.

    Raises:
        ChainError: the chain refuses a call that is due.
    """
    made = []
    while (duty := due(federation)) is not None:
        if perform(federation, duty) is not None:
            made.append(duty.call if duty.chunk is None else f"{duty.call} {duty.chunk}")
    return f"made: {', '.join(made)}" if made else "nothing is due; nothing was sent"


def _window(steps: Steps, members: str | None, number: int, public_samples: int) -> IndexArray:
    """Which public samples a round has, int64 [m]."""
    sealed = steps.journal.description(steps.task, members).sealed_order
    window = SampleOrder(steps, sealed, public_samples).window(number)
    if window is None:
        raise RoundError(
            f"round {number}: the order of the samples is sealed, and its key has not been brought "
            "to you yet: registered workers get it once round 1 is open; try again in a while"
        )
    return window


def _journalled(
    steps: Steps,
    standing: Standing,
    packed: tuple[bytes, list[int]] | None,
    chunks: list[int],
) -> Entry:
    """The entry to commit to, on disk; one that is there for these chunks is never replaced."""
    number, entry = standing.round_number, standing.entry
    if entry is None:
        if packed is None:
            raise LabelsError(
                f"round {number}: the journal has no labels yet; name a file of predictions: "
                "fedserum commit predictions.npy"
            )
        return steps.journal.write(number, *packed, chunks)
    if packed is not None and packed[0] != entry.labels:
        raise RoundError(
            f"round {number}: the journal holds other labels than this file, and a commitment to "
            "them may be on its way: commit without a file to send those. Only if none was ever "
            f"sent, delete {steps.journal.folder / f'round-{number}.json'} and commit this file"
        )
    return entry


def _committed_already(
    steps: Steps, standing: Standing, packed: tuple[bytes, list[int]] | None
) -> str:
    """Committing once more to the same labels is harmless; to others it is refused."""
    number = standing.round_number
    entry = steps.opening(number, standing.commitment)
    if packed is not None and packed[0] != entry.labels:
        raise RoundError(
            f"round {number}: already committed, to other labels than this file's, and a "
            "commitment cannot be replaced; reveal what was committed (it is in the journal)"
        )
    return (
        f"round {number}: already committed to these labels; nothing was sent\n"
        f"next: {next_step(standing)}"
    )
