"""What one way of learning together comes to: accuracy after each exchange, and its bytes."""

from dataclasses import dataclass

from experiments.compare.traffic import Traffic
from services.datasets import Dataset

Data = tuple[Dataset, Dataset, Dataset]  # private of all workers, public, test


@dataclass(frozen=True)
class Run:
    """One method on one split.

    Attributes:
        method: its name in tables and plots.
        alpha: of the Dirichlet split; None where nothing is split.
        seed: of split and training.
        accuracies: on the test samples, of each worker's model or of the one that all share: before
            the first exchange and after each, [exchanges + 1][models].
        traffic: of one worker in each exchange, [exchanges].
        n_public: public samples that a worker needs, in all exchanges.
        seconds: that it took, training before the first exchange included.
    """

    method: str
    alpha: float | None
    seed: int
    accuracies: list[list[float]]
    traffic: list[Traffic]
    n_public: int
    seconds: float
