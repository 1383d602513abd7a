"""The bounds on total variation against reference values, extreme laws and total variation itself."""

import math

import numpy as np
import pytest
from scipy import stats

from apcli.theory.bounds.total_variation import bretagnolle_huber, lemma_1, lemma_1_best, pinsker


@pytest.mark.parametrize(
    ("length", "traces", "expected"),
    [
        (math.sqrt(0.14), (7, 7), 0.0049751243781095),
        (math.sqrt(0.14), (4.5, 4), 0.0081680280046674),
        (1, (1, 1), 0.2),
        (1, (10, 10), 0.024390243902439),
        (1, (100, 100), 0.0024937655860349),
    ],
)
def test_lemma_1_reference_values(length, traces, expected):
    assert lemma_1(length, *traces) == pytest.approx(expected, rel=1e-13)
    assert lemma_1(length, *traces[::-1]) == lemma_1(length, *traces)


def test_best_line_reference_values():
    """Case A of the covariance diag(1, 2, 4), and the standard normal law at distance 1."""
    assert lemma_1_best(math.sqrt(0.01 + 0.04 / 2 + 0.09 / 4)) == pytest.approx(0.012954966070327, rel=1e-12)
    assert lemma_1_best(1) == 0.2


def test_the_line_s_bound_is_reached():
    """Equal laws but for an atom each at the two ends of a line of three points."""
    share = 0.3  # the mass that moves from 0 to 1
    points, p, q = np.array([-1.0, 0.0, 1.0]), np.array([share, 1 - share, 0]), np.array([0, 1 - share, share])
    deviation = math.sqrt(share - share**2)
    apart = float(points @ (q - p))
    assert lemma_1_best(apart / deviation) == pytest.approx(np.abs(p - q).sum() / 2, rel=1e-14)
    assert lemma_1(apart, deviation**2, deviation**2) == pytest.approx(share, rel=1e-14)


@pytest.mark.parametrize("kl", [1e-12, 0.02, 1.0, 1.9, 2.0, 30.0])
def test_upper_bounds_hold_for_coins(kl):
    for p in (0.01, 0.3, 0.5, 0.9):
        q = np.linspace(1e-6, 1 - 1e-6, 2001)
        divergence = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
        within = np.abs(p - q)[divergence <= kl]
        assert np.all(within <= pinsker(kl) + 1e-12)
        assert np.all(within <= bretagnolle_huber(kl) + 1e-12)


def test_which_upper_bound_is_smaller():
    assert pinsker(1.5) < bretagnolle_huber(1.5)
    assert pinsker(1.6) > bretagnolle_huber(1.6)
    assert pinsker(0.02) == pytest.approx(0.1, rel=1e-15)
    assert bretagnolle_huber(1e-12) == pytest.approx(1e-6, rel=1e-12)
    assert pinsker(3.0) == pinsker(math.inf) == bretagnolle_huber(math.inf) == 1


@pytest.mark.parametrize("dim", [1, 5])
def test_lower_bounds_lie_below_total_variation(dim):
    for delta in (1e-3, 0.5, 2.0, 8.0):
        exact = 2 * stats.norm.cdf(delta / 2) - 1
        assert lemma_1(delta, dim, dim) <= lemma_1_best(delta) <= exact


def test_extremes():
    assert lemma_1(0.0, 1, 2) == lemma_1(0.0, 0, 0) == lemma_1_best(0.0) == 0
    assert lemma_1(1.0, 0, 0) == lemma_1(math.inf, 1, 1) == lemma_1_best(math.inf) == 1
    assert lemma_1(1e300, 1e-300, 1) == lemma_1_best(1e300) == 1
    assert lemma_1(1.0, math.inf, 1) == 0
    assert lemma_1(1e-170, 1e-300, 0) == pytest.approx(5e-41, rel=1e-12)


@pytest.mark.parametrize(
    "call",
    [
        lambda: lemma_1(-1.0, 1, 1),
        lambda: lemma_1(1.0, -1, 1),
        lambda: lemma_1(1.0, 1, math.nan),
        lambda: lemma_1_best(-1e-9),
        lambda: pinsker(-1e-9),
        lambda: bretagnolle_huber(math.nan),
    ],
)
def test_what_is_negative_is_refused(call):
    with pytest.raises(ValueError, match="expected"):
        call()
