"""Every scope of the table: exact counts, the scores untouched, and which weights go."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import removed_by_sort

from apcli.allocations import SCOPES

ROWS = list(SCOPES)
SCORES = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 0.5, 2.0])
LAYERS = st.lists(st.lists(SCORES, min_size=1, max_size=15), min_size=1, max_size=4)
SPARSITY = st.one_of(st.floats(0, 1, exclude_max=True), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.8, 0.999]))


@given(LAYERS, SPARSITY)
def test_layer_removes_the_lowest_of_each(scores, sparsity):
    masks = SCOPES.parse("layer")([np.array(layer) for layer in scores], sparsity)
    for layer, mask in zip(scores, masks, strict=True):
        assert set(np.flatnonzero(~mask)) == removed_by_sort(layer, round(sparsity * len(layer)))


@given(LAYERS, SPARSITY)
def test_global_removes_the_lowest_of_all(scores, sparsity):
    masks = SCOPES.parse("global")([np.array(layer) for layer in scores], sparsity)
    pooled = [score for layer in scores for score in layer]
    assert [mask.size for mask in masks] == [len(layer) for layer in scores]
    expected = removed_by_sort(pooled, round(sparsity * len(pooled)))
    assert set(np.flatnonzero(~np.concatenate(masks))) == expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@given(scores=LAYERS, sparsity=SPARSITY)
def test_masks_are_bool_and_scores_are_left_alone(row, scores, sparsity):
    given_scores = [np.array(layer, np.float32) for layer in scores]
    before = [layer.tobytes() for layer in given_scores]
    masks = row.load()(given_scores, sparsity)
    assert [mask.shape for mask in masks] == [layer.shape for layer in given_scores]
    assert all(mask.dtype == bool for mask in masks)
    assert [layer.tobytes() for layer in given_scores] == before


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@given(scores=LAYERS)
def test_more_sparsity_only_adds_zeros(row, scores):
    layers = [np.array(layer) for layer in scores]
    previous = [np.ones(layer.size, bool) for layer in layers]
    for sparsity in np.linspace(0, 0.99, 12):
        masks = row.load()(layers, sparsity)
        assert not any((mask & ~before).any() for mask, before in zip(masks, previous, strict=True))
        previous = masks


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_counts_of_the_field_study(row):
    """The request that five published programs answer in five ways: half of a thousand weights."""
    draw = np.random.default_rng(0)
    normal = draw.normal(size=1000)
    for weights in (normal, np.ones(1000), np.append(np.zeros(600), normal[:400]), np.round(4 * normal) / 4):
        (mask,) = row.load()([np.abs(weights)], 0.5)
        assert (~mask).sum() == 500


def test_layers_of_different_types_are_ranked_by_value():
    scores = [np.array([1.0, 3.0], np.float16), np.array([2.0, 2.0 + 1e-12], np.float64)]
    masks = SCOPES.parse("global")(scores, 0.5)
    assert [mask.tolist() for mask in masks] == [[False, True], [False, True]]
