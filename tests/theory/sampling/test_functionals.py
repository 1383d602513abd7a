"""Averages of log-ratios: each measure at the quantiles of known distributions, its error, and what is infinite."""

import math

import numpy as np
import pytest
import torch
from pairs import estimate, product, shift, z_score
from scipy import special

from apcli.theory import MEASURES
from apcli.theory.distributions.gaussian import GaussianPair
from apcli.theory.distributions.shifts import Shift
from apcli.theory.distributions.student_t import StudentTPair
from apcli.theory.measures import NotDefined
from apcli.theory.sampling import functionals
from apcli.theory.sampling.functionals import Estimate
from apcli.theory.sampling.monte_carlo import from_draws

INF = math.inf


def at_quantiles(pair, points):
    """log-ratios of two normal distributions a shift apart, at the middles of equal shares of the first, in blocks."""
    x = special.ndtri((np.arange(points) + 0.5) / points)
    delta = pair.shift.delta
    yield from torch.tensor(delta * (delta / 2 - x))[:, None].split(points // 3)


@pytest.mark.parametrize(
    "measure",
    ["kl", "reverse-kl", "jeffreys", "renyi:alpha=0.3", "renyi:alpha=1.5", "bhattacharyya", "hellinger", "tv", "js"],
)
def test_every_functional_at_equal_shares_is_its_measure(measure):
    """The values as exact as equal shares are, the errors those of as many independent draws."""
    pair = GaussianPair(Shift.of_one_scale(0.7, 1))
    chosen = MEASURES.parse(measure)
    found = from_draws(at_quantiles, pair, chosen, 30_000)
    assert found.value == pytest.approx(chosen(pair), rel=1e-3)
    assert from_draws(at_quantiles, pair, chosen, 7500).std_error == pytest.approx(2 * found.std_error, rel=0.02)
    if measure == "kl":
        assert found.std_error == pytest.approx(0.7 / math.sqrt(30_000), rel=1e-3)


def test_every_measure_but_w2_has_a_functional():
    pair = GaussianPair(Shift.of_one_scale(0.7, 1))
    for row in MEASURES:
        if row.drawn:
            assert math.isfinite(from_draws(at_quantiles, pair, MEASURES.parse(row.name), 3000).value)
    assert [row.name for row in MEASURES if not row.drawn] == ["w2"]
    with pytest.raises(NotDefined, match=r"w2 is no average of a density ratio"):
        from_draws(at_quantiles, pair, MEASURES.parse("w2"), 3000)


def test_blocks_do_not_matter_but_for_rounding():
    rows = torch.randn(1000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for average in (functionals._mean, functionals._log_mean_exp):
        whole, parts = average(iter([rows])), average(iter(rows.split(37)))
        assert parts.value == pytest.approx(whole.value, rel=1e-13)
        assert parts.std_error == pytest.approx(whole.std_error, rel=1e-12)
    direct = rows.flatten().logsumexp(0) - math.log(2000)
    assert functionals._log_mean_exp(iter([rows])).value == pytest.approx(float(direct), rel=1e-13)


def test_far_gaussians_saturate():
    pair = GaussianPair(Shift.of_one_scale(1e20, 3))
    assert estimate(pair, "tv") == Estimate(1.0, 0.0)
    assert estimate(pair, "js").value == pytest.approx(math.log(2), rel=1e-15)
    near = GaussianPair(Shift.of_one_scale(1.0, 3))
    assert abs(z_score(estimate(near, "js"), near.js())) < 4
    assert estimate(pair, "hellinger").value == 1
    assert estimate(pair, "kl").value == pytest.approx(5e39, rel=1e-12)


def test_few_degrees_of_freedom_give_numbers():
    """Gamma variates underflow there."""
    for other in (0.01, 0.02, INF):
        pair = StudentTPair(shift([2.0, 1.0], [1.0, 0.1], [1, 5]), 0.01, other)
        for measure in ("tv", "js"):
            found = estimate(pair, measure, samples=2000)
            assert 0 <= found.value <= 1
            assert math.isfinite(found.std_error)


def test_an_average_that_a_few_draws_carry_is_not_told():
    """With 640 coordinates one standard deviation apart, the largest of 100,000 terms is most of their sum."""
    far, near = (GaussianPair(Shift.of_one_scale(delta, 640)) for delta in (25.0, 0.5))
    for measure in ("renyi:alpha=0.5", "bhattacharyya", "hellinger", "renyi:alpha=2"):
        found = estimate(far, measure, samples=100_000)
        assert math.isnan(found.value)
        assert found.std_error == INF
        assert abs(z_score(estimate(near, measure), MEASURES.parse(measure)(near))) < 4


@pytest.mark.parametrize(
    ("pair", "measure"),
    [
        (StudentTPair(shift([1.0], [0.5], [3]), 2.0, INF), "kl"),
        (StudentTPair(shift([1.0], [0.5], [3]), INF, 2.0), "reverse-kl"),
        (StudentTPair(shift([1.0], [0.5], [3]), 1.0, INF), "jeffreys"),
        (StudentTPair(shift([1.0], [0.5], [3]), 30.0, INF), "renyi:alpha=1.1"),
        (StudentTPair(shift([1.0], [0.5], [3]), 1.0, 3.0), "renyi:alpha=2"),
        (GaussianPair(shift([2.0, 1.0], [0.0, 1.0])), "renyi:alpha=2"),
        (product("laplace", [1.0], 2.0, 1.0), "renyi:alpha=2"),
    ],
)
def test_an_integral_that_diverges_is_infinite(pair, measure):
    """Whatever the draws are."""
    assert from_draws(
        lambda pair, points: iter([torch.zeros(points, 1)]), pair, MEASURES.parse(measure), 1000
    ) == Estimate(INF, 0.0)


def test_an_integral_that_converges_is_finite():
    assert math.isfinite(estimate(GaussianPair(shift([1.5, 1.0], [0.0, 1.0])), "renyi:alpha=2").value)
    assert math.isfinite(estimate(product("cauchy", [1.0], 2.0, 1.0), "renyi:alpha=2").value)
    assert math.isfinite(estimate(StudentTPair(shift([1.0], [0.5], [3]), INF, 2.0), "renyi:alpha=1.5").value)
