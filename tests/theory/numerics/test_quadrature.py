"""The rules on the line find what they are to integrate, and integrate it."""

import math

import numpy as np
import pytest
from scipy import special

from apcli.theory.measures import NoExactForm
from apcli.theory.numerics.quadrature import graded, integrals, log_integral, nodes, on_panels


def normal(mean: float, deviation: float, height: float = 0.0):
    return lambda t: height - ((t - mean) / deviation) ** 2 / 2


@pytest.mark.parametrize("deviation", [1e-130, 1e-5, 0.01, 1.0])
@pytest.mark.parametrize("mean", [-700.0, 0.1234, 0.0])
def test_panels_double_from_the_mode_to_where_nothing_is_left(mean, deviation):
    if mean and deviation < 1e-100:
        return  # floats near the mean are further apart
    ends = graded(normal(mean, deviation), mean, deviation)
    assert mean in ends
    assert 10 < (mean - ends[0]) / deviation < 20
    assert 10 < (ends[-1] - mean) / deviation < 20
    assert np.diff(ends).max() / np.diff(ends).min() == pytest.approx(16, rel=1e-6)


@pytest.mark.parametrize(("a", "b"), [(1e-250, 1.0), (1e-6, 3.0), (0.5, 0.7), (3.0, 400.0), (1e6, 2e6)])
def test_beta_integrals(a, b):
    """x = 1 / (1 + exp(-t)) makes x^a (1 - x)^b dt of the Beta integral, and mean a / (a + b) of it."""
    mode = math.log(a / b) if a > 1e-3 else 0.0

    def log_weight(t):
        with np.errstate(over="ignore"):
            return -a * np.logaddexp(0, -t - mode) - b * np.logaddexp(0, t + mode)

    peak = log_weight(np.zeros(1))
    ends = graded(log_weight, 0.0, min(1.0, math.sqrt(1 / a + 1 / b)))
    found, _ = integrals(
        lambda t: np.exp(log_weight(t) - peak) * np.stack([np.ones_like(t), special.expit(t + mode)]), ends
    )
    logs = math.log(a) + math.log(b) + peak[0] + math.log(found[0])  # log(a b B(a, b)), for a + b below 1 of order 0
    assert logs == pytest.approx(
        special.gammaln(1 + a) + special.gammaln(1 + b) - special.gammaln(a + b), rel=1e-9, abs=1e-11
    )
    assert found[1] / found[0] == pytest.approx(a / (a + b), rel=1e-9)
    assert log_integral(log_weight, ends) == pytest.approx(peak[0] + math.log(found[0]), rel=1e-12)


def test_two_peaks_far_apart_between_the_nodes():
    def both(t):
        return np.logaddexp(normal(-300.0, 0.001)(t), normal(200.0, 0.01, math.log(0.5))(t))

    expected = math.log(math.sqrt(2 * math.pi) * (0.001 + 0.5 * 0.01))
    assert log_integral(both, np.linspace(-1000, 1000, 9)) == pytest.approx(expected, rel=1e-12)


def test_integrals_below_the_smallest_float():
    expected = -1e6 + math.log(2 * math.sqrt(2 * math.pi))
    assert log_integral(normal(3.0, 2.0, -1e6), np.linspace(-100, 100, 5)) == pytest.approx(expected, rel=1e-15)


def test_panels_are_halved_where_a_polynomial_does_not_fit():
    (area,), ends = integrals(lambda t: 1 / (1 + (t / 1e-3) ** 2)[None], np.linspace(-1, 1, 3))
    assert area == pytest.approx(2e-3 * math.atan(1e3), rel=1e-13)
    assert 1e-4 < np.diff(ends).min() < 1e-2 < np.diff(ends).max()
    t, weights = on_panels(ends)
    assert (1 / (1 + (t / 1e-3) ** 2)) @ weights == pytest.approx(area, rel=1e-14)


def test_nodes_do_not_drift():
    t = nodes(-45.3, 1000.0, 0.1)
    assert t[-1] >= 1000 > t[-2]
    assert t[7777] == -45.3 + 0.1 * 7777


def test_what_does_not_converge_says_so():
    draw = np.random.default_rng(0)
    with pytest.raises(NoExactForm, match="does not converge"):
        integrals(lambda t: draw.uniform(size=(1, len(t))), np.array([-1.0, 1.0]))
    with pytest.raises(NoExactForm, match="does not converge"):
        log_integral(lambda t: draw.uniform(size=len(t)), np.array([-1.0, 1.0]))
