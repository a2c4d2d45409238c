"""What a participant brings to a federation: a learner, any object with these methods.

A class of your own needs to import nothing from here: name it as ``module:Object`` and see that it
has the methods of `Learner` (docs/learners.md). Samples are numpy arrays as the data sets have
them, uint8 images [n, h, w] or [n, h, w, c], or float32 features [n, f].
"""

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from services.errors import FedserumError, LearnerError, SettingsError
from services.samples import Classes, FloatArray, SampleArray
from services.settings import PREFIX, WorkerSettings

NETWORKS = ("lenet", "mlp", "resnet18")
FILES = "files:"
METHODS = ("fit", "probabilities", "distil", "dump", "load")
ROW_SUM_TOLERANCE = 1e-3


class Learner(Protocol):
    """One model that learns from labels and is asked for class probabilities."""

    def fit(self, samples: SampleArray, labels: Classes) -> None:
        """Learn the private samples [n, ...] with their classes [n], from scratch."""

    def probabilities(self, samples: SampleArray) -> FloatArray:
        """Class probabilities [n, C] of samples [n, ...]; rows sum to 1."""

    def distil(self, samples: SampleArray, targets: FloatArray, weights: FloatArray) -> None:
        """Learn on: samples [n, ...], what they should get [n, C], and how much it counts [n].

        Rows of the targets sum to 1. The worker's own private samples are among them.
        """

    def dump(self) -> bytes:
        """Everything that is needed to go on after a restart."""

    def load(self, data: bytes) -> None:
        """Become what was dumped."""


def make_learner(
    n_classes: int,
    sample_shape: tuple[int, ...],
    settings: WorkerSettings,
    known: Mapping[str, SampleArray] | None = None,
) -> Learner:
    """The learner that the settings name, fresh, and checked at every call.

    Args:
        n_classes: C.
        sample_shape: of one sample, [h, w], [h, w, c] or [f].
        settings: its name, its seed and how long to train.
        known: the samples of the public, private and test sets, by these names: what `files:` has
            predictions of.

    Raises:
        SettingsError: there is none of that name.
        LearnerError: it cannot be imported or made, or lacks a method.
        DatasetError: it cannot take such samples.
    """
    name = settings.model
    learner: Learner
    if name in NETWORKS:
        from worker.networks import Network

        learner = Network(name, n_classes, sample_shape, settings)
    elif name == "forest":
        from worker.forest import Forest

        learner = Forest(n_classes, settings.seed, settings.threads)
    elif name.startswith(FILES):
        from worker.files import FileLearner

        learner = FileLearner(Path(name.removeprefix(FILES)).expanduser(), n_classes, known or {})
    elif ":" in name:
        learner = _own_learner(name, n_classes, sample_shape, settings.seed)
    else:
        raise SettingsError(
            f"there is no model {name!r}: expected {', '.join(NETWORKS)}, forest, files:<folder> "
            f"or module:object; set {PREFIX}MODEL"
        )
    return CheckedLearner(learner, name, n_classes)


def kind_of(model: str) -> str:
    """What the report and the log call a learner: without the folder that `files:` names."""
    return "files" if model.startswith(FILES) else model


