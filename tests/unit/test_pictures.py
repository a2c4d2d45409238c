"""Folders of image files as data sets: classes, order, colour, and what is wrong in each."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from services.datasets import UInt8Array, has_parts, load
from services.errors import DatasetError

RANDOM = np.random.default_rng(0)


def picture(path: Path, *shape: int) -> UInt8Array:
    """Write an image of random pixels; its pixels."""
    pixels = RANDOM.integers(0, 256, shape or (6, 5)).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def test_subfolders_are_classes_by_sorted_name(tmp_path: Path) -> None:
    """Samples come by class, then by file name, whatever the order in which they were made."""
    yew = picture(tmp_path / "yew" / "1.png")
    ash_2, ash_1 = picture(tmp_path / "ash" / "2.png"), picture(tmp_path / "ash" / "1.png")
    loaded = load(str(tmp_path))
    np.testing.assert_array_equal(loaded.samples, [ash_1, ash_2, yew])
    assert loaded.labels is not None
    assert loaded.labels.tolist() == [0, 0, 1]
    assert loaded.class_names == ("ash", "yew")


def test_an_empty_subfolder_is_a_class_too(tmp_path: Path) -> None:
    """Who has no image of a class numbers the others as everybody does."""
    (tmp_path / "ash").mkdir()
    picture(tmp_path / "yew" / "1.png")
    labels = load(str(tmp_path)).labels
    assert labels is not None
    assert labels.tolist() == [1]


def test_a_list_of_classes_numbers_them(tmp_path: Path) -> None:
    """`classes.txt` goes before the order of names, and knows classes without a folder."""
    picture(tmp_path / "ash" / "1.png")
    picture(tmp_path / "yew" / "1.png")
    (tmp_path / "classes.txt").write_text("yew\nfir\nash\n")
    labels = load(str(tmp_path)).labels
    assert labels is not None
    assert labels.tolist() == [2, 0]


def test_images_without_subfolders_have_no_labels(tmp_path: Path) -> None:
    """As those of a public set; files that are no images are passed over."""
    second, first = picture(tmp_path / "b.png"), picture(tmp_path / "a.png")
    (tmp_path / "LICENSE.txt").write_text("free")
    loaded = load(str(tmp_path))
    assert loaded.labels is None
    np.testing.assert_array_equal(loaded.samples, [first, second])


def test_colour_images_keep_their_channels(tmp_path: Path) -> None:
    """uint8 [n, h, w, 3]; what is transparent or has a palette becomes plain colour."""
    pixels = picture(tmp_path / "a" / "1.png", 6, 5, 3)
    Image.fromarray(pixels).convert("RGBA").save(tmp_path / "a" / "2.png")
    loaded = load(str(tmp_path))
    np.testing.assert_array_equal(loaded.samples, [pixels, pixels])


def test_a_test_part_without_some_class_is_numbered_as_the_train_part(tmp_path: Path) -> None:
    """Both parts in one folder mean the same by a class."""
    for name in ("ash", "yew"):
        picture(tmp_path / "train" / name / "1.png")
    picture(tmp_path / "test" / "yew" / "1.png")
    loaded = load(str(tmp_path), "t10k")
    assert loaded.labels is not None
    assert loaded.labels.tolist() == [1]
    picture(tmp_path / "test" / "fir" / "1.png")
    with pytest.raises(DatasetError, match="class 'fir' is none of the 2 known ones"):
        load(str(tmp_path), "t10k")


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    """Beside other vehicles it is no part."""
    picture(tmp_path / "plane" / "1.png")
    picture(tmp_path / "train" / "1.png")
    assert load(str(tmp_path)).class_names == ("plane", "train")
    assert not has_parts(str(tmp_path))


@pytest.mark.parametrize("shape", [(6, 6), (5, 6), (6, 5, 3)])
def test_images_of_several_sizes_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """With the two files that differ, in size or colour."""
    picture(tmp_path / "a" / "1.png")
    picture(tmp_path / "b" / "1.png", *shape)
    with pytest.raises(DatasetError, match=r"b/1\.png has shape .*a/1\.png \[6, 5\]; bring all"):
        load(str(tmp_path))


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    """Cut off, or no image at all."""
    picture(tmp_path / "a" / "1.png", 60, 50)
    path = tmp_path / "a" / "1.png"
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"an essay"):
        path.write_bytes(content)
        with pytest.raises(DatasetError, match=r"1\.png: cannot be read as an image"):
            load(str(tmp_path))


def test_deep_pixels_are_refused(tmp_path: Path) -> None:
    """16 bits a pixel would lose half of them."""
    (tmp_path / "a").mkdir()
    Image.fromarray(np.full((6, 5), 40_000, np.uint16)).save(tmp_path / "a" / "1.png")
    with pytest.raises(DatasetError, match=r"pixels of kind I;16; expected grey or colour"):
        load(str(tmp_path))


def test_class_folders_without_an_image_are_refused(tmp_path: Path) -> None:
    """As somebody has who copied the folders only."""
    (tmp_path / "ash").mkdir()
    with pytest.raises(DatasetError, match="no images"):
        load(str(tmp_path))
