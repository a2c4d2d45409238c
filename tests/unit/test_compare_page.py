"""The comparison's rows, and the page that is made of them."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from experiments.compare.plots import save
from experiments.compare.tables import alone, alphas, centralised, crossing, curves

ROOT = Path(__file__).parents[2]
PAGE = runpy.run_path(str(ROOT / "docs" / "compare_page.py"))


def _run(method: str, alpha: float | None, seed: int, accuracies: list[Any], **more: Any) -> Any:
    traffic = [{"up": 1_000, "down": 3_000}] * (len(accuracies) - 1)
    base = {"traffic": traffic, "n_public": 0, "seconds": 1.0}
    named = {"method": method, "alpha": alpha, "seed": seed, "accuracies": accuracies}
    return base | named | more


NUMBERS = {
    "case": {"private": "letters", "public": "digits", "private_samples": 20_000, "epochs": 10},
    "flwr": "1.2.3",
    "runs": [
        _run("FedAvg", 100.0, 0, [[0.1], [0.5], [0.8], [0.9]]),
        _run("FedAvg", 100.0, 1, [[0.1], [0.7], [0.8], [0.9]]),
        _run("1 x 300 labels, majority", 100.0, 0, [[0.4, 0.6], [0.7, 0.8]], n_public=300),
        _run("1 x 300 labels, majority", 100.0, 1, [[0.4, 0.6], [0.6, 0.9]], n_public=300),
        _run("FedAvg", 0.1, 0, [[0.1], [0.2]]),
        _run("1 x 300 labels, majority", 0.1, 0, [[0.2, 0.3], [0.6, 0.7]], n_public=300),
        _run("centralised, 10 epochs", None, 0, [[0.95]]),
    ],
    "public_images": [{"samples": 300, "bytes": 235_200, "gzip_bytes": 46_000}],
    "networks": [{"name": "LeNet-5", "n_parameters": 61_706, "classes": 10}],
}
RECORD = {"commit": "abc", "hardware": {"cpu": "two"}, "seeds": [0, 1], "numbers": NUMBERS}


def test_curves_are_means_over_workers_and_seeds() -> None:
    """Bytes add up over the exchanges."""
    found = curves(NUMBERS)
    assert alphas(found) == [100.0, 0.1]
    fedavg, labels = found[:2]
    assert fedavg.means == pytest.approx([0.1, 0.6, 0.8, 0.9])
    assert fedavg.deviations == pytest.approx([0, 0.1, 0, 0])
    assert fedavg.traffic == [0, 4_000, 8_000, 12_000]
    assert labels.means == pytest.approx([0.5, 0.75])
    assert labels.worst == pytest.approx([0.4, 0.65])
    assert (labels.images, labels.raw_images) == (46_000, 235_200)
    assert alone(found, 0.1) == pytest.approx(0.25)
    assert [each.means for each in centralised(found)] == [[0.95]]


def test_fedavg_catches_up_where_it_is_as_accurate() -> None:
    """After two rounds at one split, never at the other."""
    even, labels, skewed, others = curves(NUMBERS)[:4]
    assert (crossing(labels, even).n_rounds, crossing(labels, even).traffic) == (2, 8_000)
    assert (crossing(others, skewed).n_rounds, crossing(others, skewed).traffic) == (None, 4_000)


def test_the_page_shows_the_numbers(tmp_path: Path) -> None:
    """Accuracy, bytes, gain per byte and the crossing can be read and recomputed."""
    path = tmp_path / "2030-01-02-compare" / "record.json"
    path.parent.mkdir()
    path.write_text(json.dumps(RECORD))
    page = PAGE["page"](path)
    row = "| 100 | 1 x 300 labels, majority | 1 | 0.7500 ± 0.0000 | 0.6500 | 1.0 | 3.0 | 46 "
    assert row + "| +625.00 | +50.00 |" in page
    assert (
        "| 100 | FedAvg | 3 | 0.9000 ± 0.0000 | 0.9000 | 3.0 | 9.0 | 0 | +333.33 | +333.33 |"
        in page
    )
    assert "| 100 | 1 x 300 labels, majority | 0.7500 | 0.9000 | 2 | 2.0 | 0.16 |" in page
    assert (
        "| 0.1 | 1 x 300 labels, majority | 0.6500 | 0.2000 | not in 1 | > 1.0 | > 0.08 |" in page
    )
    assert "- α = 100: **FedAvg ends** higher: FedAvg at 0.9000 after 3 exchanges" in page
    assert "- α = 0.1: labels end higher: FedAvg at 0.2000 after 1 exchanges" in page
    assert "| | centralised, 10 epochs | | 0.9500 |" in page
    assert "| LeNet-5 | 61,706 | 4 | 247 kB | 6 kB | 41 | 20 kB | 12 |" in page


def test_a_lead_that_seeds_undo_is_told_as_such(tmp_path: Path) -> None:
    """One more seed of FedAvg at α = 0.1 brings it to 0.6 ± 0.4, and labels have 0.65."""
    another = _run("FedAvg", 0.1, 1, [[0.1], [1.0]])
    numbers = NUMBERS | {"runs": [*NUMBERS["runs"], another]}
    path = tmp_path / "record.json"
    path.write_text(json.dumps(RECORD | {"numbers": numbers}))
    page = PAGE["page"](path)
    assert "- α = 0.1: labels end higher, by less than seeds differ: FedAvg at 0.6000" in page
    assert "- α = 100: **FedAvg ends** higher: " in page


def test_the_plots_are_drawn(tmp_path: Path) -> None:
    """Three of them."""
    save(NUMBERS, tmp_path)
    assert {each.name for each in tmp_path.iterdir()} == {
        "bytes.png",
        "rounds.png",
        "networks.png",
    }


def test_docs_compare_is_what_the_newest_record_says() -> None:
    """Run `make docs` after a new one; without a record there is no page."""
    path, written = PAGE["newest"](), ROOT / "docs" / "compare.md"
    assert written.exists() == (path is not None)
    if path is not None:
        assert written.read_text() == PAGE["page"](path)
