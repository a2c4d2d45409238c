"""Events, refusals and calls are decoded as the contract's ABI names them."""

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from services.errors import ChainError
from services.interface import (
    NEXT_STEP,
    artifact,
    decode_logs,
    decode_revert,
    event_topics,
    function_name,
)

WORKER = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"


def test_a_refusal_shows_its_arguments_and_what_to_do() -> None:
    """Custom errors are decoded by the ABI, with addresses checksummed."""
    data = keccak(text="WrongDeposit(uint256,uint256)")[:4] + encode(["uint256"] * 2, [10, 9])
    error = decode_revert(data)
    assert (error.name, error.args_by_name) == ("WrongDeposit", {"expected": 10, "actual": 9})
    assert str(error) == (
        "the contract refused: WrongDeposit(expected 10, actual 9); "
        "send exactly the expected deposit, in wei"
    )
    data = keccak(text="NotMember(address)")[:4] + encode(["address"], [WORKER])
    assert decode_revert(data).args_by_name == {"sender": WORKER}


def test_soliditys_own_errors_are_decoded() -> None:
    """Error(string) and Panic(uint256) are in no ABI and still have names."""
    data = keccak(text="Error(string)")[:4] + encode(["string"], ["why not"])
    assert decode_revert(data).args_by_name == {"reason": "why not"}
    data = keccak(text="Panic(uint256)")[:4] + encode(["uint256"], [0x11])
    assert (decode_revert(data).name, decode_revert(data).args_by_name) == ("Panic", {"code": 17})


@pytest.mark.parametrize(
    "data", ["", "12", "deadbeef", keccak(text="NotMember(address)")[:4].hex()]
)
def test_an_unknown_refusal_shows_its_data(data: str) -> None:
    """Empty, short, foreign and truncated revert data make an error without a name."""
    error = decode_revert(bytes.fromhex(data))
    assert error.name == ""
    assert f"0x{data}" in str(error)


def test_advice_is_given_for_errors_that_exist() -> None:
    """Every refusal that has advice is an error of the contract."""
    errors = {entry["name"] for entry in artifact()[0] if entry["type"] == "error"}
    assert set(NEXT_STEP) <= errors


def test_function_names_come_from_calldata() -> None:
    """The first four bytes name the call; anything else is no call of the contract."""
    assert function_name(keccak(text="commit(bytes32)")[:4] + bytes(32)) == "commit"
    assert function_name(keccak(text="aggregate(uint256,bytes[],bytes32[][])")[:4]) == "aggregate"
    assert function_name(b"") == ""
    assert function_name(bytes(4)) == ""


def test_logs_become_events_with_plain_values() -> None:
    """Indexed and other arguments come in the ABI's order; foreign logs are left out."""
    place = {
        "blockNumber": 7,
        "blockHash": bytes(32),
        "transactionHash": bytes(32),
        "logIndex": 1,
    }
    revealed = {
        "topics": [
            keccak(text="Revealed(uint256,address,uint32[],bytes)"),
            (3).to_bytes(32, "big"),
            bytes.fromhex(WORKER[2:]).rjust(32, b"\0"),
        ],
        "data": encode(["uint32[]", "bytes"], [[1, 2], b"labels"]),
    }
    foreign = {"topics": [keccak(text="Transfer(address)")], "data": b""}
    anonymous = {"topics": [], "data": b""}
    (event,) = decode_logs([place | foreign, place | revealed, place | anonymous])
    assert event.name == "Revealed"
    assert list(event.args.items()) == [
        ("round", 3),
        ("worker", WORKER),
        ("labelCount", [1, 2]),
        ("labels", b"labels"),
    ]
    assert (event.block_number, event.log_index) == (7, 1)
    assert event.transaction_hash == "0x" + "00" * 32


def test_a_rounds_topics_leave_out_what_belongs_to_no_round() -> None:
    """Asking for a round asks for events whose first argument is the round."""
    ((*all_events,),) = event_topics(None, None)
    of_round, number = event_topics(None, 5)
    assert number == "0x" + "5".rjust(64, "0")
    assert "0x" + keccak(text="Closed()").hex() in set(all_events) - set(of_round)
    assert event_topics(["Closed"], None) == [["0x" + keccak(text="Closed()").hex()]]
    with pytest.raises(ChainError, match="Closed"):
        event_topics(["Closed"], 5)
