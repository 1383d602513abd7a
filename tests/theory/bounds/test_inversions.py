"""AP2 against AP3: reference values, random distributions of two families, and what is said against the paper."""

import math

import numpy as np
import pytest
from oracles import shift_of

from apcli.theory.bounds import inversions
from apcli.theory.bounds.total_variation import lemma_1
from apcli.theory.distributions import gaussian, student_t

D = np.array([0.1, -0.2, 0.3])
A = np.diag([1.0, 2.0, 4.0]), np.diag([1.0, 2.0, 4.0])
B = np.array([[2, 0.5, 0], [0.5, 1, 0.2], [0, 0.2, 1.5]]), np.array([[1, 0.1, 0], [0.1, 2, 0.3], [0, 0.3, 1]])


def precisions(covariance):
    """The smallest and the largest eigenvalue of the inverse."""
    return 1 / np.linalg.eigvalsh(covariance)[[-1, 0]]


@pytest.mark.parametrize(
    ("matrices", "kl", "lower", "upper", "term", "ends"),
    [
        (A, 0.02625, 0.0175, 0.07, 0, (0.25, 1)),
        (
            *(B, 0.42359846019022, 0.38338132414722, 0.42697349097006, 0.69982849932780),
            (0.47810106404739, 1.1008463043737),
        ),
    ],
)
def test_reference_values_of_the_gaussian_sandwich(matrices, kl, lower, upper, term, ends):
    pair = gaussian.pair(shift_of(D, *matrices))
    smallest, largest = precisions(matrices[1])
    assert (smallest, largest) == pytest.approx(ends, rel=1e-12)
    assert (pair.kl(), pair.covariance_term) == pytest.approx((kl, term), rel=1e-12)
    assert inversions.gaussian_length_at_most(lower, term, smallest) == pytest.approx(D @ D, rel=1e-12)
    assert inversions.gaussian_kl_at_most(D @ D, term, largest) == pytest.approx(upper, rel=1e-12)


def test_reference_values_of_the_inverse_and_of_half_the_identity():
    assert inversions.gaussian_length_at_most(0.02625, 0, 0.25) == pytest.approx(0.21, rel=1e-14)
    moved = 0.01 * np.arange(1, 6)
    half = np.eye(5) / 2
    assert gaussian.pair(shift_of(moved, half, half)).kl() == pytest.approx(0.0055, rel=1e-12)
    assert moved @ moved == pytest.approx(0.0055, rel=1e-14)
    assert inversions.gaussian_length_at_most(0.0055, 0, 2) == pytest.approx(0.0055, rel=1e-14)


@pytest.mark.parametrize(
    ("kl", "spread", "pinsker", "huber", "exact"),
    [
        (0.01, 4, 0.30436453515037, 0.44321278612149, 0.02),
        (0.5, 4, 4, 6.731667518963, 1),
        (1.9, 4, 153.97435475847, 47.406194029691, 3.8),
        (2, 4, math.inf, 53.039774074529, 4),
        (1e-8, 400, 0.028286271388893, 0.04000400030002, 2e-8),
    ],
)
def test_reference_values_of_corollary_1_and_its_rivals(kl, spread, pinsker, huber, exact):
    assert inversions.corollary_1(kl, spread) == pytest.approx(pinsker, rel=1e-12)
    assert inversions.bretagnolle_huber(kl, spread) == pytest.approx(huber, rel=1e-12)
    assert inversions.gaussian_length_at_most(kl, 0, 1) == pytest.approx(exact, rel=1e-14)


def test_reference_values_of_student_t():
    """t_4 of 100 dimensions and the scale matrix I, so the covariance 2 I."""
    assert inversions.corollary_1(0.1, 2 * (200 + 200)) == pytest.approx(230.40572442103, rel=1e-12)
    assert inversions.student_t_length_at_most(0.1, 1, 4, 100) == pytest.approx(0.20412434441277, rel=1e-12)
    assert inversions.student_t_length_at_most(0.1, 3, math.inf, 100) == pytest.approx(0.6, rel=1e-14)


def draws(count):
    """Random shifts, with two covariances, one of them in half the cases."""
    rng = np.random.default_rng(11)
    for _ in range(count):
        dim = int(rng.integers(1, 6))
        p, q = (f @ f.T + 0.01 * np.eye(dim) for f in rng.normal(size=(2, dim, dim)))
        yield rng.normal(size=dim) * 10 ** rng.uniform(-3, 1), q if rng.random() < 0.5 else p, q


