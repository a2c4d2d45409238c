"""How large the study is: as the paper's Figures 7 and 8, or small enough for a test."""

from dataclasses import dataclass, replace

from experiments.judgements import Case
from experiments.limits.two_rounds import Setting

# What is learnt between two rounds (FEDSERUM_TARGETS): the default, and what is recommended.
TARGETS = ("majority", "corrected")


@dataclass(frozen=True)
class Plan:
    """One run of the study.

    Attributes:
        private: source of the private samples, as `services.datasets.load` takes it.
        preprocessing: what every sample goes through first; the paper has nothing.
        alphas: of the Dirichlet split (section 5.1).
        seeds: each trains workers of its own.
        epochs: passes over the private samples.
        private_samples: of all workers together.
        samples: m, public samples.
        draws: how often it is drawn who does what and who is in which league.
        frequent_shares: of the frequent class in the imbalanced public sets.
    """

    private: str
    preprocessing: str = "none"
    alphas: tuple[float, ...] = (100.0, 1.0, 0.1)
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 10
    private_samples: int = 20_000
    samples: int = 40_000
    draws: int = 10
    frequent_shares: tuple[float, ...] = (0.1, 0.5, 0.7, 0.9)

    def case(self, alpha: float, seed: int) -> Case:
        """The workers of one α and seed."""
        return Case(
            self.private,
            alpha=alpha,
            seed=seed,
            epochs=self.epochs,
            private_samples=self.private_samples,
            samples=self.samples,
            preprocessing=self.preprocessing,
        )

    def setting(self, alpha: float, seed: int, targets: str) -> Setting:
        """Two rounds of these."""
        return Setting(self.case(alpha, seed), targets, self.frequent_shares)


def fast(plan: Plan) -> Plan:
    """Shows that all of it runs; its numbers mean little."""
    return replace(plan, seeds=(0,), private_samples=4_000, samples=2_000, draws=2)
