import numpy as np
import pytest
from scipy.stats import kendalltau

from apcli.theory.statistics.kendall import RESAMPLES, bootstrap, interval, tau_b

RANDOM = np.random.default_rng(7)


@pytest.mark.parametrize("size", [2, 3, 5, 12, 60])
@pytest.mark.parametrize("values", [3, 1000])
def test_tau_against_scipy(size, values):
    for _ in range(20):
        x, y = RANDOM.integers(values, size=(2, size))
        expected = kendalltau(x, y, variant="b").statistic
        found = tau_b(x, y)
        assert found is None if np.isnan(expected) else found == pytest.approx(expected, abs=1e-14)


def test_constants_have_no_tau():
    assert tau_b([1, 1, 1], [1, 2, 3]) is None
    assert tau_b([1.0], [2.0]) is None


def test_bootstrap_is_tau_of_the_cells_drawn():
    """The same resamples, drawn one by one and measured by SciPy on the repeated cells."""
    x, y = RANDOM.normal(size=(2, 7)).round(1)
    counts = np.random.default_rng(0).multinomial(7, np.full(7, 1 / 7), size=RESAMPLES)
    found = bootstrap(x, y)
    for count, tau in zip(counts[:200], found[:200], strict=True):
        drawn = np.repeat(np.arange(7), count)
        assert tau == pytest.approx(kendalltau(x[drawn], y[drawn]).statistic, abs=1e-14, nan_ok=True)


def test_bootstrap_repeats_and_is_paired():
    x, y = RANDOM.normal(size=(2, 9))
    assert np.array_equal(bootstrap(x, y), bootstrap(x, y))
    assert np.array_equal(bootstrap(x, y), bootstrap(np.exp(x), y)), "the same order, the same resamples"
    assert np.allclose(bootstrap(x, y), -bootstrap(-x, y))


def test_perfect_order_has_an_interval_without_width():
    x = np.arange(8.0)
    assert interval(bootstrap(x, x)) == (1.0, 1.0)
    assert interval(bootstrap(x, -x)) == (-1.0, -1.0)


def test_interval_is_of_percentiles_of_what_is_known():
    values = np.concatenate([np.arange(1001.0), np.full(5000, np.nan)])
    assert interval(values) == pytest.approx((25.0, 975.0))
    assert interval(np.full(3, np.nan)) is None


@pytest.mark.slow
def test_interval_covers_a_known_tau():
    """Of a bivariate Gaussian tau is 2/pi arcsin(rho): about 95 of 100 intervals hold it, here 47 or 48 of 50."""
    rho, held = 0.6, 0
    for _ in range(50):
        x, noise = RANDOM.normal(size=(2, 60))
        low, high = interval(bootstrap(x, rho * x + np.sqrt(1 - rho**2) * noise))
        held += low <= 2 / np.pi * np.arcsin(rho) <= high
    assert 42 <= held <= 50
