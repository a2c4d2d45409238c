"""FedAvg (McMahan et al. 2017) by Flower, on the split, network and training loop of the workers.

Flower's are the strategy, which averages, the apps, the messages and their bytes (`transport`).
"""

import logging
import random
import time
from dataclasses import dataclass

import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from torch import nn

from experiments.compare.run import Data, Run
from experiments.compare.traffic import Traffic
from experiments.compare.transport import ProcessGrid
from experiments.federation import LEAST_PRIVATE_SAMPLES
from experiments.judgements import N_WORKERS, Case
from services.datasets import Dataset, dirichlet_split
from worker.data import labels_of
from worker.model import build_model
from worker.study import accuracy
from worker.train import TrainConfig, fit, predict_probabilities


@dataclass(frozen=True)
class Problem:
    """What everybody trains, with what, and where it is measured."""

    private: list[Dataset]
    test: Dataset
    classes: int
    seed: int
    epochs: int

    def build(self, arrays: ArrayRecord | None = None) -> nn.Module:
        """A fresh LeNet-5, or the one with these weights."""
        model = build_model(self.classes, self.test.samples.shape[1:], self.seed)
        if arrays is not None:
            model.load_state_dict(arrays.to_torch_state_dict())
        return model


def average(case: Case, data: Data, n_rounds: int) -> Run:
    """Train with FedAvg: in each round every client makes `case.epochs` passes over its samples.

    A client needs no validation split, so it trains on all of its private samples.
    """
    started = time.monotonic()
    accuracies, traffic = federate(pose(case, data), n_rounds)
    return Run(
        method="FedAvg",
        alpha=case.alpha,
        seed=case.seed,
        accuracies=[[each] for each in accuracies],
        traffic=traffic,
        n_public=0,
        seconds=time.monotonic() - started,
    )


def pose(case: Case, data: Data) -> Problem:
    """The workers' problem: each has the samples that `experiments.federation.deal` deals it."""
    private, _, test = data
    labels = labels_of(private)
    split = dirichlet_split(labels, N_WORKERS, case.alpha, case.seed, LEAST_PRIVATE_SAMPLES)
    return Problem(
        private=[private.subset(part) for part in split],
        test=test,
        classes=int(labels.max()) + 1,
        seed=case.seed,
        epochs=case.epochs,
    )


def federate(problem: Problem, n_rounds: int) -> tuple[list[float], list[Traffic]]:
    """Run Flower's server app against its client app.

    Returns:
        Accuracy of the global model, [rounds + 1], and the traffic of one client, [rounds]: the
        mean of all.
    """
    torch.set_num_threads(1)
    logging.getLogger("flwr").setLevel(logging.ERROR)
    random.seed(problem.seed)  # by which Flower orders the nodes
    n_nodes = len(problem.private)
    grid = ProcessGrid(client_app(problem), n_nodes)
    accuracies: list[float] = []
    context = Context(run_id=1, node_id=0, node_config={}, state=RecordDict(), run_config={})
    server_app(problem, n_rounds, accuracies)(grid, context)
    traffic = [
        Traffic(up=_mean(grid.up[at : at + n_nodes]), down=_mean(grid.down[at : at + n_nodes]))
        for at in range(0, n_rounds * n_nodes, n_nodes)
    ]
    return accuracies, traffic


def client_app(problem: Problem) -> ClientApp:
    """What a node does with the global model."""
    app = ClientApp()

    @app.train()  # type: ignore[untyped-decorator]
    def train(message: Message, context: Context) -> Message:
        worker = int(context.node_config["partition-id"])
        own, round_number = problem.private[worker], int(message.content["config"]["server-round"])
        model = problem.build(message.content["arrays"])
        # Another order of the samples for each client and round.
        seed = (problem.seed * 1000 + round_number) * len(problem.private) + worker
        config = TrainConfig(seed=seed, epochs=problem.epochs)
        fit(model, own.samples, labels_of(own), config)
        content = {
            "arrays": ArrayRecord(model.state_dict()),
            "metrics": MetricRecord({"num-examples": len(own)}),
        }
        return Message(RecordDict(content), reply_to=message)

    return app


def server_app(problem: Problem, n_rounds: int, accuracies: list[float]) -> ServerApp:
    """Flower's FedAvg over all nodes; the global model's accuracies go into the list."""
    app = ServerApp()

    def evaluate(_: int, arrays: ArrayRecord) -> None:
        probabilities = predict_probabilities(problem.build(arrays), problem.test.samples)
        accuracies.append(accuracy(probabilities, labels_of(problem.test)))

    @app.main()  # type: ignore[untyped-decorator]
    def main(grid: Grid, _: Context) -> None:
        n_nodes = len(problem.private)
        strategy = FedAvg(
            fraction_evaluate=0.0, min_train_nodes=n_nodes, min_available_nodes=n_nodes
        )
        strategy.start(
            grid=grid,
            initial_arrays=ArrayRecord(problem.build().state_dict()),
            num_rounds=n_rounds,
            evaluate_fn=evaluate,
        )

    return app


def _mean(sizes: list[int]) -> int:
    return round(sum(sizes) / len(sizes))
