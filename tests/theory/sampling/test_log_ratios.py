"""Log-ratios at random points at the ends of the degrees of freedom: means within their standard errors."""

import math

import numpy as np
import pytest
import torch

from apcli.theory import MEASURES
from apcli.theory.distributions.shifts import Shift
from apcli.theory.distributions.student_t import StudentTPair
from apcli.theory.sampling.log_ratios import antithetic
from apcli.theory.sampling.monte_carlo import estimate

INF = math.inf
ENDS = [  # df, pruned df, dimension, shift, log of the relative eigenvalue
    (0.01, 0.02, 2, 0.0, 0.0),
    (1e-3, 0.01, 100, 1.0, 0.0),
    (1e-3, 1e-3, 100, 1e3, 27.0),
    (1e15, 1e20, 100, 1.0, 0.3),
    (1e8, 1e9, 10**4, 0.0, 0.0),
    (1e300, 1e280, 10, 0.5, 0.0),
    (1e20, INF, 10, 0.5, 0.01),
]


def laws(df, pruned_df, dim, delta, log_eigenvalue):
    return StudentTPair(Shift(np.array([log_eigenvalue]), np.array([dim]), np.array([delta]), delta), df, pruned_df)


@pytest.mark.parametrize("case", ENDS)
def test_means_meet_the_exact_values(case):
    """Once some were wrong by thousands of their standard errors."""
    pair = laws(*case)
    for name in ("kl", "reverse-kl", "bhattacharyya", "hellinger"):
        measure = MEASURES.parse(name)
        exact, found = measure(pair), estimate(pair, measure, 20_000, 1, 3, "cpu")
        assert abs(found.value - exact) < 4.5 * found.std_error + 1e-12 * exact


@pytest.mark.parametrize(
    ("case", "tv"),  # mpmath: half the integral of |p - q| over log |z|
    [(ENDS[0], 0.24827), ((1e-3, 0.01, 100, 0.0, 0.0), 0.69634), ((1e15, 1e20, 100, 0.0, 0.02), 0.056278)],
)
def test_total_variation_has_no_other_way_between_unequal_laws(case, tv):
    found = estimate(laws(*case), MEASURES.parse("tv"), 40_000, 1, 0, "cpu")
    assert abs(found.value - tv) < 4.5 * found.std_error + 1e-5


def test_few_degrees_of_freedom_do_not_underflow():
    """log q / p of far points is -(df difference) / 2 log |z|: exponential, of mean and deviation 1 by 1."""
    pair = laws(1e-3, 2e-3, 1, 0.0, 0.0)
    ratios = torch.cat(list(antithetic(pair, 40_000, torch.Generator().manual_seed(0))))[:, 0]
    assert torch.isfinite(ratios).all()
    assert ratios.max() > 7  # (2e-3 - 1e-3) / 2 log |z|^2, for log |z|^2 up to 2 log(20000) / 1e-3: floats end at 1e308
    assert abs(float(ratios.std()) - 1) < 0.05
