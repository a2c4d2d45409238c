"""What is done to every sample before anyone learns from it: part of the task, alike for all.

Pure numpy. The task's description names it; a worker applies it to private, public and test samples
after it has checked the hash, which stays that of the raw public set.
"""

from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from services.datasets import Dataset, UInt8Array
from services.errors import DatasetError

Preprocessing = Literal["none", "box"]

# MNIST's own proportions: the glyph's longest side is 20 of 28 pixels.
GLYPH_SHARE = 20 / 28
BATCH = 4096  # images whose resampling matrices are in memory at once


def preprocess(dataset: Dataset, name: str) -> Dataset:
    """A data set as the task wants it seen; labels and order stay.

    Args:
        dataset: raw samples.
        name: ``none``, or ``box`` (`box_normalise`).

    Raises:
        DatasetError: there is no such preprocessing, or it cannot take such samples.
    """
    if name == "none":
        return dataset
    if name == "box":
        return replace(dataset, samples=box_normalise(dataset.samples))
    raise DatasetError(
        f"the task wants preprocessing {name!r}; expected {' or '.join(get_args(Preprocessing))}; "
        "use a release that knows it"
    )


def box_normalise(images: UInt8Array) -> UInt8Array:
    """Bring every glyph to one size and place, as MNIST was made (LeCun et al. 1998).

    The box around all pixels that are brighter than half the brightest one (faint edges differ from
    scanner to scanner) is scaled, keeping its aspect, until its longest side is 20/28 of the
    image's shorter one (20 pixels of 28), and the glyph's centre of mass moved to the image's
    middle. What then leaves the image is cut off; an empty image stays empty.

    Args:
        images: uint8 [n, h, w], bright on black.

    Raises:
        DatasetError: the samples are no grey images of bytes.
    """
    if images.ndim != 3 or images.dtype != np.uint8:
        raise DatasetError(
            f"box normalisation takes grey images, uint8 [n, h, w]; found {images.dtype} "
            f"{list(images.shape)}; use a task with preprocessing none"
        )
    result = np.empty_like(images)
    for start in range(0, len(images), BATCH):
        result[start : start + BATCH] = _normalise(images[start : start + BATCH])
    return result


def _normalise(images: UInt8Array) -> UInt8Array:
    pixels = images.astype(np.float32)  # [b, h, w]
    rows, columns = pixels.sum(2), pixels.sum(1)  # [b, h], [b, w]
    is_glyph = images > images.max((1, 2), keepdims=True) // 2
    side = np.maximum(_extent(is_glyph.any(2)), _extent(is_glyph.any(1)))  # [b], 0 where empty
    scale = GLYPH_SHARE * min(images.shape[1:]) / np.maximum(side, 1)
    # The map is separable, so one matrix resamples the rows and another the columns.
    vertical, horizontal = _resampling(rows, scale), _resampling(columns, scale)
    moved = vertical @ pixels @ horizontal.transpose(0, 2, 1)  # [b, h, w]
    resampled: UInt8Array = np.rint(moved).clip(0, 255).astype(np.uint8)
    return resampled


def _extent(is_on: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Length from the first to the last place that is on, [b], of [b, k]."""
    first, last = is_on.argmax(1), is_on.shape[1] - 1 - is_on[:, ::-1].argmax(1)
    return np.where(is_on.any(1), last - first + 1, 0)


def _resampling(
    sums: npt.NDArray[np.float32], scale: npt.NDArray[np.floating]
) -> npt.NDArray[np.float32]:
    """Matrices [b, k, k] that scale one axis about its centre of mass and move that to the middle.

    Linear interpolation; where it shrinks, the triangle is as wide as a new pixel, so that no old
    one is lost.
    """
    places = np.arange(sums.shape[1])
    centre = sums @ places / np.maximum(sums.sum(1), 1)  # [b]
    middle = (len(places) - 1) / 2
    source = (places - middle) / scale[:, None] + centre[:, None]  # [b, k]
    width = np.maximum(1, 1 / scale)[:, None, None]
    distance = np.abs(source[:, :, None] - places) / width  # [b, k, k]
    weights: npt.NDArray[np.float32] = (np.maximum(0, 1 - distance) / width).astype(np.float32)
    return weights
