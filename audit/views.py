"""Compares what the contract's views say with the state that the replay left."""

from eth_utils.crypto import keccak

from audit.comparison import require
from audit.round import Round
from audit.state import State
from services.chain import Federation
from services.wire import NO_LABELS_ROOT

NO_HASH = bytes(32)


def compare(state: State, federation: Federation) -> None:
    """Compare every view with the state.

    Args:
        state: after the replay.
        federation: the contract, whose views answer as of the replay's last block.

    Raises:
        AuditError: the first difference.
    """
    for played in state.rounds:
        _compare_round(played, federation)
    number = state.number
    require(number, "phase()", state.phase.name, federation.phase().name)
    require(number, "round()", number, federation.round())
    if state.deadline is not None:
        require(number, "deadline()", state.deadline, federation.deadline())
    require(number, "roster()", state.roster, federation.roster())
    for worker, balance in state.balances.items():
        require(number, f"balanceOf({worker})", balance, federation.balance_of(worker))
        is_excluded = worker in state.excluded
        require(number, f"isExcluded({worker})", is_excluded, federation.is_excluded(worker))
    require(number, "pot()", state.pot, federation.pot())
    if state.rounds:
        _compare_assignment(state.round, federation)
    owed, held = (
        sum(state.balances.values()) + state.pot,
        federation.chain.balance_wei(federation.address, federation.at_block),
    )
    if held < owed:  # more may have been forced in
        require(number, "ether of the contract, in wei", f"at least {owed}", str(held))


def _compare_round(played: Round, federation: Federation) -> None:
    number = played.number
    for worker in played.ring:
        named = f"({number}, {worker})"
        for what, expected, found in (
            (
                "commitmentOf",
                played.commitments.get(worker, NO_HASH),
                federation.commitment_of(number, worker),
            ),
            (
                "labelsRootOf",
                played.roots.get(worker, NO_LABELS_ROOT),
                federation.labels_root_of(number, worker),
            ),
            (
                "labelCountOf",
                played.counts.get(worker, []),
                federation.label_count_of(number, worker),
            ),
            ("rewardOf", played.rewards.get(worker, 0), federation.reward_of(number, worker)),
        ):
            require(number, what + named, expected, found)
        if played.state != "void":  # where scores mean nothing
            score = federation.score_of(number, worker)
            require(number, "scoreOf" + named, played.scores.get(worker, 0), score)
    for chunk in range(len(played.sizes)):
        labels = played.global_labels.get(chunk)
        expected_hash = NO_HASH if labels is None else keccak(labels)
        found_hash = federation.global_labels_hash(number, chunk)
        require(number, f"globalLabelsHash({number}, {chunk})", expected_hash, found_hash)


def _compare_assignment(played: Round, federation: Federation) -> None:
    require(played.number, "chunks()", len(played.sizes), federation.chunks())
    for chunk, committee in enumerate(played.committees):
        found = federation.committee_of(chunk)
        require(played.number, f"committeeOf({chunk})", committee, found)
    for worker, position in played.positions.items():
        league = federation.league_of(worker)
        require(played.number, f"leagueOf({worker})", position % 2, league)
