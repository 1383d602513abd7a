from itertools import combinations

import numpy as np
import pytest
from scipy.stats import kendalltau

from apcli.theory.statistics.clusters import LEAST, RESAMPLES, draws, interval
from apcli.theory.statistics.kendall import broken_places, pair_counts

RANDOM = np.random.default_rng(7)


def pairs_one_by_one(x, y):
    """(agree, broken, tied, untied in x, untied in y) of one cluster, by looking at each pair."""
    found = np.zeros(5, dtype=int)
    for (a, c), (b, d) in combinations([(a, c) for a, c in zip(x, y, strict=True) if a == a and c == c], 2):
        product = np.sign(a - b) * np.sign(c - d)
        found += [product > 0, product < 0, product == 0, a != b, c != d]
    return tuple(found)


@pytest.mark.parametrize("size", [2, 3, 5, 12, 60])
@pytest.mark.parametrize("values", [3, 1000])
def test_tau_of_one_cluster_against_scipy(size, values):
    for _ in range(20):
        x, y = RANDOM.integers(values, size=(2, size))
        expected = kendalltau(x, y, variant="b").statistic
        found = pair_counts([x], [y])
        assert found.taus == (found.tau,)
        assert found.tau is None if np.isnan(expected) else found.tau == pytest.approx(expected, abs=1e-14)


def test_counts_against_looking_at_each_pair_of_each_cluster():
    x, y = RANDOM.integers(4, size=(2, 6, 9)).astype(float)
    x[RANDOM.random(x.shape) < 0.2] = np.nan
    y[RANDOM.random(y.shape) < 0.2] = np.nan
    counts = pair_counts(x, y)
    parts = (counts.agree, counts.broken, counts.tied, counts.untied_x, counts.untied_y)
    for cluster in range(6):
        assert tuple(part[cluster] for part in parts) == pairs_one_by_one(x[cluster], y[cluster])


def test_infinite_values_are_ordered_and_tied():
    counts = pair_counts([[np.inf, np.inf, 1.0]], [[3.0, 2.0, 1.0]])
    assert (counts.agree[0], counts.broken[0], counts.tied[0]) == (2, 0, 1)


def test_constants_and_single_items_have_no_tau():
    assert pair_counts([[1, 1, 1]], [[1, 2, 3]]).tau is None
    assert pair_counts([[1.0]], [[2.0]]).tau is None
    assert pair_counts([[1, 1], [1, 2]], [[1, 2], [1, 2]]).taus == (None, 1.0)


def test_pairs_of_two_clusters_are_not_compared():
    """Within each cluster the orders agree; across them they would not."""
    assert pair_counts([[1, 2], [11, 12]], [[11, 12], [1, 2]]).tau == 1.0
    assert kendalltau([1, 2, 11, 12], [11, 12, 1, 2]).statistic < 0


def test_the_sum_of_counts_is_that_of_both_sets_of_pairs():
    x, y = RANDOM.normal(size=(2, 3, 4))
    (a, b), (c, d) = np.split(x, 2, axis=1), np.split(y, 2, axis=1)
    both = pair_counts(a, c) + pair_counts(b, d)
    assert both.agree.tolist() == (pair_counts(a, c).agree + pair_counts(b, d).agree).tolist()
    kept = pair_counts(np.concatenate([a, b]), np.concatenate([c, d]))
    assert both.tau == pytest.approx(kept.tau)
    assert both.of([2]).taus == both.taus[2:]


def test_bootstrap_is_tau_of_the_clusters_drawn():
    """The same resamples, drawn one by one: every pair of a cluster counts as often as the cluster."""
    x, y = RANDOM.normal(size=(2, 6, 5)).round(1)
    counts = pair_counts(x, y)
    for drawn, tau in zip(draws(6)[:200].astype(int), counts.resampled[:200], strict=True):
        agree, broken, _, untied_x, untied_y = (
            sum(pairs_one_by_one(x[c], y[c])[part] for c in np.repeat(np.arange(6), drawn)) for part in range(5)
        )
        assert tau == pytest.approx((agree - broken) / np.sqrt(untied_x * untied_y))
    assert counts.interval == interval(counts.resampled, 6)


def test_bootstrap_repeats_and_is_paired():
    x, y = RANDOM.normal(size=(2, 9, 4))
    assert np.array_equal(pair_counts(x, y).resampled, pair_counts(x, y).resampled)
    assert np.array_equal(pair_counts(x, y).resampled, pair_counts(np.exp(x), y).resampled), "the same order"
    assert np.allclose(pair_counts(x, y).resampled, -pair_counts(-x, y).resampled)


def test_few_clusters_with_a_tau_have_no_interval():
    x, y = RANDOM.normal(size=(2, LEAST, 30))
    assert pair_counts(x, y).interval is not None
    assert pair_counts(x[1:], y[1:]).interval is None, "thirty items of four clusters are four clusters"
    y[0] = 0
    assert pair_counts(x, y).interval is None, "one of the five has no tau"


def test_interval_of_a_difference_is_paired():
    x, y, z = RANDOM.normal(size=(3, 6, 8))
    ours, theirs = pair_counts(x, z), pair_counts(y, z)
    assert ours.interval_above(theirs) == interval(ours.resampled - theirs.resampled, 6)
    assert ours.interval_above(ours) == (0.0, 0.0)
    assert ours.of([0, 1, 2, 3]).interval_above(theirs.of([0, 1, 2, 3])) is None


def test_perfect_order_has_an_interval_without_width():
    x = np.tile(np.arange(8.0), (5, 1))
    assert pair_counts(x, x).interval == (1.0, 1.0)
    assert pair_counts(x, -x).interval == (-1.0, -1.0)
    assert len(pair_counts(x, x).resampled) == RESAMPLES


def test_broken_places_against_looking_at_each_pair():
    x, y = RANDOM.normal(size=(2, 4, 7))
    x[0, 2] = y[0, 2] = x[3, 5] = y[3, 5] = np.nan
    expected = []
    for i, j in combinations(range(7), 2):
        shared = [c for c in range(4) if not np.isnan(x[c, i] + x[c, j])]
        dx, dy = (np.mean([v[c, i] - v[c, j] for c in shared]) for v in (x, y))
        expected += [(i, j) if dx < 0 else (j, i)] if dx * dy < 0 else []
    assert broken_places(x, y) == expected
    assert expected


def test_items_without_a_common_cluster_break_nothing():
    nan = np.nan
    assert broken_places([[1, nan], [nan, 2]], [[2, nan], [nan, 1]]) == []


@pytest.mark.slow
@pytest.mark.parametrize(("clusters", "least"), [(20, 88), (5, 83)])
def test_interval_covers_a_known_tau(clusters, least):
    """Of a bivariate Gaussian tau is 2/pi arcsin(rho). Five clusters cover a little less than 95 %.

    Every cluster has its own shift, which no pair of items of one cluster sees.
    """
    rho, held = 0.6, 0
    for _ in range(100):
        shift, x, noise = RANDOM.normal(size=(3, clusters, 12))
        y = rho * x + np.sqrt(1 - rho**2) * noise
        low, high = pair_counts(x + 5 * shift[:, :1], y - 5 * shift[:, :1]).interval
        held += low <= 2 / np.pi * np.arcsin(rho) <= high
    assert least <= held <= 100
