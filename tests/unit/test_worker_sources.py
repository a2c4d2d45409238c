"""What a worker accepts as its data: any local form, held against the task before money moves."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from services.datasets import Dataset, save_idx, sha256
from services.errors import DatasetError
from services.task import Task
from worker.data import WorkerData, load_data
from worker.identity import Identity

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (12, 8, 8)).astype(np.uint8)
FEATURES = RANDOM.normal(size=(12, 3)).astype(np.float32)
LABELS = np.arange(12, dtype=np.uint8) % 3
NO_HASH = "0x" + "00" * 32


def load_from(
    private: Path, public: Path, test: Path | None, dataset_hash: str, classes: int = 3
) -> WorkerData:
    """Load a worker's data for a task of 12 samples a round."""
    nowhere = Path("nowhere")
    identity = Identity("worker", 0, nowhere, nowhere, private, public, test)
    task = Task(
        members_root=NO_HASH,
        dataset_hash=dataset_hash,
        samples_per_round=12,
        chunk_samples=256,
        classes=classes,
        max_workers=4,
    )
    return load_data(identity, task)


def as_csv(path: Path, features: np.ndarray, labels: np.ndarray | None) -> Path:
    """Write a table of three features."""
    lines = ["a,b,c" + ("" if labels is None else ",label")]
    for index, row in enumerate(features.tolist()):
        lines.append(",".join(map(repr, row)) + ("" if labels is None else f",{labels[index]}"))
    path = path.with_suffix(".csv")
    path.write_text("\n".join(lines) + "\n")
    return path


def as_npz(path: Path, samples: np.ndarray, labels: np.ndarray | None) -> Path:
    """Write an archive of images or features."""
    kind = "features" if samples.ndim == 2 else "images"
    path = path.with_suffix(".npz")
    np.savez(path, **{kind: samples}, **({} if labels is None else {"labels": labels}))  # type: ignore[arg-type]
    return path


def as_pictures(path: Path, images: np.ndarray, labels: np.ndarray | None) -> Path:
    """Write a folder of images, in class subfolders if they are labelled."""
    for index, image in enumerate(images):
        folder = path if labels is None else path / str(labels[index])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{index:02}.png")
    return path


def as_idx(path: Path, samples: np.ndarray, labels: np.ndarray | None) -> Path:
    """Write an idx folder with the same samples as both parts."""
    save_idx(path, Dataset(samples, labels))
    save_idx(path, Dataset(samples, labels), "t10k")
    return path


@pytest.mark.parametrize(
    ("write", "samples"),
    [
        (as_csv, FEATURES),
        (as_npz, FEATURES),
        (as_npz, IMAGES),
        (as_pictures, IMAGES),
        (as_idx, IMAGES),
        (as_idx, FEATURES),
    ],
)
def test_every_local_form_will_do(
    tmp_path: Path,
    write: Callable[[Path, np.ndarray, np.ndarray | None], Path],
    samples: np.ndarray,
) -> None:
    """The public set has the task's hash in each of them; a lone file is the test part too."""
    private = write(tmp_path / "private", samples, LABELS)
    public = write(tmp_path / "public", samples, None)
    data = load_from(private, public, private, sha256(samples))
    assert data.test is not None
    assert data.public.labels is None
    for dataset in (data.private, data.public, data.test):
        assert sorted(map(bytes, dataset.samples)) == sorted(map(bytes, samples))
    np.testing.assert_array_equal(data.public.samples, samples)


def test_a_table_with_other_columns_is_refused(tmp_path: Path) -> None:
    """Features in another order would be learnt as something else."""
    private = as_csv(tmp_path / "private", FEATURES, LABELS)
    public = as_csv(tmp_path / "public", FEATURES, None)
    public.write_text(public.read_text().replace("a,b,c", "c,b,a"))
    with pytest.raises(DatasetError, match=r"columns \('a', 'b', 'c'\), public ones \('c', 'b'"):
        load_from(private, public, None, sha256(FEATURES))


def test_names_of_some_classes_only_are_refused(tmp_path: Path) -> None:
    """They would be numbered otherwise than the peers number them."""
    public = as_csv(tmp_path / "public", FEATURES, None)
    private = as_csv(tmp_path / "private", FEATURES, np.array(["ash", "yew"])[LABELS // 2])
    with pytest.raises(DatasetError, match=r"names 2 classes, but the task has 3: .*classes\.txt"):
        load_from(private, public, None, sha256(FEATURES))
    (tmp_path / "classes.txt").write_text("ash\nelm\nyew\n")
    data = load_from(private, public, None, sha256(FEATURES))
    np.testing.assert_array_equal(data.private.labels, LABELS // 2 * 2)


def test_features_beside_images_are_refused(tmp_path: Path) -> None:
    """One learner cannot take both."""
    private = as_csv(tmp_path / "private", FEATURES, LABELS)
    public = as_npz(tmp_path / "public", IMAGES, None)
    with pytest.raises(DatasetError, match=r"shape \(3,\), public ones \(8, 8\)"):
        load_from(private, public, None, sha256(IMAGES))