def test_every_bound_bounds_for_gaussians():
    for a, p, q in draws(1000):
        pair, square, (smallest, largest) = gaussian.pair(shift_of(a, p, q)), float(a @ a), precisions(q)
        kl, term, slack = pair.kl(), pair.covariance_term, 1 + 1e-9
        assert kl <= inversions.gaussian_kl_at_most(square, term, largest) * slack
        room = 1e-9 * (square + kl / smallest)
        assert square <= inversions.gaussian_length_at_most(kl, term, smallest) + room
        spread = 2 * float(np.trace(p) + np.trace(q))
        assert square <= min(inversions.corollary_1(kl, spread), inversions.bretagnolle_huber(kl, spread))
        assert 2 * lemma_1(math.sqrt(square), np.trace(p), np.trace(q)) ** 2 <= kl


@pytest.mark.slow
def test_every_bound_bounds_for_student_t():
    rng = np.random.default_rng(12)
    for a, scale, _ in draws(1000):
        delta, df, dim = shift_of(a, scale, scale).delta, float(10 ** rng.uniform(-0.5, 3)), len(a)
        square, (smallest, largest) = float(a @ a), precisions(scale)
        kl, slack = student_t.kl(delta, df, dim), 1 + 1e-9
        assert kl <= inversions.student_t_kl_at_most(square, largest, df, dim) * slack
        assert kl <= inversions.student_t_kl_at_most(delta * delta, 1, df, dim) * slack
        assert inversions.student_t_kl_at_most(square, largest, df, dim) < inversions.gaussian_kl_at_most(
            square, 0, largest
        )
        assert square <= inversions.student_t_length_at_most(kl, 1 / smallest, df, dim) * slack


def test_w1_eigenvalues_of_one_or_more_do_not_make_ap3_imply_ap2():
    """S = 10 I and |D|^2 = 1: AP3 holds with eps = 0.05, and AP2 is 1. Eigenvalues of at most 1/2 do."""
    moved = np.array([1.0, 0.0])
    kl = gaussian.pair(shift_of(moved, 10 * np.eye(2), 10 * np.eye(2))).kl()
    assert kl == pytest.approx(0.05, rel=1e-12)
    assert moved @ moved > kl
    assert inversions.gaussian_length_at_most(kl, 0, 0.1) == pytest.approx(1, rel=1e-12)
    assert inversions.gaussian_length_at_most(kl, 0, 2) <= kl


@pytest.mark.parametrize("dim", [1, 3, 100])
def test_w7_corollary_1_never_gives_ap2_of_the_same_eps(dim):
    """With identity covariances C = 4 dim, and C <= sqrt(2 eps) - eps <= 1/2 would be needed."""
    for eps in np.geomspace(1e-12, 1.999, 200):
        assert inversions.corollary_1(eps, 4 * dim) > eps
        assert inversions.gaussian_length_at_most(eps, 0, 2) <= eps


@pytest.mark.parametrize("eps", [2.0, 5.0, 600.0])
def test_w8_the_threshold_of_2_is_pinsker_s_not_that_of_ap3(eps):
    assert inversions.corollary_1(eps, 4) == math.inf
    delta = math.sqrt(2 * eps)  # of two Gaussians of the covariance I, whose KL is eps
    assert delta**2 <= inversions.bretagnolle_huber(eps, 4) < math.inf
    assert delta**2 == pytest.approx(inversions.gaussian_length_at_most(eps, 0, 1), rel=1e-14)
    assert math.isfinite(inversions.student_t_length_at_most(eps, 1, 4, 100))


def test_extremes():
    assert (
        inversions.corollary_1(0.0, 4)
        == inversions.bretagnolle_huber(0.0, 4)
        == inversions.gaussian_length_at_most(0.0, 0, 4)
        == 0
    )
    assert inversions.corollary_1(math.inf, 4) == inversions.bretagnolle_huber(math.inf, 4) == math.inf
    assert inversions.gaussian_length_at_most(0.1, 0.3, 1) == 0
    assert inversions.gaussian_kl_at_most(math.inf, 0, 0) == 0
    assert inversions.bretagnolle_huber(1e-12, 1) == pytest.approx(1e-6, rel=2e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda: inversions.corollary_1(-1e-9, 4),
        lambda: inversions.bretagnolle_huber(1.0, -4),
        lambda: inversions.gaussian_length_at_most(1.0, 0.0, 0.0),
        lambda: inversions.gaussian_kl_at_most(-1.0, 0.0, 1.0),
        lambda: inversions.student_t_length_at_most(1.0, -1.0, 4, 1),
        lambda: inversions.student_t_kl_at_most(math.nan, 1.0, 4, 1),
    ],
)
def test_what_is_out_of_range_is_refused(call):
    with pytest.raises(ValueError, match="expected"):
        call()
