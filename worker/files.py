"""Labels or probabilities that some other system made, as files in a folder.

``public.npy`` holds class codes [n] or probabilities [n, C] of the public samples in the task's
order; ``private.npy`` and ``test.npy``, if they are there, let the worker know how good they are.
Files are read each time labels are asked for, so that the other system may replace them.
"""

import io
import json
import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

import numpy as np
import structlog

from services.errors import LearnerError
from services.samples import UNREADABLE_ARRAY, Classes, FloatArray, SampleArray

log = structlog.get_logger()

PUBLIC = "public"


class FileLearner:
    """What another system predicts, and what it should learn.

    Args:
        folder: with the predictions; what was voted is written there.
        n_classes: C.
        known: samples [n, ...] of the public set, and of other sets that may be asked for, by the
            names of their files.

    Raises:
        LearnerError: there is no such folder, or no predictions of the public set in it.
    """

    def __init__(self, folder: Path, n_classes: int, known: Mapping[str, SampleArray]) -> None:
        if not folder.is_dir():
            raise LearnerError(
                f"files:{folder}: there is no such folder; make it, and put {PUBLIC}.npy into it"
            )
        self._folder = folder
        self._n_classes = n_classes
        self._sizes = {name: len(samples) for name, samples in known.items()}
        self._place: dict[bytes, tuple[str, int]] = {}
        for name, samples in known.items():
            for index, sample in enumerate(samples):
                self._place.setdefault(_digest(sample), (name, index))
        self._n_distilled = 0
        self._read(PUBLIC)

    def fit(self, samples: SampleArray, labels: Classes) -> None:
        """Nothing: the other system has learnt them already."""

    def probabilities(self, samples: SampleArray) -> FloatArray:
        """What the files say of these samples, which must be of the sets that it knows.

        Without a file for a set other than the public one every class is as probable, and the
        worker takes itself for one that guesses.

        Raises:
            LearnerError: a file is missing or malformed, or a sample is of none of the sets.
        """
        found = np.empty((len(samples), self._n_classes), np.float32)
        tables: dict[str, FloatArray] = {}
        for row, sample in enumerate(samples):
            place = self._place.get(_digest(sample))
            if place is None:
                raise LearnerError(
                    f"files:{self._folder}: asked for a sample that is in none of the sets "
                    f"{', '.join(self._sizes)}; expected samples as they were when the worker "
                    "started: start it again"
                )
            name, index = place
            if name not in tables:
                tables[name] = self._read(name)
            found[row] = tables[name][index]
        return found

    def distil(self, samples: SampleArray, targets: FloatArray, weights: FloatArray) -> None:
        """Write ``targets-<round>.npz`` for the other system: samples, targets, weights.

        Beside the samples [n, ...], targets [n, C] and weights [n] it says of each sample which set
        it is of (`sets` [n]) and at which place there (`indices` [n]).
        """
        places = [self._place.get(_digest(sample), ("", -1)) for sample in samples]
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            samples=samples,
            targets=targets,
            weights=weights,
            sets=np.array([name for name, _ in places], str),
            indices=np.array([index for _, index in places], np.int64),
        )
        path = self._folder / f"targets-{self._n_distilled + 1}.npz"
        temporary = path.with_name(path.name + ".new")
        try:
            with os.fdopen(
                os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb"
            ) as file:
                file.write(buffer.getvalue())
            temporary.replace(path)
        except OSError as error:
            raise LearnerError(
                f"files:{self._folder}: cannot write {path.name} ({error.strerror}); free space or "
                "change the permissions, then start the worker again"
            ) from error
        self._n_distilled += 1
        log.info("targets_written", file=str(path), samples=len(samples))

    def dump(self) -> bytes:
        """How often it has written targets: all else is in the folder."""
        return json.dumps({"distilled": self._n_distilled}).encode()

    def load(self, data: bytes) -> None:
        """Go on counting."""
        self._n_distilled = int(json.loads(data)["distilled"])

    def _read(self, name: str) -> FloatArray:
        """Probabilities [n, C] of one set, from its file."""
        path, n_samples = self._folder / f"{name}.npy", self._sizes.get(name, 0)
        try:
            found = np.load(path, allow_pickle=False)
        except FileNotFoundError as error:
            if name != PUBLIC:
                log.warning("predictions_missing", file=str(path), samples=n_samples)
                return np.full((n_samples, self._n_classes), 1 / self._n_classes, np.float32)
            raise self._wrong(path, n_samples, "no such file") from error
        except UNREADABLE_ARRAY as error:
            raise self._wrong(path, n_samples, f"no such array ({error})") from error
        if not isinstance(found, np.ndarray):
            raise self._wrong(path, n_samples, "an archive of several arrays")
        if found.shape == (n_samples,) and found.dtype.kind in "iu":
            if n_samples and not 0 <= int(found.min()) <= int(found.max()) < self._n_classes:
                codes = f"codes {found.min()} to {found.max()}"
                raise self._wrong(path, n_samples, codes)
            return np.eye(self._n_classes, dtype=np.float32)[found]
        if found.shape != (n_samples, self._n_classes) or found.dtype.kind != "f":
            raise self._wrong(path, n_samples, f"{found.dtype} {list(found.shape)}")
        # CheckedLearner looks at the numbers themselves, at those that are asked for.
        return found

    def _wrong(self, path: Path, n_samples: int, found: str) -> LearnerError:
        return LearnerError(
            f"{path}: expected class codes (integers 0 to {self._n_classes - 1}) [{n_samples}], or "
            f"probabilities (floats) [{n_samples}, {self._n_classes}], in the order of the set; "
            f"found {found}; write it with numpy.save and start the worker again"
        )


def _digest(sample: SampleArray) -> bytes:
    return blake2b(np.ascontiguousarray(sample).tobytes(), digest_size=16).digest()
