"""Paired classifiers: SciPy's exact binomial test, and the coverage of the interval."""

import numpy as np
import pytest
from scipy import stats

from apcli.theory.statistics.paired import change_interval, mcnemar_p


@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (0, 5), (3, 3), (12, 2), (150, 101), (2, 900)])
def test_p_is_that_of_the_exact_binomial_test(lost, gained):
    expected = stats.binomtest(lost, lost + gained).pvalue if lost + gained else 1.0
    assert mcnemar_p(lost, gained) == pytest.approx(expected, rel=1e-10)
    assert mcnemar_p(gained, lost) == mcnemar_p(lost, gained)


def test_the_interval_by_hand():
    """2 and 8 of 23, with one added to each: 6/23 -+ 1.96 sqrt((10/23 - (6/23)^2) / 23)."""
    low, high = change_interval(1, 7, 21, 0.05)
    assert (low, high) == pytest.approx((0.013379823768, 0.508359306669), abs=1e-11)
    assert change_interval(7, 1, 21, 0.05) == (-high, -low)
    assert change_interval(0, 3, 3, 0.5)[1] <= 1
    with pytest.raises(ValueError, match=r"level is 1"):
        change_interval(1, 1, 4, 1.0)
    with pytest.raises(ValueError, match="lost is 5"):
        change_interval(5, 1, 4, 0.1)


@pytest.mark.parametrize("shares", [(0.02, 0.01), (0.1, 0.1), (0.3, 0.02)])
def test_the_interval_covers_the_difference(shares):
    """Over drawn tables of 200 items, as often as stated or a little more."""
    lost, gained = shares
    drawn = np.random.default_rng(0).multinomial(200, [lost, gained, 1 - lost - gained], size=2000)
    found = [change_interval(int(down), int(up), 200, 0.1) for down, up, _ in drawn]
    covered = np.mean([low <= gained - lost <= high for low, high in found])
    assert 0.88 <= covered <= 0.96
