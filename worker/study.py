"""A worker's learner on a worker's data: trained, kept on disk, asked for labels, distilled.

Knows files and arrays, no chain. No private sample and no weight leaves it but to `model_file`.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import structlog

from services import scoring
from services.datasets import Dataset, IndexArray, UInt8Array
from services.errors import DatasetError, JournalError
from services.samples import Classes, FloatArray
from services.settings import WorkerSettings
from services.wire import Labels, abstain
from worker.abstention import Abstention, calibrate
from worker.data import WorkerData, labels_of
from worker.journal import write_whole
from worker.learner import Learner, kind_of, make_learner
from worker.targets import Targets, make_targets

log = structlog.get_logger()

# Weights of the private samples when they are rehearsed, one after the other until the validation
# split is as well known as before; each time with as many public samples, lest those are forgotten.
# The last weight is tried again and again: after a few times all but few learners are.
REHEARSALS = (4.0, 16.0, 64.0, *[256.0] * 6)


class Study:
    """One learner from its first training to its last distillation.

    Attributes:
        n_private: number of private samples.
        model_name: what the report calls the learner.
        accuracies: top-1 accuracy 0..1 on the test samples: first after training, then after each
            round.
    """

    def __init__(
        self,
        data: WorkerData,
        settings: WorkerSettings,
        file: Path,
        abstention: Abstention | None = None,
    ) -> None:
        train, validation = split_validation(
            labels_of(data.private), settings.validation_fraction, settings.seed
        )
        self._train = data.private.subset(train)
        self._validation = data.private.subset(validation)
        self._test = data.test or self._validation
        self._public = data.public
        self._n_classes = data.n_classes
        self._file = file
        self._random = np.random.default_rng(settings.seed)
        self._targets = settings.targets
        self._abstention = abstention or Abstention(settings.abstention, cost=settings.label_cost)
        known = {"public": data.public.samples, "private": data.private.samples}
        known |= {} if data.test is None else {"test": data.test.samples}
        shape = data.private.samples.shape[1:]
        self._make_learner = partial(make_learner, data.n_classes, shape, settings, known)
        self.n_private = len(data.private)
        self.model_name = kind_of(settings.model)
        self.accuracies: list[float] = [] if not file.exists() else self._read()[0]
        self._unkept: tuple[list[float], bytes] | None = None  # learnt, and not on disk yet

    @cached_property
    def _learner(self) -> Learner:
        """Made when it is first needed: one that cannot be made keeps nobody from revealing."""
        learner = self._make_learner()
        if self.is_trained:
            with self._readable():
                learner.load(self._read()[1])
        return learner

    def prepare(self) -> None:
        """Make or load the learner now, so that what is wrong with it shows before money moves.

        Raises:
            FedserumError: as `make_learner`; JournalError if the kept one cannot be read.
        """
        _ = self._learner

    @property
    def is_trained(self) -> bool:
        """Whether the learner has seen the private data."""
        return bool(self.accuracies)

    @property
    def n_learnt(self) -> int:
        """How many rounds the learner has behind it."""
        return len(self.accuracies) - 1

    def train(self) -> None:
        """Fit the fresh learner to the private samples.

        Raises:
            JournalError: it cannot be kept; the next call tries that again, and only that.
        """
        if self._keeps_unkept():
            return
        self._learner.fit(self._train.samples, labels_of(self._train))
        self._keep(self._accuracy())

    @property
    def wants_votes(self) -> bool:
        """Whether it learns from everybody's votes, and not from the global labels alone."""
        return self._targets != "majority"

    def label(self, samples: IndexArray, frequencies: FloatArray | None = None) -> Labels:
        """The top-1 class uint16 [n] of each of the n public samples (Q_1bit of the paper).

        ABSTAIN where the abstention rule says so.

        Args:
            samples: indices of public samples, [n].
            frequencies: R(x), how often peers give each class, [C]; None: as often as this worker.
        """
        labels: Labels
        if self._abstention.rule == "none":
            labels = self._predict(samples).argmax(1).astype(np.uint16)
            return labels
        labels, certainty = self.judge(samples)
        if frequencies is None:
            frequencies = np.bincount(labels, minlength=self._n_classes) / len(labels)
        labels[~self._abstention.is_labelled(certainty, labels, frequencies)] = abstain(
            self._n_classes
        )
        return labels

    def judge(self, samples: IndexArray) -> tuple[Labels, FloatArray]:
        """The top-1 class uint16 [n] of public samples [n], and how certain it is, 0..1 (Eq. 5)."""
        probabilities = self._predict(samples)
        known = self._learner.probabilities(self._validation.samples)
        calibrated = calibrate(known, labels_of(self._validation))
        return probabilities.argmax(1).astype(np.uint16), calibrated.certainty(probabilities)

    def _predict(self, samples: IndexArray) -> FloatArray:
        """Class probabilities of public samples, [n, C]."""
        return self._learner.probabilities(self._public.samples[samples])

    def distil(
        self, samples: IndexArray, global_labels: Labels, votes: scoring.Labels | None = None
    ) -> None:
        """Learn the next round from n public samples (section 4.6), unless it does harm.

        The private samples are learnt as well, so that the learner does not forget what only it has
        seen, and rehearsed where it did; if it still is worse on the validation split than before,
        it stays as it was.

        Args:
            samples: their indices, [n].
            global_labels: the contract's majority, uint16 [n]; ABSTAIN is left out.
            votes: everybody's labels, uint16 [workers, n], if `wants_votes`.

        Raises:
            JournalError: it cannot be kept; the next call tries that again, and only that.
        """
        if self._keeps_unkept():
            return
        if votes is None or not self.wants_votes:
            # One vote each, and all agree: the paper's targets.
            votes = global_labels[None]
        found = make_targets(self._targets, votes, self._n_classes)
        if len(found.samples):
            self._learn_if_better(samples[found.samples], found)
        self._keep(self._accuracy())

    def _learn_if_better(self, samples: IndexArray, found: Targets) -> None:
        """Distil, rehearse what was forgotten, and go back to the old learner if that fails."""
        old, before = self._learner.dump(), self.validation_accuracy()
        self._learn_with_own(samples, found.targets, found.weights, 1.0)
        after, n_rehearsals = self.validation_accuracy(), 0
        for own_weight in REHEARSALS:
            if after >= before:
                break
            some = self._random.permutation(len(samples))[: len(self._train)]
            self._learn_with_own(
                samples[some], found.targets[some], found.weights[some], own_weight
            )
            after, n_rehearsals = self.validation_accuracy(), n_rehearsals + 1
        kept = "new" if after >= before else "old"
        if kept == "old":
            self._learner.load(old)
        log.info("learner_compared", before=before, after=after, rehearsals=n_rehearsals, kept=kept)

    def _learn_with_own(
        self, samples: IndexArray, targets: FloatArray, weights: FloatArray, own_weight: float
    ) -> None:
        """Distil k public samples with targets [k, C] and weights [k], and all private ones."""
        own = self._train
        self._learner.distil(
            np.concatenate([self._public.samples[samples], own.samples]),
            np.concatenate([targets, np.eye(self._n_classes, dtype=np.float32)[labels_of(own)]]),
            np.concatenate([weights, np.full(len(own), own_weight, np.float32)]),
        )

    def skip(self) -> None:
        """Leave the next round out: it was void."""
        if self._keeps_unkept():
            return
        self._keep(self.accuracies[-1])

    def validation_accuracy(self) -> float:
        """Top-1 accuracy 0..1 on the private samples that are held out from training."""
        return self._accuracy_on(self._validation)

    def validated(self) -> tuple[Labels, Labels]:
        """What it says of the k samples of its validation split, and what they are: uint16 [k]."""
        said = self._learner.probabilities(self._validation.samples).argmax(1)
        return said.astype(np.uint16), labels_of(self._validation).astype(np.uint16)

    def _accuracy(self) -> float:
        return self._accuracy_on(self._test)

    def _accuracy_on(self, dataset: Dataset) -> float:
        return accuracy(self._learner.probabilities(dataset.samples), labels_of(dataset))

    def _keep(self, accuracy: float) -> None:
        """History and learner in one file, so that no crash can tell one without the other."""
        learner, accuracies = self._learner.dump(), [*self.accuracies, accuracy]
        history = {"accuracies": accuracies, "sha256": hashlib.sha256(learner).hexdigest()}
        self._unkept = accuracies, json.dumps(history).encode() + b"\n" + learner
        self._keeps_unkept()

    def _keeps_unkept(self) -> bool:
        """Write what was learnt and could not be written, if there is any: nothing counts before.

        The learner has it already, and must not learn it twice.
        """
        if self._unkept is None:
            return False
        accuracies, content = self._unkept
        write_whole(self._file, content)
        self.accuracies, self._unkept = accuracies, None
        return True

    def _read(self) -> tuple[list[float], bytes]:
        """History and learner as they were kept."""
        with self._readable():
            line, _, learner = self._file.read_bytes().partition(b"\n")
            history = json.loads(line)
            if hashlib.sha256(learner).hexdigest() != history["sha256"]:
                raise ValueError("the file is damaged")
            return [float(each) for each in history["accuracies"]], learner

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """What goes wrong with the file is told as such."""
        try:
            yield
        except JournalError:
            raise
        except Exception as error:
            raise JournalError(
                f"{self._file} is not this worker's model ({error}); restore it, or delete it to "
                "train anew"
            ) from error


def accuracy(probabilities: FloatArray, labels: Classes) -> float:
    """Share of samples whose most probable class is their label, 0..1."""
    return float((probabilities.argmax(1) == labels).mean())


def split_validation(
    labels: UInt8Array, fraction: float, seed: int
) -> tuple[IndexArray, IndexArray]:
    """Indices to train on, and indices held out for validation; each at least one sample.

    Raises:
        DatasetError: fewer than two samples.
    """
    if len(labels) < 2:
        raise DatasetError(
            f"{len(labels)} private samples cannot be split; training and validation need one each"
        )
    order = np.random.default_rng(seed).permutation(len(labels))
    n_validation = min(max(round(fraction * len(labels)), 1), len(labels) - 1)
    return order[n_validation:], order[:n_validation]
