"""What may pass is waited for longer each time, and not for ever."""

import pytest

from services.errors import ChainError, OutOfPatienceError
from services.patience import LONGEST_PAUSE_S, Patience

TROUBLE = ChainError("the node is asleep")


def test_pauses_grow_to_a_bound_and_start_anew() -> None:
    """Twice as long each time, up to ten seconds; after a success short again."""
    pauses: list[float] = []
    patience = Patience(60, 1, pauses.append)
    assert not patience.is_tried
    for _ in range(6):
        patience.wait("chain_unready", TROUBLE)
    assert pauses == [1, 2, 4, 8, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    assert patience.is_tried
    patience.rest()
    assert not patience.is_tried
    patience.wait("chain_unready", TROUBLE)
    assert pauses[-1] == 1


def test_at_the_bound_it_gives_up_with_the_cause() -> None:
    """The message has how long it waited, for what, and what to do."""
    patience = Patience(0.1, 0.11)
    patience.wait("chain_unready", TROUBLE)
    with pytest.raises(OutOfPatienceError, match=r"0 s in vain: the node is asleep; .*start again"):
        patience.wait("chain_unready", TROUBLE)
