"""The mathematics: numbers in, numbers out. No file, no model, no choice of a device."""

from apcli.registry.ranges import Numbers
from apcli.registry.tables import Row, Table

SAME = "same"  # the pruned law has what the dense one has


MEASURES = Table(
    "measure",
    (
        Row("kl", "apcli.theory.measures:kl", "KL(dense || pruned), nats", "Kullback & Leibler 1951"),
        Row("reverse-kl", "apcli.theory.measures:reverse_kl", "KL(pruned || dense), nats", "Kullback & Leibler 1951"),
        Row("jeffreys", "apcli.theory.measures:jeffreys", "the sum of both KL, nats", "Jeffreys 1946"),
        Row(
            "renyi",
            "apcli.theory.measures:renyi",
            "Renyi divergence of order alpha (0 < alpha, not 1) of dense from pruned, nats",
            "Renyi 1961; van Erven & Harremoes 2014, arXiv:1206.2459",
            (),
            {"alpha": 0.5},
            ranges={"alpha": Numbers(0, over=True, but=(1,))},
        ),
        Row(
            "bhattacharyya",
            "apcli.theory.measures:bhattacharyya",
            "-log of the Bhattacharyya coefficient, nats",
            "Bhattacharyya 1943",
        ),
        Row(
            "hellinger",
            "apcli.theory.measures:hellinger",
            "Hellinger distance sqrt(1 - Bhattacharyya coefficient), in [0, 1]",
            "Hellinger 1909",
        ),
        Row("tv", "apcli.theory.measures:tv", "total variation, in [0, 1]", "arXiv:2403.00155, Definition 4"),
        Row("js", "apcli.theory.measures:js", "Jensen-Shannon divergence, nats, at most log 2", "Lin 1991"),
        Row("w2", "apcli.theory.measures:w2", "2-Wasserstein distance, in units of the weights", "Villani 2009"),
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
