"""The bounds on total variation against reference values, extreme laws and total variation itself."""

import math
from itertools import pairwise

import numpy as np
import pytest
from oracles import shift_of
from scipy import optimize, special

from apcli.theory import measures
from apcli.theory.bounds.total_variation import (
    bretagnolle_huber,
    lemma_1,
    lemma_1_best,
    lemma_1_line,
    pinsker,
)
from apcli.theory.distributions import gaussian, student_t

D = [0.1, -0.2, 0.3]
A = np.diag([1.0, 2.0, 4.0]), np.diag([1.0, 2.0, 4.0])
B = np.array([[2, 0.5, 0], [0.5, 1, 0.2], [0, 0.2, 1.5]]), np.array([[1, 0.1, 0], [0.1, 2, 0.3], [0, 0.3, 1]])


def four_strengths(a, p, q):
    """Lemma 1 as published, direct, projected, and on the best line."""
    a, length = np.array(a), float(np.linalg.norm(a))
    traces = float(np.trace(p)), float(np.trace(q))
    along = [math.sqrt(a @ s @ a) / length for s in (p, q)]
    shift = shift_of(a, p, q)
    return (
        lemma_1(length, *traces),
        lemma_1_line(length, *map(math.sqrt, traces)),
        lemma_1_line(length, *along),
        lemma_1_best(shift.distance, shift.log_eigenvalues),
    )


def same(dim):
    return [1.0, *[0.0] * (dim - 1)], np.eye(dim), np.eye(dim)


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ((D, *A), (0.0049751243781095, 0.0049751243781095, 0.01077159815344, 0.012954966070327)),
        ((D, *B), (0.0081680280046674, 0.0081750481607036, 0.032591054231341, 0.032666471815404)),
        (same(1), (0.2, 0.2, 0.2, 0.2)),
        (same(10), (0.024390243902439, 0.024390243902439, 0.2, 0.2)),
        (same(100), (0.0024937655860349, 0.0024937655860349, 0.2, 0.2)),
    ],
)
def test_reference_values_of_four_strengths(pair, expected):
    assert four_strengths(*pair) == pytest.approx(expected, rel=1e-12)


def test_reference_values_of_total_variation_itself():
    assert gaussian.tv(shift_of(D, *A).delta) == pytest.approx(0.091209595407709, rel=1e-13)
    assert gaussian.tv(1.0) == pytest.approx(0.38292492254803, rel=1e-13)
    assert [student_t.tv(1.0, df) for df in (1, 4, 30)] == pytest.approx(
        [0.29516723530087, 0.35667003681814, 0.37927699511487], rel=1e-13
    )
    assert student_t.tv(3.0, 4) == pytest.approx(0.792, rel=1e-14)


def test_reference_value_on_a_line():
    assert lemma_1_line(2, 1, 1.5) == pytest.approx(0.39024390243902, rel=1e-13)
    assert lemma_1_line(0.1, 1, 1) == pytest.approx(0.0024937655860349, rel=1e-13)
    assert lemma_1_line(5, 2, 0.5) == 0.8


def test_the_line_s_bound_is_reached():
    """Equal laws but for an atom each at the two ends of a line of three points."""
    share = 0.3  # the mass that moves from 0 to 1
    points, p, q = np.array([-1.0, 0.0, 1.0]), np.array([share, 1 - share, 0]), np.array([0, 1 - share, share])
    deviation = math.sqrt(share - share**2)
    apart, tv = float(points @ (q - p)), np.abs(p - q).sum() / 2
    assert lemma_1_line(apart, deviation, deviation) == pytest.approx(tv, rel=1e-14)
    assert lemma_1_best(np.array([apart / deviation]), np.zeros(1)) == pytest.approx(tv, rel=1e-14)
    assert lemma_1(apart, deviation**2, deviation**2) == pytest.approx(tv, rel=1e-14)


def random_pairs(count):
    """A shift and two covariances of the same dimension, from nearly equal to very unequal."""
    rng = np.random.default_rng(5)
    for _ in range(count):
        dim = int(rng.integers(1, 7))
        factors = [rng.normal(size=(dim, dim)) for _ in range(2)]
        p, q = (f @ f.T + 10 ** rng.uniform(-3, 1) * np.eye(dim) for f in factors)
        yield (
            rng.normal(size=dim) * 10 ** rng.uniform(-2, 1),
            p,
            (q if rng.random() < 0.7 else p * rng.uniform(1, 1.01)),
        )


