"""Results are made once and then read, whatever interrupts the making."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from experiments.kept import Arrays, kept, path_of


@dataclass(frozen=True)
class Key:
    """What a result depends on."""

    seed: int = 0
    sizes: tuple[int, ...] = (1, 2)


def test_a_result_is_made_once_for_each_key(tmp_path: Path) -> None:
    """The second time it is read; another field or kind is another result."""
    made: list[str] = []

    def make(name: str) -> Arrays:
        made.append(name)
        return {"values": np.arange(3), "share": np.array(0.5)}

    for kind, key in (("a", Key()), ("a", Key()), ("a", Key(1)), ("b", Key()), ("a", Key(0, (1,)))):
        found = kept(kind, key, lambda kind=kind, key=key: make(f"{kind}{key}"), tmp_path / "cache")
        assert found["values"].tolist() == [0, 1, 2]
        assert float(found["share"]) == 0.5
    assert len(made) == len(set(made)) == 4
    assert len(list((tmp_path / "cache").iterdir())) == 4


def test_an_interrupted_result_is_made_again(tmp_path: Path) -> None:
    """What failed leaves no file under the result's name."""

    def fail() -> Arrays:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept("a", Key(), fail, tmp_path)
    assert not path_of("a", Key(), tmp_path).exists()
    assert kept("a", Key(), lambda: {"one": np.ones(1)}, tmp_path)["one"] == [1]
