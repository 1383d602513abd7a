"""Lanczos against dense eigenvalues, ARPACK, and the digits of published bounds."""

import numpy as np
import pytest
from scipy.sparse.linalg import eigsh

from apcli.theory.numerics.lanczos import extremes, lanczos

GEOMETRIC = 10.0 ** (-8 + 9 * np.arange(1000) / 999)


def matrix_with(values, seed=0):
    draw = np.random.default_rng(seed)
    vectors, _ = np.linalg.qr(draw.normal(size=(len(values), len(values))))
    return (vectors * values) @ vectors.T


@pytest.fixture
def matrix():
    """80 eigenvalues of both signs, a few of them far out."""
    draw = np.random.default_rng(1)
    return matrix_with(np.append(draw.normal(scale=0.1, size=76), [-2.0, 3.0, 5.0, 5.5]))


@pytest.fixture
def start():
    return np.random.default_rng(2).normal(size=80)


@pytest.mark.parametrize(
    "steps, top", [(4, 9.2090316783), (8, 9.8627077811), (16, 9.9955195095), (32, 9.9999999974), (64, 10)]
)
def test_the_top_ritz_value_of_a_known_spectrum(steps, top):
    ritz = lanczos(lambda v: GEOMETRIC * v, np.ones(1000), steps).ritz()
    assert ritz.values[-1] == pytest.approx(top, abs=6e-11)
    assert ritz.weights.sum() == pytest.approx(1, abs=1e-13)


def test_the_quadrature_is_exact_for_polynomials(matrix, start):
    """Degree 2 steps - 1, and not one more."""
    steps, unit = 6, start / np.linalg.norm(start)
    ritz = lanczos(lambda v: matrix @ v, start, steps).ritz()
    for degree in range(2 * steps + 1):
        exact = unit @ np.linalg.matrix_power(matrix, degree) @ unit
        assert (ritz.mean(lambda x, d=degree: x**d) == pytest.approx(exact, rel=1e-9)) == (degree < 2 * steps)


def test_an_eigenvalue_lies_within_the_error_of_each_ritz_value(matrix, start):
    eigenvalues = np.linalg.eigvalsh(matrix)
    for steps in (1, 5, 20, 40):
        ritz = lanczos(lambda v: matrix @ v, start, steps).ritz()
        away = np.abs(ritz.values[:, None] - eigenvalues).min(axis=1)
        assert (away <= ritz.errors + 1e-12).all()
        assert ritz.errors.max() > 0.01


def test_all_steps_give_all_eigenvalues_once(matrix, start):
    """Without re-orthogonalisation the outer ones would come several times."""
    ritz = lanczos(lambda v: matrix @ v, start, 500).ritz()
    np.testing.assert_allclose(ritz.values, np.linalg.eigvalsh(matrix), atol=1e-12)
    assert ritz.errors.max() == 0


def test_fewer_steps_of_a_longer_run_are_a_shorter_run(matrix, start):
    long = lanczos(lambda v: matrix @ v, start, 20).first(7).ritz()
    short = lanczos(lambda v: matrix @ v, start, 7).ritz()
    np.testing.assert_array_equal(long.values, short.values)
    np.testing.assert_array_equal(long.errors, short.errors)


@pytest.mark.parametrize("matrix", [np.zeros((5, 5)), np.eye(5) * 3, np.diag([1.0, 1, 2, 2, 7])])
def test_a_space_that_is_mapped_to_itself_ends_the_steps(matrix):
    found = lanczos(lambda v: matrix @ v, np.arange(1.0, 6.0), 5)
    assert len(found) == len(np.unique(np.diag(matrix)))
    np.testing.assert_allclose(found.ritz().values, np.unique(np.diag(matrix)), atol=1e-13)
    assert found.ritz().errors.max() == 0


def test_a_basis_in_single_precision_does_for_products_in_single_precision(matrix, start):
    single = lanczos(lambda v: matrix @ v, start, 60, dtype=np.float32).ritz()
    double = lanczos(lambda v: matrix @ v, start, 60).ritz()
    for f in (lambda x: x, lambda x: x**2 / (x**2 + 0.01)):
        assert single.mean(f) == pytest.approx(double.mean(f), rel=1e-6)
    assert single.values[[0, -1]] == pytest.approx(double.values[[0, -1]], rel=1e-6)


@pytest.mark.parametrize("start", [np.zeros(3), np.array([1.0, np.nan, 0]), np.array([np.inf, 0, 0])])
def test_a_start_without_a_direction_is_refused(start):
    with pytest.raises(ValueError, match="expected 1 or more, from a finite length"):
        lanczos(lambda v: v, start, 3)
    with pytest.raises(ValueError, match="0 steps"):
        lanczos(lambda v: v, np.ones(3), 0)


def test_extremes_are_those_of_a_dense_solve_and_of_arpack(matrix, start):
    found = extremes(lambda v: matrix @ v, start)
    eigenvalues = np.linalg.eigvalsh(matrix)
    assert found.largest == pytest.approx(eigenvalues[-1], rel=1e-10)
    assert found.largest == pytest.approx(eigsh(matrix, 1, which="LA")[0][0], rel=1e-10)
    assert found.largest_error <= 1e-6 * found.norm
    assert found.steps < 40
    exact = extremes(lambda v: matrix @ v, start, tolerance=1e-15)
    assert exact.smallest == pytest.approx(-2, abs=1e-10)
    assert exact.steps >= found.steps


def test_the_norm_is_that_of_a_negative_eigenvalue_where_it_is_the_larger(matrix, start):
    found = extremes(lambda v: -(matrix @ v), start)
    assert found.norm == -found.smallest == pytest.approx(np.linalg.norm(matrix, 2), rel=1e-10)
    assert found.smallest_error <= 1e-6 * found.norm


def test_steps_that_do_not_do_are_said_to_be_too_few():
    found = extremes(lambda v: GEOMETRIC * v, np.ones(1000), steps=8)
    assert found.steps == 8
    assert found.largest < 10 < found.largest + 50 * found.largest_error
    assert found.largest_error > 1e-6 * found.norm
