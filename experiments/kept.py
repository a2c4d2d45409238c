"""Results on disk, each under a name that follows from all it depends on but the code.

So an experiment that was interrupted goes on where it was. Whoever changes what is computed removes
the folder (`results/cache`).
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

CACHE = Path("results") / "cache"

Arrays = dict[str, npt.NDArray[Any]]


def kept(
    kind: str, key: Any, make: Callable[[], Mapping[str, npt.ArrayLike]], cache: Path = CACHE
) -> Arrays:
    """Arrays by name: read, or made and kept.

    Args:
        kind: what they are, in one word.
        key: a dataclass with everything they depend on.
        make: makes them.
        cache: where they are.
    """
    path = path_of(kind, key, cache)
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        # Under another name first, so that no interruption leaves half a file.
        temporary = path.with_suffix(f".{os.getpid()}.npz")
        arrays = {name: np.asarray(value) for name, value in make().items()}
        np.savez_compressed(temporary, allow_pickle=False, **arrays)
        temporary.replace(path)
    with np.load(path) as content:
        return dict(content)


def path_of(kind: str, key: Any, cache: Path = CACHE) -> Path:
    """The file of a result."""
    text = json.dumps(asdict(key), sort_keys=True)
    return cache / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.npz"
