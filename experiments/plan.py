"""What the figures are made from: data, sizes, seeds, and what is varied.

`full` is the paper's size (section 5) wherever the paper names one; `fast` shows in a few minutes
that all of it runs, and its numbers mean nothing.
"""

from dataclasses import dataclass, replace

from experiments.judgements import Case


@dataclass(frozen=True)
class Plan:
    """One run of the figures.

    Attributes:
        private: source of the private samples, as `services.datasets.load` takes it.
        preprocessing: what every sample goes through first; the paper has nothing.
        alphas: of the Dirichlet split (section 5.1).
        seeds: each of them is an experiment of its own; error bars are over these.
        epochs: passes over the private samples.
        private_samples: of all workers together, except in Figure 4.
        samples: m, public samples, except in Figure 4.
        private_sizes: |X^priv| of Figure 4, all workers together.
        private_sizes_at: |X^pub| while |X^priv| is varied.
        public_sizes: |X^pub| of Figure 4.
        stopping: epochs of each worker of Figure 5.
        stopping_samples: of all workers together there, so few that every epoch still teaches.
        data_sizes: private samples of each worker of Figure 5: evenly spaced logarithms.
        penalties: β in Figures 5 and 6.
        few_penalties: β in Figures 7 and 8.
        thresholds: of certainty, in Figure 6.
        n_draws: how often it is drawn by lot who misbehaves, and who is in which league.
        n_rings: how often the latter is drawn in Figure 5, where everyone differs.
        test_samples: to measure accuracy on.
    """

    private: str
    preprocessing: str = "none"
    alphas: tuple[float, ...] = (100.0, 1.0, 0.1)
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 10
    private_samples: int = 20_000
    samples: int = 40_000
    private_sizes: tuple[int, ...] = (5_000, 10_000, 20_000, 40_000)
    private_sizes_at: int = 10_000
    public_sizes: tuple[int, ...] = (1_000, 4_000, 10_000, 40_000)
    stopping: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    stopping_samples: int = 5_000
    data_sizes: tuple[int, ...] = (40, 70, 120, 200, 330, 550, 920, 1_500, 2_500, 4_000)
    penalties: tuple[float, ...] = (0.0, 1.0, 3.0, 5.0, 7.0)
    few_penalties: tuple[float, ...] = (0.0, 1.0, 5.0)
    thresholds: tuple[float, ...] = (
        *(0.0, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75),
        *(0.8, 0.825, 0.85, 0.875, 0.9, 0.925, 0.95, 0.96, 0.97, 0.98, 0.99),
    )
    n_draws: int = 5
    n_rings: int = 20
    test_samples: int = 10_000

    def case(self, alpha: float, seed: int) -> Case:
        """The workers of most figures."""
        return Case(
            self.private,
            alpha=alpha,
            seed=seed,
            epochs=self.epochs,
            private_samples=self.private_samples,
            samples=self.samples,
            preprocessing=self.preprocessing,
            test_samples=self.test_samples,
        )

    def cases(self) -> list[Case]:
        """All of these."""
        return [self.case(alpha, seed) for alpha in self.alphas for seed in self.seeds]


def full(private: str, preprocessing: str) -> Plan:
    """The paper's size, on three seeds."""
    return Plan(private, preprocessing)


def fast(private: str, preprocessing: str) -> Plan:
    """Everything, small."""
    return replace(
        full(private, preprocessing),
        seeds=(0,),
        epochs=4,
        private_samples=2_000,
        samples=1_024,
        private_sizes=(1_000, 2_000),
        private_sizes_at=500,
        public_sizes=(250, 1_000),
        stopping_samples=1_000,
        data_sizes=(20, 40, 60, 80, 100, 120, 140, 160, 180, 200),
        penalties=(0.0, 1.0, 5.0),
        thresholds=(0.0, 0.4, 0.6, 0.8, 0.9),
        n_draws=1,
        n_rings=2,
        test_samples=1_000,
    )
