"""Proportions and quantiles: reference values, scipy's exact test, and exact or simulated coverage."""

import mpmath
import numpy as np
import pytest
from scipy import stats

from apcli.theory.statistics.proportions import draws_for_quantile, interval, number_of_events, upper


@pytest.mark.parametrize(
    ("draws", "failures", "beta", "expected"),
    [(1000, 0, 0.01, 0.004594582648473), (1000, 3, 0.01, 0.010009791991708), (10_000, 5, 0.001, 0.001644532344645)],
)
def test_reference_values(draws, failures, beta, expected):
    assert upper(failures, draws, beta) == pytest.approx(expected, rel=1e-12)


def test_none_and_all_of_the_draws():
    assert upper(0, 1000, 0.01) == pytest.approx(1 - 0.01 ** (1 / 1000), rel=1e-12)
    assert upper(7, 7, 0.01) == 1
    assert interval(0, 7, 0.1) == (0.0, upper(0, 7, 0.05))
    assert interval(7, 7, 0.1) == (pytest.approx(0.05 ** (1 / 7), rel=1e-12), 1.0)


@pytest.mark.parametrize(("draws", "failures"), [(5, 0), (5, 2), (1000, 3), (10, 9)])
def test_quantiles_of_the_smallest_error(draws, failures):
    """Against the binomial sum in 60 digits, by bisection."""
    with mpmath.workdps(60):
        beta, low, high = mpmath.mpf("1e-100"), mpmath.mpf(0), mpmath.mpf(1)
        for _ in range(600):
            p = (low + high) / 2
            few = mpmath.fsum(mpmath.binomial(draws, k) * p**k * (1 - p) ** (draws - k) for k in range(failures + 1))
            low, high = (p, high) if few > beta else (low, p)
    assert upper(failures, draws, 1e-100) == pytest.approx(float(p), rel=1e-12)
    assert interval(failures, draws, 1e-100)[1] >= float(p)
    with pytest.raises(ValueError, match="beta is 1e-300: expected a number in"):
        upper(failures, draws, 1e-300)


@pytest.mark.parametrize("beta", [0.3, 0.05, 1e-6])
def test_intervals_are_those_of_the_binomial_test(beta):
    for draws in (1, 2, 10, 321):
        for failures in {0, 1, draws // 3, draws - 1, draws}:
            one_sided = stats.binomtest(failures, draws, alternative="less").proportion_ci(1 - beta, method="exact")
            assert upper(failures, draws, beta) == pytest.approx(one_sided.high, rel=1e-8)
            two_sided = stats.binomtest(failures, draws).proportion_ci(1 - beta, method="exact")
            assert interval(failures, draws, beta) == pytest.approx(
                (two_sided.low, two_sided.high), rel=1e-8, abs=1e-12
            )


@pytest.mark.parametrize("beta", [0.2, 0.01])
def test_the_stated_confidence_is_reached_at_every_probability(beta):
    """Exactly: the chance of the counts whose bound, or interval, covers it."""
    draws, counts = 37, np.arange(38)
    uppers = np.array([upper(int(count), draws, beta) for count in counts])
    ends = np.array([interval(int(count), draws, beta) for count in counts])
    for p in np.linspace(0.001, 0.999, 200):
        chances = stats.binom.pmf(counts, draws, p)
        assert chances[uppers >= p].sum() >= 1 - beta - 1e-12
        assert chances[(ends[:, 0] <= p) & (p <= ends[:, 1])].sum() >= 1 - beta - 1e-12


@pytest.mark.parametrize(
    ("delta", "beta", "expected"), [(0.05, 0.05, 59), (0.05, 0.01, 90), (0.01, 0.01, 459), (0.001, 0.001, 6905)]
)
def test_reference_values_of_draws(delta, beta, expected):
    assert draws_for_quantile(delta, beta) == expected
    assert (1 - delta) ** expected <= beta < (1 - delta) ** (expected - 1)


def test_the_largest_draw_reaches_the_quantile():
    """1,000 simulations: the maximum of 29 uniform draws lies below 0.9 in at most 5 % of them."""
    draws = draws_for_quantile(0.1, 0.05)
    assert np.mean(np.random.default_rng(0).random((1000, draws)).max(axis=1) < 0.9) <= 0.05


@pytest.mark.parametrize(
    "call",
    [
        lambda: upper(-1, 10, 0.1),
        lambda: upper(11, 10, 0.1),
        lambda: upper(0, 0, 0.1),
        lambda: interval(1, 10, 0.0),
        lambda: draws_for_quantile(1.0, 0.1),
        lambda: draws_for_quantile(0.1, 0.0),
    ],
)
def test_what_is_out_of_range_is_refused(call):
    with pytest.raises(ValueError, match="expected"):
        call()


def test_numbers_of_events_are_binomial_and_enumerated():
    assert number_of_events([0.3] * 6) == pytest.approx(stats.binom.pmf(range(7), 6, 0.3), rel=1e-12)
    shares = [0.1, 0.5, 0.9, 1.0]
    expected = np.zeros(5)
    for events in np.ndindex(2, 2, 2, 2):
        expected[sum(events)] += np.prod([p if one else 1 - p for p, one in zip(shares, events, strict=True)])
    assert number_of_events(shares) == pytest.approx(expected, rel=1e-12)
    assert number_of_events([]) == [1.0]
