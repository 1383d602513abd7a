"""Laplace distributions of one weight: densities integrated, PyTorch, 60 digits, and hostile corners."""

import math

import mpmath
import numpy as np
import pytest
import torch
from mpmath import mp
from one_weight import ORDERS, SCALES, Family
from scipy import integrate, stats
from torch.distributions import Laplace, kl_divergence

from apcli.theory.distributions import laplace
from apcli.theory.distributions.laplace import diverges, kl, renyi, variance, w2


def log_density(scale):
    return lambda t: -abs(t) / scale - math.log(2 * scale)


def exact(alpha: float, x: float, scales: tuple[float, float]) -> float:
    """Renyi of order ``alpha``, or KL for 1, in 60 digits by the plainest formula."""
    with mp.workdps(130 if x > 1e30 else 60):
        b1, b2, x, alpha = (mp.mpf(value) for value in (*scales, x, alpha))
        if alpha == 1:
            return float(mp.log(b2 / b1) + x / b2 + b1 / b2 * mp.exp(-x / b1) - 1)
        a, b = alpha / b1, (1 - alpha) / b2
        if a + b <= 0:
            return math.inf
        if a == b:
            return float(mp.log((1 + a * x) * mp.exp(-a * x) / (2 * a) * b1**-alpha * b2 ** (alpha - 1)) / (alpha - 1))
        whole = 2 * (b * mp.exp(-a * x) - a * mp.exp(-b * x)) / (b * b - a * a)
        return float(mp.log(whole / ((2 * b1) ** alpha * (2 * b2) ** (1 - alpha))) / (alpha - 1))


LAPLACE = Family(laplace, log_density, exact, reach=7, like=stats.laplace)  # exp(-sinh 7) is nothing


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("x", [0.0, 0.2, 1.3, 6.0])
def test_against_integrals_of_the_densities(scales, x):
    LAPLACE.assert_integrals(x, scales)


def test_every_digit_of_some_orders():
    LAPLACE.assert_digits((0.7, 1.9), [0.3, 1.2])


@pytest.mark.slow
@pytest.mark.parametrize("scales", [*SCALES, (1.0, 1 + 1e-9), (1e-3, 1.0), (30.0, 1e-2)])
def test_every_digit_from_small_to_large_shifts(scales):
    LAPLACE.assert_digits(scales, ORDERS)


@pytest.mark.filterwarnings("error")
def test_nothing_overflows():
    LAPLACE.assert_overflow(0.5 * 1e300)


@pytest.mark.parametrize("scales", SCALES)
def test_laws_of_divergences(scales):
    LAPLACE.assert_laws(scales, symmetric=scales[0] == scales[1])


@pytest.mark.parametrize("x", [0.0, 1e-9, 0.4, 3.0, 700.0])
@pytest.mark.parametrize("scale", [0.6, 1.0])
def test_total_variation(x, scale):
    LAPLACE.assert_total_variation(x, scale)


@pytest.mark.parametrize("scales", SCALES)
def test_kl_against_torch(scales):
    x = np.abs(np.random.default_rng(1).normal(size=100)) * 3
    first = Laplace(torch.zeros(100, dtype=torch.float64), scales[0])
    second = Laplace(torch.tensor(x), scales[1])
    assert kl(x, *scales) == pytest.approx(kl_divergence(first, second).numpy(), rel=1e-12)


def test_orders_whose_integral_diverges():
    x = np.array([0.0, 1.0])
    assert np.all(renyi(x, 2.0, 2.0, 1.0) == math.inf)  # alpha / b1 = (alpha - 1) / b2
    assert np.all(renyi(x, 3.0, 2.0, 1.0) == math.inf)
    assert np.all(np.isfinite(renyi(x, 1.99, 2.0, 1.0)))
    assert np.all(np.isfinite(renyi(x, 50.0, 1.0, 2.0)))
    cases = [(2.0, 2.0, 1.0), (3.0, 2.0, 1.0), (1.99, 2.0, 1.0), (50.0, 1.0, 2.0)]
    assert [diverges(*case) for case in cases] == [True, True, False, False]


@pytest.mark.parametrize("ratio", [1e-12, 1e-6, 0.3, 1 - 1e-9, 1e6, 1e12])
def test_scales_far_apart_and_close_keep_their_digits(ratio):
    with mpmath.workdps(50):
        r, x = mpmath.mpf(ratio), mpmath.mpf(1e-3)
        plain = -mpmath.log(r) + x + r * mpmath.exp(-x / r) - 1
        a, b = 1 / (2 * r), mpmath.mpf(1) / 2
        mixed = (a * mpmath.exp(-b * x) - b * mpmath.exp(-a * x)) / (a - b) / (a + b) / mpmath.sqrt(r)
        half = -2 * mpmath.log(mixed)
    given = np.array([1e-3])
    assert kl(given, ratio, 1.0)[0] == pytest.approx(float(plain), rel=1e-12)
    assert renyi(given, 0.5, ratio, 1.0)[0] == pytest.approx(float(half), rel=1e-9)


def test_wasserstein_by_quantiles():
    """The integral of the squared difference of the quantile functions."""
    first, second = stats.laplace(0, 0.7), stats.laplace(1.1, 1.9)
    squared = 2 * integrate.quad(lambda u: (first.ppf(u) - second.ppf(u)) ** 2 / 2, 0, 1, limit=400)[0]
    assert w2(1.1, 1, 0.7, 1.9) == pytest.approx(math.sqrt(squared), rel=1e-7)
    assert w2(1e200, 3, 1.0, 1.0) == 1e200


def test_the_variance():
    assert variance(0.7) == pytest.approx(stats.laplace(0, 0.7).var(), rel=1e-15)


def test_log_ratios_are_those_of_the_densities_at_antithetic_points():
    def drawn(generator):
        first, second = torch.empty(2, dtype=torch.float64).exponential_(generator=generator)
        return float(first - second)

    LAPLACE.assert_log_ratios(drawn)
