"""Cauchy distributions of one weight: densities integrated, 60 digits, and hostile corners."""

import math

import numpy as np
import pytest
import torch
from mpmath import mp
from one_weight import ORDERS, SCALES, Family
from scipy import stats

from apcli.theory.distributions import cauchy
from apcli.theory.distributions.cauchy import diverges, renyi, variance, w2
from apcli.theory.measures import NotDefined


def log_density(scale):
    return lambda t: -math.log(math.pi * scale) - math.log1p((t / scale) ** 2)


def exact(alpha: float, x: float, scales: tuple[float, float]) -> float:
    """Renyi of order ``alpha``, or KL for 1, in 60 digits by the plainest formula."""
    with mp.workdps(130 if x > 1e30 else 60):
        b1, b2, x, alpha = (mp.mpf(value) for value in (*scales, x, alpha))
        y2 = (x**2 + (b1 - b2) ** 2) / (4 * b1 * b2)
        return float(mp.log1p(y2) if alpha == 1 else mp.log(mp.hyp2f1(1 - alpha, alpha, 1, -y2)) / (alpha - 1))


CAUCHY = Family(cauchy, log_density, exact, reach=35, like=stats.cauchy)  # 1 / sinh 35 is nothing


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("x", [0.0, 0.2, 1.3, 6.0])
def test_against_integrals_of_the_densities(scales, x):
    CAUCHY.assert_integrals(x, scales)


def test_every_digit_of_some_orders():
    CAUCHY.assert_digits((0.7, 1.9), [0.3, 1.2])


@pytest.mark.slow
@pytest.mark.parametrize("scales", [*SCALES, (1.0, 1 + 1e-9), (1e-3, 1.0), (30.0, 1e-2)])
def test_every_digit_from_small_to_large_shifts(scales):
    CAUCHY.assert_digits(scales, ORDERS)


@pytest.mark.filterwarnings("error")
def test_nothing_overflows():
    CAUCHY.assert_overflow(math.log(1e300**0.5 / 8**0.5) * 2 + math.log(1e300))


@pytest.mark.parametrize("scales", SCALES)
def test_laws_of_divergences(scales):
    CAUCHY.assert_laws(scales, symmetric=True)


@pytest.mark.parametrize("x", [0.0, 1e-9, 0.4, 3.0, 700.0])
@pytest.mark.parametrize("scale", [0.6, 1.0])
def test_total_variation(x, scale):
    CAUCHY.assert_total_variation(x, scale)


@pytest.mark.parametrize(
    "alpha", [0.5 - 1e-9, 0.45, 0.499, 0.5, 0.51, 0.9, 1 - 1e-12, 1 + 1e-12, 1.4, 1.6, 60.3, 79.5, 80.0]
)
def test_orders_where_the_pieces_meet(alpha):
    x = np.array([0.632, 0.633, 1.99e4, 2.01e4, 1.99e8, 2.01e8])
    expected = [exact(alpha, s, (1.0, 1.0)) for s in x]
    assert renyi(x, alpha, 1.0, 1.0) == pytest.approx(expected, rel=3e-13)


def test_orders_that_are_too_high():
    with pytest.raises(ValueError, match="renyi:alpha is 81: expected an order up to 80 for Cauchy distributions"):
        renyi(np.ones(1), 81.0, 1.0, 1.0)


def test_no_integral_diverges_and_no_variance_is_known():
    assert not diverges(80.0, 1e6, 1e-6)
    assert variance(1.0) is None


def test_wasserstein_is_the_shift_where_the_scales_are_one():
    assert w2(1.1, 1, 0.7, 0.7) == 1.1
    with pytest.raises(NotDefined, match="w2 of Cauchy distributions of different scales is infinite"):
        w2(1.1, 1, 0.7, 1.9)


def test_log_ratios_are_those_of_the_densities_at_antithetic_points():
    def drawn(generator):
        return float(torch.empty(1, 1, dtype=torch.float64).cauchy_(generator=generator))

    CAUCHY.assert_log_ratios(drawn)
