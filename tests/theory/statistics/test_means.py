import math
from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from apcli.theory.statistics.means import (
    contrast,
    differ,
    holm,
    holm_levels,
    least_detectable,
    mean_interval,
    paired_p,
    sample_sd,
)

RANDOM = np.random.default_rng(5)


@pytest.mark.parametrize("size", [3, 4, 10, 50])
def test_interval_of_a_mean_against_scipy(size):
    values = RANDOM.normal(3, 2, size=size)
    expected = stats.t.interval(0.95, size - 1, loc=values.mean(), scale=stats.sem(values))
    assert mean_interval(values) == pytest.approx(expected, rel=1e-12)
    assert sample_sd(values) == pytest.approx(np.std(values, ddof=1), rel=1e-14)


@pytest.mark.parametrize("size", [3, 5, 30])
def test_paired_p_against_scipy(size):
    first, second = RANDOM.normal(size=(2, size))
    assert paired_p(first - second) == pytest.approx(stats.ttest_rel(first, second).pvalue, rel=1e-12)
    assert paired_p(second - first) == paired_p(first - second)


@pytest.mark.parametrize("values", [[1.0, 2.0], [0.7], [0.3, 0.3, 0.3], [0.0, 0.0, 0.0, 0.0]])
def test_too_few_and_equal_values_have_neither_interval_nor_p(values):
    assert (mean_interval(values), paired_p(values), least_detectable(values)) == (None, None, None)


def test_rounding_is_no_spread():
    values = [98.3 - 97.9, 71.3 - 70.9, 50.3 - 49.9]
    assert len(set(values)) > 1
    assert not differ(values)
    assert paired_p(values) is None
    assert differ([0.4, 0.4001])


def closed_testing(p_values):
    """Holm's adjusted p by its definition: the largest Bonferroni p over all sets of hypotheses that hold each."""
    places = range(len(p_values))
    sets = list(chain.from_iterable(combinations(places, size) for size in range(1, len(p_values) + 1)))
    return [max(min(1.0, len(s) * min(p_values[i] for i in s)) for s in sets if place in s) for place in places]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_holm_is_the_closed_test_of_bonferroni(p_values):
    assert holm(p_values) == pytest.approx(closed_testing(p_values))


def test_what_was_not_tested_does_not_count():
    assert holm([0.01, None, 0.04, None]) == [0.02, None, 0.04, None]
    assert holm([None]) == [None]
    assert holm([]) == []


@pytest.mark.parametrize("size", [3, 5, 20])
def test_least_detectable_difference_has_power_80(size):
    differences = RANDOM.normal(size=size)
    sd, least = np.std(differences, ddof=1), least_detectable(differences)
    critical = stats.t.ppf(0.975, size - 1)
    assert stats.nct.sf(critical, size - 1, least * math.sqrt(size) / sd) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.slow
def test_least_detectable_difference_is_found_four_times_in_five():
    """Five normal differences with that mean, 20,000 times: SciPy's t test finds it in 80 %, within three errors."""
    least = least_detectable([-1.0, 1.0, -1.0, 1.0, 0.0])  # sd 1
    drawn = RANDOM.normal(least, 1.0, size=(20_000, 5))
    assert np.mean(stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.0085)


def test_contrast_is_the_difference_over_the_pooled_sd():
    first, second = [1.0, 2.0, 3.0], [5.0, 9.0]
    pooled = math.sqrt((2 * 1.0 + 1 * 8.0) / 3)
    assert contrast(first, second) == pytest.approx((2 - 7) / pooled)
    assert contrast(second, first) == pytest.approx(-contrast(first, second))
    t = stats.ttest_ind(first, second).statistic  # of the same pooled sd
    assert contrast(first, second) == pytest.approx(t * math.sqrt(1 / 3 + 1 / 2))
    assert contrast([1.0], second) is None
    assert contrast([1.0, 1.0], [2.0, 2.0]) is None
    assert contrast([1.0, 1.0], [2.0, 3.0]) is not None


def test_a_spread_of_rounding_is_none():
    assert sample_sd([0.1 + 0.2, 0.3, 0.3]) == sample_sd([17.5, 17.5 * (1 + 1e-15)]) == 0.0
    assert sample_sd([1.0, 1.0 + 1e-6]) == pytest.approx(1e-6 / math.sqrt(2), rel=1e-9)


def test_levels_of_intervals_go_with_holms_verdicts():
    p_values = [0.03, 0.001, 0.012, 0.5]
    adjusted, levels = holm(p_values), holm_levels(p_values)
    assert levels == pytest.approx([0.05 / 2, 0.05 / 4, 0.05 / 3, 0.05 / 2])
    for p, level, one in zip(p_values, levels, adjusted, strict=True):
        assert (p <= level) == (one <= 0.05)
    assert holm_levels([]) == []
