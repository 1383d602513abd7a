"""Log-ratios at random points: means within their standard errors at the ends of the degrees of freedom, and blocks."""

import math

import numpy as np
import pytest
import torch
from pairs import estimate, product, z_score

from apcli.projections import DISTRIBUTIONS
from apcli.theory import MEASURES
from apcli.theory.distributions.gaussian import GaussianPair
from apcli.theory.distributions.shifts import Shift
from apcli.theory.distributions.student_t import StudentTPair
from apcli.theory.sampling import log_ratios

INF = math.inf
CPU = torch.device("cpu")
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


@pytest.mark.slow
@pytest.mark.parametrize("case", ENDS)
def test_means_meet_the_exact_values(case):
    """Once some were wrong by thousands of their standard errors."""
    pair = laws(*case)
    for name in ("kl", "reverse-kl", "bhattacharyya", "hellinger"):
        measure = MEASURES.parse(name)
        exact, found = measure(pair), estimate(pair, name, 20_000, seed=3)
        assert abs(found.value - exact) < 4.5 * found.std_error + 1e-12 * exact


@pytest.mark.parametrize(
    ("case", "tv"),  # mpmath: half the integral of |p - q| over log |z|
    [(ENDS[0], 0.24827), ((1e-3, 0.01, 100, 0.0, 0.0), 0.69634), ((1e15, 1e20, 100, 0.0, 0.02), 0.056278)],
)
def test_total_variation_has_no_other_way_between_unequal_laws(case, tv):
    found = estimate(laws(*case), "tv")
    assert abs(found.value - tv) < 4.5 * found.std_error + 1e-5


def test_few_degrees_of_freedom_do_not_underflow():
    """log q / p of far points is -(df difference) / 2 log |z|: exponential, of mean and deviation 1 by 1."""
    pair = laws(1e-3, 2e-3, 1, 0.0, 0.0)
    ratios = torch.cat(list(log_ratios.antithetic(pair, 10_000, torch.Generator().manual_seed(0))))[:, 0]
    assert torch.isfinite(ratios).all()
    assert ratios.max() > 7  # (2e-3 - 1e-3) / 2 log |z|^2, for log |z|^2 up to 2 log(20000) / 1e-3: floats end at 1e308
    assert abs(float(ratios.std()) - 1) < 0.05


@pytest.mark.parametrize("family", ["laplace", "cauchy"])
def test_a_wide_product_is_summed_part_by_part(family):
    wide = product(family, np.full(2 * log_ratios.block_of(CPU) + 5, 5e-3))
    assert abs(z_score(estimate(wide, samples=32), wide.kl())) < 4


@pytest.mark.parametrize("width", [1, 3, 100, 10**6])
def test_blocks_are_small_and_lose_no_row(width):
    blocks = list(log_ratios.block_sizes(1001, width, 2**14))
    assert sum(blocks) == 1001
    assert max(blocks) * width <= max(2**14, width)


def test_a_block_is_as_large_as_the_device_likes(monkeypatch):
    """On CUDA 256 times as large as on a CPU: a block costs some 20 launches there, whatever its size."""
    assert (log_ratios.block_of(CPU), log_ratios.block_of(torch.device("cuda:0"))) == (2**14, 2**22)
    pairs = GaussianPair(Shift.of_one_scale(0.5, 100)), *(product(name, [0.5] * 40) for name in ("laplace", "cauchy"))
    for pair in pairs:
        rows = []
        for block in (2**12, 2**14):
            monkeypatch.setitem(log_ratios._BLOCKS, "cpu", block)
            drawn = log_ratios.antithetic(pair, 40_000, torch.Generator().manual_seed(0))
            rows.append(max(len(ratios) for ratios in drawn))
        assert rows[1] / rows[0] == pytest.approx(4, rel=0.1)


def test_the_families_drawn_are_those_of_the_table():
    drawn = {"gaussian", "student-t", "laplace", "cauchy"}
    assert {row.name for row in DISTRIBUTIONS} - drawn == {"ap2", "predictive"}
