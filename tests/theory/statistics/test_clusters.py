import numpy as np
import pytest
from scipy import stats

from apcli.theory.statistics.clusters import LEAST, RESAMPLES, draws, interval, mean_interval

RANDOM = np.random.default_rng(11)


def test_draws_are_whole_clusters_and_repeat():
    drawn = draws(7)
    assert drawn.shape == (RESAMPLES, 7)
    assert (drawn.sum(axis=1) == 7).all()
    assert np.array_equal(drawn, np.random.default_rng(0).multinomial(7, np.full(7, 1 / 7), size=RESAMPLES))
    assert drawn is draws(7)
    with pytest.raises(ValueError, match="read-only"):
        drawn[0, 0] = 3


def test_interval_is_of_percentiles_of_what_is_known():
    values = np.concatenate([np.arange(1001.0), np.full(5000, np.nan)])
    assert interval(values, 10**7) == pytest.approx((25.0, 975.0), abs=0.01), "of very many clusters"
    assert interval(np.full(3, np.nan), 7) is None


@pytest.mark.parametrize("size", [5, 8, 30])
def test_interval_of_a_normal_bootstrap_is_students(size):
    """Where resampled means are normal with variance (n - 1) / n s^2 / n, the expanded interval is Student's t."""
    error = 0.7
    spread = error * np.sqrt((size - 1) / size)
    values = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000, 3, spread)
    assert interval(values, size) == pytest.approx(stats.t.interval(0.95, size - 1, 3, error), rel=1e-3)


def test_mean_interval_against_resampling_one_by_one():
    clusters = ["a", "b", "b", "c", "d", "d", "d", "e", "f"]
    values = RANDOM.normal(size=len(clusters))
    members = {name: [v for v, c in zip(values, clusters, strict=True) if c == name] for name in "abcdef"}
    means = []
    for counts in draws(6):
        drawn = [v for count, name in zip(counts, "abcdef", strict=True) for v in members[name] * int(count)]
        means.append(np.mean(drawn))
    assert mean_interval(values, clusters) == pytest.approx(interval(np.array(means), 6))


def test_few_clusters_have_no_interval_however_many_values():
    values = RANDOM.normal(size=400)
    assert mean_interval(values, np.arange(400) % (LEAST - 1)) is None
    assert mean_interval(values, np.arange(400) % LEAST) is not None


@pytest.mark.slow
def test_interval_of_a_mean_covers_it_where_values_of_a_cluster_are_alike():
    """Twenty clusters of ten values that share most of their noise: resampling values would cover half of the time."""
    clusters = np.repeat(np.arange(20), 10)
    held, naive = 0, 0
    for _ in range(100):
        values = 3 + RANDOM.normal(size=20)[clusters] + 0.3 * RANDOM.normal(size=200)
        for name, by in (("clusters", clusters), ("values", np.arange(200))):
            low, high = mean_interval(values, by)
            held += name == "clusters" and low <= 3 <= high
            naive += name == "values" and low <= 3 <= high
    assert held >= 88
    assert naive <= 65
