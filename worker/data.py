"""What one worker learns from: loaded and checked, before torch is and before money moves."""

from dataclasses import dataclass

from services.datasets import Dataset, LabelArray, load_local, require_alike, sha256
from services.errors import DatasetError
from services.preprocessing import preprocess
from services.task import Task
from worker.identity import Identity


@dataclass(frozen=True)
class WorkerData:
    """What one worker has.

    Attributes:
        private: labelled samples that only it has.
        public: the federation's samples, without labels.
        test: labelled samples to measure accuracy on; None: the validation split.
        n_classes: the task's number of classes, C.

    Raises:
        DatasetError: labels are missing or no class, or samples differ in shape or columns.
    """

    private: Dataset
    public: Dataset
    test: Dataset | None
    n_classes: int

    def __post_init__(self) -> None:
        for name, dataset in (("private", self.private), ("test", self.test)):
            if dataset is not None and dataset.labels is None:
                raise DatasetError(f"the {name} data set has no labels; add its labels file")
        for name, other in (("public", self.public), ("test", self.test)):
            if other is not None:
                require_alike("private samples", self.private, f"{name} ones", other)
        names = self.private.class_names
        if names is not None and len(names) != self.n_classes:
            raise DatasetError(
                f"the private data set names {len(names)} classes, but the task has "
                f"{self.n_classes}: list all of them in classes.txt beside it, in the task's order"
            )
        largest = int(labels_of(self.private).max())
        if largest >= self.n_classes:
            raise DatasetError(
                f"the private data set has a label {largest}, but the task has {self.n_classes} "
                f"classes: expected labels 0 to {self.n_classes - 1}; relabel it"
            )


def load_data(identity: Identity, task: Task, preprocessing: str = "none") -> WorkerData:
    """Read a worker's folders or files, hold them against the task and preprocess them as it says.

    Args:
        identity: whose folders.
        task: the contract's; its hash is that of the raw public set.
        preprocessing: from the task's description.

    Raises:
        DatasetError: one of them is missing, empty or malformed, they do not fit together, the
            public set is not the task's or too small, or a private label is none of its classes.
    """
    public = load_local(identity.public_data)
    found = sha256(public.samples)
    if found != task.dataset_hash:
        raise DatasetError(
            f"{identity.public_data} is not the task's public data set: expected SHA-256 "
            f"{task.dataset_hash}, found {found}; get the set that {task.uri[:80]} describes"
        )
    if len(public) < task.samples_per_round:
        raise DatasetError(
            f"{identity.public_data} has {len(public)} samples, but a round labels "
            f"{task.samples_per_round}; use a larger public set, or a task with fewer samples"
        )
    private = load_local(identity.private_data)
    test = None if identity.test_data is None else load_local(identity.test_data, "t10k")
    return WorkerData(
        private=preprocess(private, preprocessing),
        public=preprocess(public, preprocessing),
        test=None if test is None else preprocess(test, preprocessing),
        n_classes=task.classes,
    )


def labels_of(dataset: Dataset) -> LabelArray:
    """The labels of a set that `WorkerData` has checked."""
    if dataset.labels is None:
        raise DatasetError("this data set has no labels; add its labels file")
    return dataset.labels
