"""Folders of image files as data sets: a subfolder for each class, or images without labels.

Needs Pillow, which is optional.
"""

from pathlib import Path
from typing import Any

import numpy as np

from services.errors import DatasetError
from services.samples import Dataset, UInt8Array, make_dataset
from services.tables import read_class_names

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
# Pillow's kinds of image, and as what we read them: grey, or red, green and blue.
_MODES = {"L": "L", "1": "L", "RGB": "RGB", "P": "RGB", "RGBA": "RGB", "CMYK": "RGB", "LA": "L"}


def class_folders(folder: Path) -> list[Path]:
    """The subfolders that are classes, sorted by name."""
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


def image_files(folder: Path) -> list[Path]:
    """The image files right in a folder, sorted by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def load_pictures(folder: Path, class_names: tuple[str, ...] | None = None) -> Dataset:
    """Read a folder of class subfolders, or of images without labels.

    Classes are numbered by ``classes.txt``, or by their sorted names; an empty subfolder counts.
    Samples are sorted by class, then by file name.

    Args:
        folder: where the images are.
        class_names: the classes by number, where the caller knows them.

    Raises:
        DatasetError: there are no images, one cannot be read, they differ in size or colour, a
            subfolder is none of the classes, or Pillow is not installed.
    """
    folders = class_folders(folder)
    class_names = class_names or read_class_names(folder) or tuple(path.name for path in folders)
    if not folders:
        files = image_files(folder)
        return make_dataset(folder, _read_all(folder, files))
    files, labels = [], []
    for each in folders:
        of_class = image_files(each)
        files += of_class
        labels += [each.name] * len(of_class)
    return make_dataset(folder, _read_all(folder, files), np.array(labels), None, class_names)


def _read_all(folder: Path, files: list[Path]) -> UInt8Array:
    """uint8 [n, h, w] or [n, h, w, 3]."""
    try:
        from PIL import Image
    except ImportError as error:
        raise DatasetError(
            f"{folder}: Pillow is not installed; run `pip install 'fedserum[data]'`"
        ) from error
    if not files:
        raise DatasetError(
            f"{folder}: no images ({', '.join(SUFFIXES)}); put a subfolder for each class into it"
        )
    images: list[UInt8Array] = []
    for path in files:
        image = _read(Image, path)
        if image.shape != (images or [image])[0].shape:
            raise DatasetError(
                f"{path} has shape {list(image.shape)}, {files[0]} {list(images[0].shape)}; "
                "bring all images to the same size and colour"
            )
        images.append(image)
    return np.stack(images)


def _read(pillow: Any, path: Path) -> UInt8Array:
    try:
        with pillow.open(path) as image:
            mode = _MODES.get(image.mode)
            if mode is None:
                raise DatasetError(
                    f"{path}: pixels of kind {image.mode}; expected grey or colour with 8 bits "
                    "each; convert the image"
                )
            return np.asarray(image.convert(mode), np.uint8)
    except (OSError, SyntaxError, ValueError, pillow.DecompressionBombError) as error:
        raise DatasetError(
            f"{path}: cannot be read as an image ({error}); write it again, or remove it"
        ) from error
