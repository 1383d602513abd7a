"""Laplace distributions of one weight: densities integrated, PyTorch, 60 digits, and hostile corners."""

import math

import mpmath
import numpy as np
import pytest
import torch
from mpmath import mp
from oracles import line_integral
from scipy import integrate, stats
from torch.distributions import Laplace, kl_divergence

from apcli.theory.distributions.laplace import diverges, kl, log_ratios, renyi, tv, variance, w2
from apcli.theory.measures import NoExactForm

SCALES = [(1.0, 1.0), (0.7, 1.9), (2.0, 0.3)]
ORDERS = [1e-6, 0.1, 0.3, 0.499, 0.5, 0.500001, 0.7, 0.999999, 1.000001, 1.2, 1.5, 1.6, 2.0, 5.5, 40.0]
SHIFTS = [0.0, 1e-9, 1e-4, 0.1, 0.2, 0.3, 0.6, 0.7, 1.0, 5.0, 40.0, 1e4, 1e9, 1e20, 1e100]
REACH = 7  # of the integrals: exp(-sinh 7) is nothing


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


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("x", [0.0, 0.2, 1.3, 6.0])
def test_against_integrals_of_the_densities(scales, x):
    p, q = (log_density(scale) for scale in scales)
    divergence = line_integral(lambda p, q: math.exp(p) * (p - q), p, q, x, REACH)
    assert kl(np.array([x]), *scales)[0] == pytest.approx(divergence, rel=1e-9, abs=1e-11)
    for alpha in (0.2, 0.5, 0.8, 1.1):
        whole = line_integral(lambda p, q: math.exp(alpha * p + (1 - alpha) * q), p, q, x, REACH)  # noqa: B023
        found = renyi(np.array([x]), alpha, *scales)[0]
        assert found == pytest.approx(math.log(whole) / (alpha - 1), rel=1e-8, abs=1e-10), alpha


def check_digits(scales, orders):
    x = np.array(SHIFTS)
    with np.errstate(over="ignore"):
        assert kl(x, *scales) == pytest.approx([exact(1, s, scales) for s in SHIFTS], rel=2e-14)
        for alpha in orders:
            expected = [exact(alpha, s, scales) for s in SHIFTS]
            assert renyi(x, alpha, *scales) == pytest.approx(expected, rel=3e-13, abs=1e-30), alpha


def test_every_digit_of_some_orders():
    check_digits((0.7, 1.9), [0.3, 1.2])


@pytest.mark.slow
@pytest.mark.parametrize("scales", [*SCALES, (1.0, 1 + 1e-9), (1e-3, 1.0), (30.0, 1e-2)])
def test_every_digit_from_small_to_large_shifts(scales):
    check_digits(scales, ORDERS)


@pytest.mark.filterwarnings("error")
def test_nothing_overflows():
    """Shifts at the end of what a float holds."""
    x = np.array([1e160, 1e250, 1e300])
    for found in (kl(x, 1.0, 2.0), *(renyi(x, alpha, 1.0, 2.0) for alpha in (0.01, 0.3, 0.5, 0.7, 2.0, 30.0))):
        assert np.all(np.isfinite(found))
        assert np.all(np.diff(found) > 0)
    assert kl(x, 1.0, 2.0)[-1] == pytest.approx(0.5 * 1e300, rel=1e-12)


@pytest.mark.parametrize("scales", SCALES)
def test_laws_of_divergences(scales):
    x = np.linspace(0, 6, 50)
    forth, back = kl(x, *scales), kl(x, *scales[::-1])
    assert forth.min() >= 0
    assert (forth[0] == 0) == (scales[0] == scales[1])
    assert np.all(np.diff(forth) > 0)
    if scales[0] == scales[1]:
        assert back == pytest.approx(forth, rel=1e-13)
    orders = [renyi(x, alpha, *scales) for alpha in (0.2, 0.5, 0.8)] + [forth, renyi(x, 1.05, *scales)]
    assert np.all(np.diff(orders, axis=0) >= 0)  # Renyi never falls with its order, and is KL at 1
    for alpha in (0.2, 0.5, 0.8):  # skew symmetry
        turned = alpha / (1 - alpha) * renyi(x, 1 - alpha, *scales[::-1])
        assert renyi(x, alpha, *scales) == pytest.approx(turned, rel=1e-12)


@pytest.mark.parametrize("x", [0.0, 1e-9, 0.4, 3.0, 700.0])
@pytest.mark.parametrize("scale", [0.6, 1.0])
def test_total_variation(x, scale):
    """The densities cross half-way: TV is what lies between their cumulative distributions there."""
    between = stats.laplace(0, scale).cdf(x / 2) - stats.laplace(x, scale).cdf(x / 2)
    assert tv(x, scale, scale) == pytest.approx(between, rel=1e-7, abs=1e-16)
    with pytest.raises(NoExactForm, match="of different scales"):
        tv(x, scale, 2.0)


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
    difference = torch.tensor([0.5, 2.0, 0.0], dtype=torch.float64)
    first, second = log_ratios(difference, 1.5, 20_000, torch.Generator().manual_seed(0))
    expected = kl(difference.numpy(), 1.0, 1.5).sum()
    for ratios in (first, second):
        assert abs(float(ratios.mean()) - expected) < 4 * float(ratios.std()) / 20_000**0.5
    (alone,), (partner,) = log_ratios(difference[:1], 1.5, 1, torch.Generator().manual_seed(0))
    draw = torch.empty(2, 1, 1, dtype=torch.float64).exponential_(generator=torch.Generator().manual_seed(0)).flatten()
    point = float(draw[0] - draw[1])
    for ratio, x in ((alone, point), (partner, -point)):
        assert float(ratio) == pytest.approx(log_density(1.0)(x) - log_density(1.5)(x + 0.5), rel=1e-13)
