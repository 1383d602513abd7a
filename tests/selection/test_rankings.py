"""Ranks order as the magnitudes or scores they are made of."""

import numpy as np
import pytest

from apcli.checkpoints.files.entries import FLOATS, Entry
from apcli.criteria import METHODS
from apcli.selection import rankings
from apcli.selection.rankings import ChannelRanking, MagnitudeRanking, ScoreRanking, common_dtype, magnitudes


def entry(values, dtype="F32"):
    array = np.asarray(values, FLOATS[dtype])
    data = (array.view(np.uint32) >> 16).astype(np.uint16) if dtype == "BF16" else array
    return Entry(dtype, array.shape, np.ascontiguousarray(data).reshape(-1).view(np.uint8))


def ranking(values, method, dtype="F32", name="a", seed=0):
    return MagnitudeRanking(entry(values, dtype), name, METHODS.parse(method), dtype, seed)


VALUES = np.append(np.random.default_rng(0).normal(size=200), [0.0, -0.0, 1e-7, -1e-7, 1.0, -1.0, 6e4, -6e4])


@pytest.mark.parametrize("dtype", FLOATS)
def test_magnitudes_order_as_absolute_values_and_highest_reverses_them(dtype):
    size = np.abs(entry(VALUES, dtype).values.astype(np.float64))
    lowest, highest = (ranking(VALUES, name, dtype).ranks(0, size.size) for name in ("lowest", "highest"))
    assert (np.argsort(lowest, kind="stable") == np.argsort(size, kind="stable")).all()
    reverse = np.where(size == 0, -np.inf, -size)
    assert (np.argsort(highest, kind="stable") == np.argsort(reverse, kind="stable")).all()
    assert ((lowest == 0) == (size == 0)).all()
    assert ((highest == 0) == (size == 0)).all()
    assert 8 * lowest.itemsize == ranking(VALUES, "lowest", dtype).bits


@pytest.mark.parametrize(
    "dtypes, expected",
    [(["F16", "F16"], "F16"), (["F16", "BF16"], "F32"), (["BF16", "F32"], "F32"), (["F16", "F64"], "F64")],
)
def test_mixed_types_compare_by_value(dtypes, expected):
    entries = [entry(VALUES, dtype) for dtype in dtypes]
    assert common_dtype(entries) == expected
    found = np.concatenate([magnitudes(each, expected, 0, each.size) for each in entries])
    values = np.abs(np.concatenate([each.values.astype(np.float64) for each in entries]))
    assert (np.argsort(found, kind="stable") == np.argsort(values, kind="stable")).all()


def test_random_ranks_do_not_depend_on_the_run_they_are_asked_in(monkeypatch):
    monkeypatch.setattr(rankings, "BLOCK", 8)
    drawn = ranking(np.ones(37), "random")
    whole = drawn.ranks(0, 37)
    for start in range(37):
        for stop in range(start, 38):
            assert drawn.ranks(start, stop).tolist() == whole[start:stop].tolist()
    others = [ranking(np.ones(37), "random", name="b"), ranking(np.ones(37), "random", seed=1)]
    assert all((whole != other.ranks(0, 37)).any() for other in others)
    assert len(set(whole.tolist())) > 30


def test_scores_order_as_floats_with_zero_weights_first():
    scores = np.array([-np.inf, -0.0, 0.0, -1.5, 2.0, 5e-324, -5e-324, np.inf, -9.0])
    ranks = ScoreRanking(scores, entry(np.ones(9))).ranks(0, 9)
    assert (np.argsort(ranks, kind="stable") == np.argsort(scores, kind="stable")).all()
    assert ranks[1] == ranks[2]
    assert (ranks > 0).all()
    zeros = ScoreRanking(scores, entry([1, 1, 1, 1, -0.0, 1, 1, 0, 1])).ranks(0, 9)
    assert np.flatnonzero(zeros == 0).tolist() == [4, 7]


def test_channels_are_ranked_by_their_scores():
    scores = np.array([1.5, -np.inf, 0.0, -0.0, np.finfo(np.float64).min, -2.0, np.inf])
    ranks = ChannelRanking(scores).ranks(0, scores.size)
    assert np.argsort(ranks, kind="stable").tolist() == np.argsort(scores, kind="stable").tolist()
    assert ranks[2] == ranks[3]
    assert ChannelRanking(scores).ranks(2, 4).tolist() == ranks[2:4].tolist()
