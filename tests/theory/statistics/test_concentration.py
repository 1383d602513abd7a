"""Concentration inequalities: reference values, and how often random sums and means exceed them."""

import math

import numpy as np
import pytest

from apcli.theory.statistics.concentration import bernstein, empirical_bernstein, hoeffding


@pytest.mark.parametrize(
    ("mean", "variance", "largest", "samples", "delta", "expected"),
    [
        (0.02, 0.0004, 1, 1000, 0.05, 0.030333879027714),
        (0.02, 0.0004, 1, 100_000, 0.05, 0.020257862478015),
        (0.5, 0.08, 1, 500, 0.01, 0.56595101387877),
    ],
)
def test_reference_values_of_empirical_bernstein(mean, variance, largest, samples, delta, expected):
    found = empirical_bernstein(mean=mean, variance=variance, largest=largest, samples=samples, delta=delta)
    assert found == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(
    ("variance", "largest", "dimensions", "delta", "expected"),
    [
        (0.0075, 0.18, 70, 0.05, 0.98016919517506),
        (1, 0.1, 2000, 1e-3, 5.8920602984015),
        (0, 0.5, 20, 0.05, 1.997154849036),
    ],
)
def test_reference_values_of_bernstein(variance, largest, dimensions, delta, expected):
    found = bernstein(variance, largest, delta, dimensions)
    assert found == pytest.approx(expected, rel=1e-13)
    exponent = found**2 / 2 / (variance + largest * found / 3)
    assert dimensions * math.exp(-exponent) == pytest.approx(delta, rel=1e-11)


@pytest.mark.parametrize("delta", [0.5, 0.05, 0.01])
def test_sums_rarely_exceed_their_bounds(delta):
    """1,000 draws each of rare, large values and of many, small ones, all with mean 0."""
    rng = np.random.default_rng(6)
    rare = np.where(rng.random((1000, 40)) < 0.02, 0.98, -0.02)
    coins = rng.choice([-0.3, 0.3], (1000, 40))
    for drawn, variance, largest in ((rare, 0.02 * 0.98, 0.98), (coins, 0.09, 0.3)):
        sums = drawn.sum(axis=1)
        assert np.mean(sums > bernstein(40 * variance, largest, delta)) <= delta
        assert np.mean(sums > hoeffding(40 * largest**2, delta)) <= delta
    assert bernstein(40 * 0.0196, 0.98, delta) < hoeffding(40 * 0.98**2, delta)


@pytest.mark.parametrize("samples", [2, 20, 300])
@pytest.mark.parametrize("delta", [0.2, 0.02])
def test_empirical_bernstein_covers_expectations(samples, delta):
    rng = np.random.default_rng(samples)
    drawn = {
        0.1: rng.random((1000, samples)) < 0.1,
        0.5: rng.random((1000, samples)),
        1 / 11: rng.beta(0.1, 1, (1000, samples)),
    }
    for expectation, values in drawn.items():
        means, variances = values.mean(axis=1), values.astype(float).var(axis=1, ddof=1)
        uppers = [
            empirical_bernstein(mean=3 * m, variance=9 * v, largest=3, samples=samples, delta=delta)
            for m, v in zip(means, variances, strict=True)
        ]
        assert np.mean(np.array(uppers) < 3 * expectation) <= delta


def test_extremes():
    assert bernstein(0, 0, 0.1) == hoeffding(0, 0.1) == 0
    assert bernstein(2, 0, math.exp(-3)) == hoeffding(2, math.exp(-3)) == pytest.approx(math.sqrt(12), rel=1e-15)
    for call in (
        lambda: bernstein(-1, 1, 0.1),
        lambda: bernstein(1, 1, math.nan, 2),
        lambda: hoeffding(1, 1.0),
        lambda: empirical_bernstein(mean=0, variance=0, largest=1, samples=1, delta=0.1),
        lambda: empirical_bernstein(mean=0, variance=0, largest=1, samples=2, delta=1),
        lambda: empirical_bernstein(mean=0, variance=0, largest=0, samples=2, delta=0.1),
    ):
        with pytest.raises(ValueError, match="expected"):
            call()
