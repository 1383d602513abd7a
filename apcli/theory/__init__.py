"""The mathematics: from numbers to numbers, without models."""

from dataclasses import dataclass

from apcli.registry.ranges import Numbers
from apcli.registry.tables import Row, Table

SAME = "same"  # the pruned distribution's parameter equals the dense one's


@dataclass(frozen=True, kw_only=True)
class MeasureRow(Row):
    """A measure: its function computes a number from the exact quantities of a ``measures.Pair``.

    Args:
        unit: of its values, as an axis label.
        defined: the pairs of distributions for which it exists; its function raises ``NotDefined`` for others.
        drawn: its Monte Carlo functional (see ``sampling.functionals``); empty if it is no average over draws.
        sample_error: for predictions, computes its standard error from a ``categorical.PerSample``; empty if it is the
            mean over the samples, whose error is known.
        bounds_tv: whether it is KL(dense || pruned), whose value bounds total variation.
    """

    unit: str = "nats"
    defined: str = "all pairs; infinite where a tail is too heavy for the other"
    drawn: str = ""
    sample_error: str = ""
    bounds_tv: bool = False

    @property
    def targets(self) -> tuple[str, ...]:
        """All functions that the row names as text."""
        return tuple(filter(None, (self.target, self.drawn, self.sample_error)))


MEASURES = Table(
    "measure",
    (
        MeasureRow(
            "kl",
            "apcli.theory.measures:kl",
            "KL(dense || pruned), nats",
            "Kullback & Leibler 1951",
            drawn="apcli.theory.sampling.functionals:kl",
            bounds_tv=True,
            synonyms=("ap3", "kld", "kullback-leibler"),
        ),
        MeasureRow(
            "reverse-kl",
            "apcli.theory.measures:reverse_kl",
            "KL(pruned || dense), nats",
            "Kullback & Leibler 1951",
            drawn="apcli.theory.sampling.functionals:reverse_kl",
        ),
        MeasureRow(
            "jeffreys",
            "apcli.theory.measures:jeffreys",
            "the sum of both KL, nats",
            "Jeffreys 1946",
            drawn="apcli.theory.sampling.functionals:jeffreys",
        ),
        MeasureRow(
            "renyi",
            "apcli.theory.measures:renyi",
            "Renyi divergence of order alpha (0 < alpha, not 1) of dense from pruned, nats",
            "Renyi 1961; van Erven & Harremoes 2014, arXiv:1206.2459",
            (),
            {"alpha": 0.5},
            ranges={"alpha": Numbers(0, over=True, but=(1,))},
            drawn="apcli.theory.sampling.functionals:renyi",
        ),
        MeasureRow(
            "bhattacharyya",
            "apcli.theory.measures:bhattacharyya",
            "-log of the Bhattacharyya coefficient, nats",
            "Bhattacharyya 1943",
            drawn="apcli.theory.sampling.functionals:bhattacharyya",
            defined="all pairs",
        ),
        MeasureRow(
            "hellinger",
            "apcli.theory.measures:hellinger",
            "Hellinger distance sqrt(1 - Bhattacharyya coefficient), in [0, 1]",
            "Hellinger 1909",
            unit="Hellinger distance",
            defined="all pairs",
            drawn="apcli.theory.sampling.functionals:hellinger",
            sample_error="apcli.theory.distributions.categorical:hellinger_error",
        ),
        MeasureRow(
            "tv",
            "apcli.theory.measures:tv",
            "total variation, in [0, 1]",
            "arXiv:2403.00155, Definition 4",
            unit="total variation",
            defined="all pairs",
            drawn="apcli.theory.sampling.functionals:tv",
            synonyms=("total-variation",),
        ),
        MeasureRow(
            "js",
            "apcli.theory.measures:js",
            "Jensen-Shannon divergence, nats, at most log 2",
            "Lin 1991",
            defined="all pairs",
            drawn="apcli.theory.sampling.functionals:js",
            synonyms=("jensen-shannon", "jsd"),
        ),
        MeasureRow(
            "w2",
            "apcli.theory.measures:w2",
            "2-Wasserstein distance, in units of the weights",
            "Villani 2009",
            unit="distance",
            defined="pairs whose scale matrices are known; not predictions, whose labels have no distance",
            synonyms=("wasserstein", "wasserstein-2"),
        ),
    ),
)

ESTIMATORS = Table(
    "estimator",
    (
        Row(
            "exact",
            "apcli.theory.measures:exact",
            "closed form or quadrature; where there is none, mc, and the record says so",
            "theory/distributions/gaussian.py, student_t.py, laplace.py, cauchy.py, categorical.py",
        ),
        Row(
            "mc",
            "apcli.theory.sampling.monte_carlo:estimate",
            "Monte Carlo over the few scalars that the density ratio depends on",
            "theory/sampling/monte_carlo.py",
        ),
        Row(
            "mc-naive",
            "apcli.theory.sampling.naive:estimate",
            "Monte Carlo over whole vectors drawn with Pyro, as published",
            "arXiv:2403.00155, section 5.3",
        ),
    ),
)
