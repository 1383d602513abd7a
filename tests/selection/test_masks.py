"""Masks against a stable full sort."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from oracles import removed_by_sort

from apcli.selection.masks import keep_highest

FEW = st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 5e-324, 1e-310, 1.0, 1.0, np.inf])  # many ties
ANY = st.floats(allow_nan=False)


def check(scores: np.ndarray, removed: int) -> None:
    before = scores.tobytes()
    mask = keep_highest(scores, removed)
    assert (mask.dtype, mask.shape) == (np.dtype(bool), scores.shape)
    assert set(np.flatnonzero(~mask).tolist()) == removed_by_sort(scores.tolist(), removed)
    assert scores.tobytes() == before


@settings(max_examples=400)
@given(st.data())
def test_any_scores(data):
    dtype = data.draw(st.sampled_from([np.float16, np.float32, np.float64]))
    scores = np.array(data.draw(st.lists(st.one_of(FEW, ANY), max_size=40)))
    with np.errstate(over="ignore", under="ignore"):
        scores = scores.astype(dtype)
    check(scores, data.draw(st.integers(0, scores.size)))


@given(arrays.arrays(np.float32, st.integers(1, 30), elements=st.sampled_from([0.0, 1.0])), st.data())
def test_larger_removals_remove_the_smaller_ones_too(scores, data):
    masks = [keep_highest(scores, removed) for removed in range(scores.size + 1)]
    for removed, (fewer, more) in enumerate(pairwise(masks)):
        assert (~fewer).sum() == removed
        assert not (more & ~fewer).any()


@pytest.mark.parametrize(
    "scores",
    [
        np.zeros(1001),
        np.full(1000, np.inf),
        np.full(1000, -np.inf, np.float16),
        np.repeat([2.0, 1.0, 0.0, 1.0], 250),
        np.arange(1, 1001).astype(np.uint16).view(np.float16),  # the smallest of float16, denormals
        np.tile([-np.inf, np.inf, 0.0, -0.0], 100).astype(np.float32),
        np.round(np.random.default_rng(0).normal(size=1000) * 4) / 4,
    ],
    ids=["equal", "inf", "minus inf", "blocks", "denormal", "extremes", "rounded"],
)
def test_adversarial_scores(scores):
    for removed in {0, 1, 7, scores.size // 3, scores.size // 2, scores.size - 1, scores.size}:
        check(scores, removed)


def test_equal_scores_go_by_index():
    assert keep_highest(np.ones(6), 2).tolist() == [False, False, True, True, True, True]
    assert keep_highest(np.array([1.0, 0, 1, 0, 1]), 3).tolist() == [False, False, True, False, True]


def test_nothing_of_nothing():
    assert keep_highest(np.empty(0), 0).shape == (0,)


@pytest.mark.parametrize("removed", [-1, 4])
def test_more_than_there_is(removed):
    with pytest.raises(ValueError, match=f"cannot remove {removed} of 3"):
        keep_highest(np.zeros(3), removed)
