"""The trapezoidal rule on the line finds what it is to integrate, and integrates it."""

import math

import numpy as np
import pytest
from scipy import special

from apcli.theory.measures import NoExactForm
from apcli.theory.quadrature import integrals, log_integral, modes, nodes, support


def normal(mean: float, deviation: float, height: float = 0.0):
    return lambda t: height - ((t - mean) / deviation) ** 2 / 2


@pytest.mark.parametrize("deviation", [1e-5, 0.01, 1.0, 20.0])
@pytest.mark.parametrize("mean", [-700.0, 0.1234, 500.0])
def test_support_is_ten_deviations_about_a_normal_density(mean, deviation):
    low, high = support(normal(mean, deviation), -1000, 1000)
    assert 10 < (mean - low) / deviation < 20
    assert 10 < (high - mean) / deviation < 20


def test_two_modes_far_apart_are_two():
    def both(t):
        return np.logaddexp(normal(-300.0, 0.001)(t), normal(200.0, 0.01, math.log(0.5))(t))

    assert [round(low) for low, _ in modes(both, -1000, 1000)] == [-300, 200]
    expected = math.log(math.sqrt(2 * math.pi) * (0.001 + 0.5 * 0.01))
    assert log_integral(both, -1000, 1000) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.7), (3.0, 400.0), (1e6, 2e6)])
def test_beta_integrals(a, b):
    """x = 1 / (1 + exp(-t)) makes x^a (1 - x)^b dt of the Beta integral, and mean a / (a + b) of it."""

    def log_weight(t):
        return -a * np.logaddexp(0, -t) - b * np.logaddexp(0, t)

    assert log_integral(log_weight, -300, 300) == pytest.approx(special.betaln(a, b), rel=1e-12)
    peak = log_weight(math.log(a / b))
    mass, mean = integrals(
        lambda t: np.exp(log_weight(t) - peak) * np.stack([np.ones_like(t), special.expit(t)]),
        *support(log_weight, -300, 300),
    )
    assert mean / mass == pytest.approx(a / (a + b), rel=1e-9)


def test_integrals_below_the_smallest_float():
    assert log_integral(normal(3.0, 2.0, -1e6), -100, 100) == pytest.approx(-1e6 + math.log(2 * math.sqrt(2 * math.pi)))


def test_nodes_do_not_drift():
    t = nodes(-45.3, 1000.0, 0.1)
    assert t[-1] >= 1000 > t[-2]
    assert t[7777] == -45.3 + 0.1 * 7777


def test_what_does_not_converge_says_so():
    draw = np.random.default_rng(0)
    with pytest.raises(NoExactForm, match="does not converge"):
        integrals(lambda t: draw.uniform(size=(1, len(t))), -1, 1)
