"""`fedserum cost`: what it prints, refuses and chooses."""

import re

import pytest

from cost.__main__ import FUNCTIONS, Question, price, report, run
from cost.chunks import permitted
from cost.play import make_task, why_refused
from fedserum import main
from services.errors import ContractRevertError, CostError

SMALL = Question(1_000, 4, 10, gas_price=2.0, ether_price=3_000.0)


def _task(**fields: int) -> dict[str, int]:
    return {"samples_per_round": 40_000, "classes": 10, "chunk_samples": 256, **fields}


def test_the_table_adds_up() -> None:
    """Calls, gas, ether and money of the rows are those of the sum."""
    answer = price(SMALL)
    rows = {
        line[:10].strip(): line[10:].replace(",", "").split()
        for line in report(answer).splitlines()
        if re.match(r"\S.{9} +\d+  ", line)
    }
    assert set(rows) == {*FUNCTIONS, "a round", "in all", "kernels"}
    assert int(rows["kernels"][0]) == 2
    assert [int(rows[name][0]) for name in FUNCTIONS] == [1, 4, 4, 4, 1, 1]
    for column in (0, 1):
        parts = [int(rows[name][column]) for name in FUNCTIONS]
        assert int(rows["in all"][column]) == sum(parts)
        assert int(rows["a round"][column]) == sum(parts[2:])
    _, gas, dearest, most_bytes, ether, money = rows["in all"]
    assert float(ether) == pytest.approx(int(gas) * 2e-9, abs=1e-6)
    assert float(money) == pytest.approx(int(gas) * 6e-6, abs=0.01)
    assert int(dearest) == max(int(rows[name][2]) for name in FUNCTIONS)
    assert int(most_bytes) == max(int(rows[name][3]) for name in FUNCTIONS)


def test_rounds_after_the_second_cost_what_the_second_costs() -> None:
    """Deployment and registrations are paid once."""
    three, five = (price(Question(300, 4, 3, gas_price=1.0, rounds=n)) for n in (3, 5))
    second = sum(each.gas for each in three.played if each.round_number == 2)
    assert five.gas(*FUNCTIONS) - three.gas(*FUNCTIONS) == 2 * second
    assert five.gas("register") == three.gas("register")


def test_abstentions_and_more_classes_cost_more() -> None:
    """Weights that differ by sample have to be multiplied; every class has to be gone through."""
    plain, abstained, classes = (
        price(Question(2_048, 6, *rest)).gas("aggregate")
        for rest in ((10, 1.0), (10, 1.0, 0, None, 0.3), (40, 1.0))
    )
    assert abstained > 1.1 * plain
    assert classes > 1.5 * plain


@pytest.mark.parametrize(
    "fields",
    [
        _task(max_workers=10),
        _task(max_workers=10, classes=100),
        _task(max_workers=20, committee=2),
        _task(max_workers=16, committee=4, samples_per_round=5_000, peering=0),
    ],
)
def test_a_chosen_chunk_is_accepted_and_fewer_chunks_are_not(fields: dict[str, int]) -> None:
    """Every candidate is; with one chunk less than the fewest the contract refuses."""
    candidates = permitted(make_task(**fields))
    samples = fields["samples_per_round"]
    n_chunks = min(-(-samples // each.chunk_samples) for each in candidates)
    assert all(why_refused(each) is None for each in candidates)
    if n_chunks > 1:
        larger = -(-samples // (n_chunks - 1) // 256) * 256
        assert why_refused(make_task(**{**fields, "chunk_samples": larger})) is not None


def test_what_does_not_fit_is_refused_with_advice() -> None:
    """The contract's own words, and what to change."""
    with pytest.raises(CostError, match=r"TransactionToo.*reveal.*fewer samples.*--committee"):
        price(Question(4_000_000, 10, 10, gas_price=1.0))
    with pytest.raises(CostError, match=r"TaskOutOfBounds.*minWorkers"):
        price(Question(1_000, 3, 10, gas_price=1.0))
    with pytest.raises(ContractRevertError, match="NotMultipleOf256"):
        price(Question(1_000, 4, 10, gas_price=1.0, chunk=100))


@pytest.mark.parametrize(
    "wrong", [["--classes", "1"], ["--abstention", "1.5"], ["--gas-price", "x"], ["--peering", "2"]]
)
def test_arguments_are_checked(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and a line that says what was expected."""
    right = ["--samples", "1000", "--workers", "4", "--classes", "3", "--gas-price", "1"]
    with pytest.raises(SystemExit) as ended:
        run([*right, *wrong])
    assert ended.value.code == 2
    assert wrong[0] in capsys.readouterr().err


def test_the_command_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """As a verb of `fedserum`."""
    asked = "cost --samples 300 --workers 4 --classes 3 --gas-price 1"
    assert main(asked.split()) == 0
    assert "gas per label" in capsys.readouterr().out
    assert main([*asked.split(), "--chunk", "100"]) == 1
    assert "error: the contract refused" in capsys.readouterr().err
