"""Nishiyama's bound from means and standard deviations: reference values, random distributions, extreme ones."""

import math

import mpmath
import numpy as np
import pytest
from scipy import integrate

from apcli.theory.bounds.moments import kl
from apcli.theory.distributions.gaussian import GaussianPair
from apcli.theory.distributions.shifts import Shift


@pytest.mark.parametrize(
    ("moments", "expected", "gaussian"),
    [
        ((2, 1, 1.5), 0.81129614981934, 1.01657621922),
        ((0.1, 1, 1), 0.0049916832976982, 0.005),
        ((5, 2, 0.5), 3.8437572099368, 56.1137056389),
    ],
)
def test_reference_values(moments, expected, gaussian):
    length, sd_p, sd_q = moments
    assert kl(*moments) == pytest.approx(expected, rel=3e-14)
    logs, one = np.array([2 * math.log(sd_p / sd_q)]), np.ones(1, dtype=int)
    pair = GaussianPair(Shift(logs, one, np.array([length / sd_q]), length))
    assert pair.kl() == pytest.approx(gaussian, rel=1e-11)
    assert kl(*moments) < pair.kl()


def discrete(rng):
    """Two random distributions on the same few points of a line."""
    points = rng.normal(size=int(rng.integers(2, 6)))
    return points, *(rng.dirichlet(np.full(len(points), 10 ** rng.uniform(-0.5, 1.5))) for _ in range(2))


def test_every_bound_bounds():
    rng = np.random.default_rng(7)
    for _ in range(1000):
        points, p, q = discrete(rng)
        means = [float(points @ w) for w in (p, q)]
        sds = [math.sqrt(w @ (points - m) ** 2) for w, m in zip((p, q), means, strict=True)]
        length, slack = abs(means[0] - means[1]), 1 + 1e-9
        assert kl(length, *sds) <= float((p * np.log(p / q)).sum()) * slack


@pytest.mark.parametrize(("p", "q"), [(0.1, 0.4), (0.9, 0.5), (0.5, 1e-6), (0.3, 0.3001)])
def test_coins_reach_the_divergence(p, q):
    sds = [math.sqrt(share * (1 - share)) for share in (p, q)]
    exact = p * mpmath.log(mpmath.mpf(p) / q) + (1 - p) * mpmath.log((1 - mpmath.mpf(p)) / (1 - mpmath.mpf(q)))
    assert kl(abs(p - q), *sds) == pytest.approx(float(exact), rel=1e-11)


@pytest.mark.parametrize("ratios", [(1.0, 2.0), (0.1, 3.0), (30.0, 0.2), (0.0, 0.5), (1e-3, 1e-3), (50.0, 40.0)])
def test_the_closed_form_is_the_integral(ratios):
    p2, q2 = (r * r for r in ratios)
    found, _ = integrate.quad(lambda x: x / ((1 - x) * p2 + x * q2 + x * (1 - x)), 0, 1, epsrel=1e-12, limit=200)
    assert kl(1.0, *ratios) == pytest.approx(found, rel=1e-10)


def test_close_means_keep_their_digits():
    assert kl(1e-9, 1, 1) == pytest.approx(0.5e-18, rel=1e-12)


def test_extremes():
    assert kl(0, 1, 1) == kl(0, 0, 0) == 0
    assert kl(1, 1, 0) == math.inf
    assert kl(1, 1e200, 1e200) == 0
    for call in (lambda: kl(-1, 1, 1), lambda: kl(1, 1, -1), lambda: kl(math.inf, 1, 1)):
        with pytest.raises(ValueError, match="expected"):
            call()
