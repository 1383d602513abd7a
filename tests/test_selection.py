"""Cuts against a stable full sort of all layers' ranks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import removed_by_sort

from apcli import selection
from apcli.selection import cuts, lowest_of_rows, removed_of

TYPES = {16: np.uint16, 32: np.uint32, 64: np.uint64}


class Ranks:
    def __init__(self, ranks, bits):
        self.all, self.bits, self.size = np.array(ranks, TYPES[bits]), bits, len(ranks)

    def ranks(self, start, stop):
        return self.all[start:stop]


def kept_of(ranking, cut):
    blocks = range(0, ranking.size, selection.BLOCK)
    return [keep for at in blocks for keep in cut.kept(ranking.ranks(at, min(at + selection.BLOCK, ranking.size)), at)]


@pytest.mark.parametrize("bits", TYPES)
@given(st.data())
def test_cuts_remove_what_a_stable_sort_removes(bits, data):
    values = st.sampled_from([0, 0, 1, 2, 1 << (bits - 1), (1 << bits) - 1]) | st.integers(0, (1 << bits) - 1)
    layers = data.draw(st.lists(st.lists(values, max_size=30), min_size=1, max_size=4))
    pooled = [rank for layer in layers for rank in layer]
    removed = data.draw(st.integers(0, len(pooled)))
    rankings = [Ranks(layer, bits) for layer in layers]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "BLOCK", 8)
        found = cuts(rankings, removed)
        kept = [keep for pair in zip(rankings, found, strict=True) for keep in kept_of(*pair)]
        assert sum(map(removed_of, rankings, found)) == removed
    assert set(np.flatnonzero(~np.array(kept, bool))) == removed_by_sort(pooled, removed)


@pytest.mark.parametrize("bits", TYPES)
@pytest.mark.parametrize("rank", [0, 1, 65535])
def test_equal_ranks_go_by_index_across_layers(bits, rank, monkeypatch):
    monkeypatch.setattr(selection, "BLOCK", 8)
    rankings = [Ranks([rank] * size, bits) for size in (5, 20, 9)]
    for removed in range(35):
        found = cuts(rankings, removed)
        kept = [keep for pair in zip(rankings, found, strict=True) for keep in kept_of(*pair)]
        assert kept == [False] * removed + [True] * (34 - removed)


@pytest.mark.parametrize("removed", [-1, 4])
def test_more_than_there_is_cannot_be_removed(removed):
    with pytest.raises(ValueError, match=f"cannot remove {removed} of 3"):
        cuts([Ranks([1, 2, 3], 32)], removed)


def test_rows_lose_their_own_lowest():
    draw = np.random.default_rng(0)
    ranks, removed = draw.integers(0, 4, (20, 7)).astype(np.uint32), draw.integers(0, 8, 20)
    for row, count, kept in zip(ranks, removed, lowest_of_rows(ranks, removed), strict=True):
        assert set(np.flatnonzero(~kept)) == removed_by_sort(row.tolist(), count)