def test_every_strength_bounds_and_the_next_is_no_weaker():
    """1,000 pairs of Gaussians; total variation is at most sqrt(2 H^2 - H^4), and exact for one covariance."""
    for a, p, q in random_pairs(1000):
        strengths = four_strengths(a, p, q)
        assert all(first <= second * (1 + 1e-12) for first, second in pairwise(strengths))
        h2 = measures.hellinger(gaussian.pair(shift_of(a, p, q))) ** 2
        assert strengths[3] <= math.sqrt(h2 * (2 - h2))
        assert four_strengths(a, p, p)[3] <= gaussian.tv(shift_of(a, p, p).delta)


def test_the_best_line_is_below_total_variation_of_unequal_laws():
    """In one dimension, where the densities of two Gaussians cross at the roots of a quadratic."""
    rng = np.random.default_rng(2)
    for _ in range(1000):
        a, s, r = rng.exponential(), rng.uniform(0.2, 1), rng.uniform(1.1, 5)
        roots = np.roots([1 / s**2 - 1 / r**2, -2 * a / s**2, a**2 / s**2 + 2 * math.log(s / r)]).real
        first, second = (np.diff(special.ndtr((np.sort(roots) - m) / d))[0] for m, d in ((a, s), (0, r)))
        assert lemma_1_best(np.array([a / r]), np.array([2 * math.log(s / r)])) <= first - second


def test_the_best_line_against_a_search_over_lines():
    for a, p, q in list(random_pairs(1000))[:40]:
        basis = np.linalg.svd(np.array(a)[None])[2][1:].T  # of what is orthogonal to a
        start = np.array(a) / (a @ a)

        def spread(free, p=p, q=q, basis=basis, start=start):
            u = start + basis @ free
            return math.sqrt(u @ p @ u) + math.sqrt(u @ q @ u)

        found = optimize.minimize(spread, np.zeros(len(a) - 1), tol=1e-14) if len(a) > 1 else None
        least = found.fun if found else spread(np.zeros(0))
        assert four_strengths(a, p, q)[3] == pytest.approx(1 / (1 + least**2), rel=1e-6)
        assert four_strengths(a, p, q)[3] >= 1 / (1 + least**2) * (1 - 1e-12)


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


def test_extremes():
    one, none = np.ones(1), np.zeros(1)
    assert lemma_1(0.0, 1, 2) == lemma_1(0.0, 0, 0) == lemma_1_best(none, none) == lemma_1_best(none, one) == 0
    assert lemma_1(1.0, 0, 0) == lemma_1(math.inf, 1, 1) == lemma_1_line(1.0, 0, 0) == 1
    assert lemma_1_best(math.inf * one, none) == lemma_1_best(math.inf * one, one) == 1
    assert lemma_1(1e300, 1e-300, 1) == lemma_1_best(1e300 * one, none) == lemma_1_best(1e300 * one, one) == 1
    assert lemma_1(1.0, math.inf, 1) == 0
    assert lemma_1(1e-170, 1e-300, 0) == pytest.approx(5e-41, rel=1e-12)
    assert lemma_1_best(np.array([1.0, 2.0]), np.array([math.inf, 0.0])) == 0.5  # without the first
    assert lemma_1_best(np.ones(2), np.array([-740.0, 700.0])) == pytest.approx(0.5, rel=1e-12)  # u along the first


@pytest.mark.parametrize(
    "call",
    [
        lambda: lemma_1(-1.0, 1, 1),
        lambda: lemma_1(1.0, -1, 1),
        lambda: lemma_1(1.0, 1, math.nan),
        lambda: lemma_1_line(1.0, 1, -1),
        lambda: lemma_1_best(np.array([-1e-9]), np.zeros(1)),
        lambda: lemma_1_best(np.array([math.nan]), np.zeros(1)),
        lambda: pinsker(-1e-9),
        lambda: bretagnolle_huber(math.nan),
    ],
)
def test_what_is_out_of_range_is_refused(call):
    with pytest.raises(ValueError, match="expected"):
        call()
