"""Scores of filters against their definitions, written out."""

import numpy as np
import pytest

from apcli.criteria import FILTER_METHODS
from apcli.criteria import filters as filters_module
from apcli.criteria.filters import FilterWeights, bn_scale, geometric_median, highest, l1, l2, random, taylor
from apcli.errors import UsageError


def group(filters, **given):
    defaults = {"scale": None, "products": None, "generator": np.random.default_rng(0)}
    return FilterWeights("conv1", np.array(filters, np.float64), **{**defaults, **given})


def drawn(channels=7, size=12, seed=0):
    draws = np.random.default_rng(seed)
    return group(
        draws.normal(size=(channels, size)),
        scale=np.abs(draws.normal(size=channels)),
        products=draws.normal(size=(3, channels)),
        generator=draws,
    )


def test_norms():
    found = drawn()
    np.testing.assert_allclose(l1(found), [sum(abs(w) for w in f) for f in found.filters], rtol=1e-14)
    np.testing.assert_allclose(l2(found), [sum(w * w for w in f) ** 0.5 for f in found.filters], rtol=1e-14)
    np.testing.assert_array_equal(highest(found), -l1(found))


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_geometric_median_is_the_sum_of_distances(offset):
    found = group(drawn(9, 20).filters + offset)
    expected = [sum(np.linalg.norm(one - other) for other in found.filters) for one in found.filters]
    np.testing.assert_allclose(geometric_median(found), expected, rtol=1e-9)


def test_geometric_median_of_equal_filters_is_equal():
    filters = drawn(5, 30).filters[[0, 1, 2, 0, 3, 4, 0]]
    filters[3, 2] = filters[0, 2] = filters[6, 2] = 0.0
    filters[6, 2] = -0.0
    scores = geometric_median(group(filters))
    assert scores[0] == scores[3] == scores[6]
    expected = [sum(np.linalg.norm(one - other) for other in filters) for one in filters]
    np.testing.assert_allclose(scores, expected, rtol=1e-9)
    assert geometric_median(group(np.ones((4, 3)))).tolist() == [0.0] * 4
    assert geometric_median(group(np.ones((1, 3)))).tolist() == [0.0]


def test_the_filter_nearest_to_all_others_goes_first():
    assert geometric_median(group([[0.0], [1.0], [2.0], [10.0]])).argmin() in (1, 2)


def test_scale_and_taylor():
    found = drawn()
    np.testing.assert_array_equal(bn_scale(found), found.scale)
    expected = [np.mean([p**2 for p in found.products[:, c]]) for c in range(7)]
    np.testing.assert_allclose(taylor(found), expected, rtol=1e-14)


def test_without_a_norm_another_method_is_named():
    with pytest.raises(UsageError, match=r"no batch norm reads the channels of conv1: choose another method") as caught:
        bn_scale(group([[1.0]]))
    assert "\n" not in str(caught.value)


def test_random_follows_the_generator():
    first, again, other = (random(group(np.ones((50, 2)), generator=np.random.default_rng(s))) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert len(set(first)) == 50


@pytest.mark.parametrize("row", list(FILTER_METHODS), ids=[row.name for row in FILTER_METHODS])
def test_every_method_scores_each_channel_and_changes_nothing(row):
    found = drawn()
    before = [array.copy() for array in (found.filters, found.scale, found.products)]
    scores = row.load()(found)
    assert (scores.shape, scores.dtype) == ((7,), np.float64)
    scores += 1  # it is the caller's own
    for array, was in zip((found.filters, found.scale, found.products), before, strict=True):
        np.testing.assert_array_equal(array, was)


def test_filters_are_scored_some_rows_at_a_time(monkeypatch):
    """To the same bits where each filter is judged alone; distances add up in another order."""
    found = drawn(23, 40)
    whole = {method: method(found) for method in (l1, l2, highest, geometric_median)}
    monkeypatch.setattr(filters_module, "BLOCK", 200)
    for method, scores in whole.items():
        if method is geometric_median:
            np.testing.assert_allclose(method(found), scores, rtol=1e-13)
        else:
            np.testing.assert_array_equal(method(found), scores)