class CheckedLearner:
    """A learner whose failures and answers are told in words, whoever wrote it.

    What it is given it may read only, so that no learner changes the worker's data.
    """

    def __init__(self, learner: Learner, name: str, n_classes: int) -> None:
        self._learner = learner
        self._name = name
        self._n_classes = n_classes

    def fit(self, samples: SampleArray, labels: Classes) -> None:
        """As `Learner.fit`."""
        self._call("fit", _read_only(samples), _read_only(labels))

    def probabilities(self, samples: SampleArray) -> FloatArray:
        """As `Learner.probabilities`.

        Raises:
            LearnerError: it failed, or what it returned are no probabilities.
        """
        found = self._call("probabilities", _read_only(samples))
        expected = (len(samples), self._n_classes)
        try:
            rows = np.asarray(found)
        except Exception as error:  # whatever an object of somebody else's does
            raise self._wrong("probabilities", "an array", f"{type(found).__name__}") from error
        if rows.shape != expected:
            raise self._wrong("probabilities", f"shape {expected}", f"shape {rows.shape}")
        if rows.dtype.kind != "f":
            raise self._wrong("probabilities", "floats", f"{rows.dtype}")
        for is_wrong, wanted in ((~np.isfinite(rows), "finite numbers"), (rows < 0, "0 or more")):
            if is_wrong.any():
                row, column = (int(index) for index in np.argwhere(is_wrong)[0])
                found = f"{rows[row, column]} in row {row}, column {column}"
                raise self._wrong("probabilities", wanted, found)
        sums = rows.sum(1, dtype=np.float64)
        is_off = np.abs(sums - 1) > ROW_SUM_TOLERANCE
        if is_off.any():
            row = int(is_off.argmax())
            raise self._wrong(
                "probabilities", "rows that sum to 1", f"a sum of {sums[row]:.6g} in row {row}"
            )
        return rows

    def distil(self, samples: SampleArray, targets: FloatArray, weights: FloatArray) -> None:
        """As `Learner.distil`."""
        self._call("distil", *map(_read_only, (samples, targets, weights)))

    def dump(self) -> bytes:
        """As `Learner.dump`."""
        found = self._call("dump")
        if not isinstance(found, bytes):
            raise self._wrong("dump", "bytes", type(found).__name__)
        return found

    def load(self, data: bytes) -> None:
        """As `Learner.load`."""
        self._call("load", data)

    def _call(self, method: str, *arguments: object) -> Any:
        try:
            return getattr(self._learner, method)(*arguments)
        except FedserumError:
            raise
        except Exception as error:
            raise LearnerError(
                f"{self._name}: {method} failed with {_words_of(error)} "
                f"({_place_of(error)}); expected it to return. Correct it and start the worker "
                "again: it goes on from what is on disk, which has not been touched"
            ) from error

    def _wrong(self, method: str, expected: str, found: str) -> LearnerError:
        return LearnerError(
            f"{self._name}: {method} returned {found}, expected {expected}"
            f"{' [samples, classes]' if expected.startswith('shape') else ''}. Correct it and "
            "start the worker again: it goes on from what is on disk, which has not been touched"
        )


def _own_learner(name: str, n_classes: int, sample_shape: tuple[int, ...], seed: int) -> Learner:
    """A participant's own: ``package.module:Object``, called with what `make_learner` knows."""
    module_name, _, object_name = name.partition(":")
    if (folder := os.getcwd()) not in sys.path:
        sys.path.append(folder)  # the command's own path is where it is installed
    try:
        make: Callable[..., Learner] = getattr(importlib.import_module(module_name), object_name)
    except Exception as error:
        raise LearnerError(
            f"{PREFIX}MODEL={name} cannot be imported ({_words_of(error)}); expected "
            f"an object {object_name or '<name>'} in a module {module_name or '<name>'} that is "
            f"installed, below {folder}, or on PYTHONPATH"
        ) from error
    try:
        learner = make(n_classes=n_classes, sample_shape=sample_shape, seed=seed)
    except Exception as error:
        raise LearnerError(
            f"{name}: calling it failed with {_words_of(error)} "
            f"({_place_of(error)}); expected {object_name}(n_classes={n_classes}, "
            f"sample_shape={sample_shape}, seed={seed}) to give a learner; correct it and start "
            "the worker again"
        ) from error
    missing = [method for method in METHODS if not callable(getattr(learner, method, None))]
    if missing:
        raise LearnerError(
            f"{name} has no method {', '.join(missing)}; expected {', '.join(METHODS)}; add what "
            "is missing (docs/learners.md) and start the worker again"
        )
    return learner


def _place_of(error: Exception) -> str:
    """File and line that an exception came from: the command shows no traceback."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "in no file"
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def _words_of(error: Exception) -> str:
    """Kind and message in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
