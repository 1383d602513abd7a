"""Stochastic Lanczos quadrature on matrices whose spectrum is known."""

import numpy as np
import pytest

from apcli.theory.limit.spectra import Spectrum, rademacher, spectrum

GEOMETRIC = 10.0 ** (-8 + 9 * np.arange(1000) / 999)


def keeping(shift):
    return lambda values: np.maximum(values, 0) / (np.maximum(values, 0) + shift)


@pytest.mark.parametrize("R, exact", [(1, 0.2229747342), (4, 0.3561870503)])
def test_the_exact_mean_of_a_known_spectrum(R, exact):
    assert Spectrum.of(GEOMETRIC).mean(keeping(0.1 / R**2)).value == pytest.approx(exact, abs=6e-11)


@pytest.mark.parametrize(
    "steps, one, four",
    [
        (4, 0.3481786554, 0.8701353052),
        (8, 0.2410466978, 0.6821457252),
        (16, 0.2235709861, 0.4708758406),
        (32, 0.2229755069, 0.3724302929),
        (64, 0.2229747342, 0.3565515239),
    ],
)
def test_the_quadrature_of_a_known_spectrum(steps, one, four):
    found = spectrum(lambda v: GEOMETRIC * v, [np.ones(1000)], steps)
    assert found.mean(keeping(0.1)).value == pytest.approx(one, abs=6e-11)
    assert found.mean(keeping(0.1 / 16)).value == pytest.approx(four, abs=6e-11)
    assert found.trace().value == pytest.approx(487.0841609864, abs=1e-9)
    assert found.trace().change < 1e-9


def test_the_change_from_half_the_steps_tells_what_has_converged():
    f = keeping(0.1)
    for steps, converged in [(8, False), (16, False), (32, True), (64, True)]:
        estimate = spectrum(lambda v: GEOMETRIC * v, [np.ones(1000)], steps).mean(f)
        half = spectrum(lambda v: GEOMETRIC * v, [np.ones(1000)], steps // 2).mean(f)
        assert estimate.change == pytest.approx(abs(estimate.value - half.value), abs=1e-14)
        assert (estimate.change < 0.02 * estimate.value) == converged


def test_the_truth_is_within_the_error_over_random_starts():
    draw = np.random.default_rng(0)
    vectors, _ = np.linalg.qr(draw.normal(size=(300, 300)))
    eigenvalues = np.append(draw.normal(scale=0.2, size=290), 10 * draw.uniform(size=10))
    matrix = (vectors * eigenvalues) @ vectors.T
    found = spectrum(lambda v: matrix @ v, rademacher(300, 30, 1), 60)
    for f in (lambda x: x, keeping(0.1), lambda x: np.exp(-x)):
        estimate, exact = found.mean(f), float(np.mean(f(eigenvalues)))
        assert 0 < estimate.error < 0.1
        assert abs(estimate.value - exact) < 3 * estimate.error
    negative = found.negative_mass()
    assert abs(negative.value - np.mean(eigenvalues < 0)) < 3 * negative.error + 0.01
    assert found.trace().value == pytest.approx(300 * found.mean(lambda x: x).value, rel=1e-12)


def test_a_zero_of_single_precision_is_no_negative_eigenvalue():
    found = Spectrum.of(np.array([-0.1, *[-3e-8] * 500, *[3e-8] * 498, 1.0]))
    assert found.negative_mass().value == pytest.approx(0.001)


def test_random_starts():
    signs = list(rademacher(5000, 2, 3))
    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert abs(np.mean(signs)) < 0.05
    assert not np.array_equal(*signs)
    np.testing.assert_array_equal(signs, list(rademacher(5000, 2, 3)))


def test_signs_are_exact_for_a_diagonal_matrix():
    one, other = (spectrum(lambda v: GEOMETRIC * v, rademacher(1000, 1, seed), 60) for seed in (0, 1))
    assert one.mean(keeping(0.1)).value == pytest.approx(other.mean(keeping(0.1)).value, rel=1e-9)
    assert np.isnan(one.mean(keeping(0.1)).error)


def test_too_few_steps_or_starts_are_refused():
    with pytest.raises(ValueError, match=r"^steps is 1: expected 2 or more"):
        spectrum(lambda v: v, [np.ones(3)], 1)
    with pytest.raises(ValueError, match="0 random starts"):
        spectrum(lambda v: v, [], 4)
