"""Events, refusals and calls are decoded as the contract's ABI names them."""

import pytest
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from services.errors import ChainError
from services.interface import (
    NEXT_STEP,
    PROXY,
    artifact,
    decode_logs,
    decode_revert,
    event_topics,
    function_name,
    kernels,
)

INVALID = 0xFE  # ends the constructor, and the code before its constants
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


def test_a_kernels_address_follows_from_its_code() -> None:
    """As CREATE2 makes it, called by the proxy with salt 0 (EIP-1014)."""
    for kernel in kernels():
        named = b"\xff" + bytes.fromhex(PROXY[2:]) + kernel.deployment[:32]
        found = keccak(named + keccak(kernel.creation_code))[-20:]
        assert to_checksum_address(found) == kernel.address
        assert kernel.address[2:].lower() in artifact()[1]  # the federation names it


def test_a_kernel_keeps_nothing_and_calls_nobody() -> None:
    """Neither storage, other accounts nor selfdestruct: the same answers for ever, to everybody."""
    storage, selfdestruct = {0x54, 0x55, 0x5C, 0x5D}, 0xFF
    others = {0x31, 0x3B, 0x3C, 0x3F, 0xF0, 0xF1, 0xF2, 0xF4, 0xF5, 0xFA}
    for kernel in kernels():
        codes = _instructions(kernel.creation_code)
        [created, *_] = [place for place, code in enumerate(codes) if code == INVALID]
        last = len(codes) - codes[::-1].index(INVALID)  # constants follow
        assert not {*storage, *others, selfdestruct} & set(codes[created:last]), kernel.name


def _instructions(code: bytes) -> list[int]:
    found, place = [], 0
    while place < len(code):
        found.append(code[place])
        place += 1 + max(0, code[place] - 0x5F if code[place] <= 0x7F else 0)
    return found
