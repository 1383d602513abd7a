"""Cuts against a stable full sort of all layers' ranks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import removed_by_sort

from apcli.selection import exact
from apcli.selection.exact import cuts, lowest_of_rows

TYPES = {16: np.uint16, 32: np.uint32, 64: np.uint64}


class Ranks:
    def __init__(self, ranks, bits):
        self.all, self.bits, self.size = np.array(ranks, TYPES[bits]), bits, len(ranks)

    def ranks(self, start, stop):
        return self.all[start:stop]


def kept_of(ranking, cut):
    blocks = range(0, ranking.size, exact.BLOCK)
    kept = [cut.kept(ranking.ranks(at, min(at + exact.BLOCK, ranking.size)), at) for at in blocks]
    return np.concatenate([np.zeros(0, bool), *kept])


@pytest.mark.slow
@pytest.mark.parametrize("bits", TYPES)
@settings(max_examples=25)
@given(st.data())
def test_cuts_remove_what_a_stable_sort_removes(bits, data):
    values = st.sampled_from([0, 0, 1, 2, 1 << (bits - 1), (1 << bits) - 1]) | st.integers(0, (1 << bits) - 1)
    layers = data.draw(st.lists(st.lists(values, max_size=30), min_size=1, max_size=4))
    pooled = [rank for layer in layers for rank in layer]
    removed = data.draw(st.integers(0, len(pooled)))
    rankings = [Ranks(layer, bits) for layer in layers]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "BLOCK", 8)
        patch.setattr(exact, "_SAMPLE", data.draw(st.sampled_from([1, 4, 1 << 20])))
        patch.setattr(exact, "_DEVIATIONS", data.draw(st.sampled_from([0, 1, 5])))
        patch.setattr(exact, "_GATHERED", data.draw(st.sampled_from([1, 16])))
        found = cuts(rankings, removed)
        kept = np.concatenate([kept_of(*pair) for pair in zip(rankings, found, strict=True)])
    assert sum(cut.removed for cut in found) == removed
    for ranking, cut in zip(rankings, found, strict=True):
        assert cut.removed == np.count_nonzero(~kept_of(ranking, cut))
    assert set(np.flatnonzero(~kept)) == removed_by_sort(pooled, removed)


@pytest.mark.slow
@pytest.mark.parametrize("bits", TYPES)
@pytest.mark.parametrize("rank", [0, 1, 65535])
def test_equal_ranks_go_by_index_across_layers(bits, rank, monkeypatch):
    monkeypatch.setattr(exact, "BLOCK", 8)
    rankings = [Ranks([rank] * size, bits) for size in (5, 20, 9)]
    for removed in range(35):
        found = cuts(rankings, removed)
        kept = np.concatenate([kept_of(*pair) for pair in zip(rankings, found, strict=True)])
        assert kept.tolist() == [False] * removed + [True] * (34 - removed)


def passes(rankings, removed):
    """The cuts, and how often every rank is made to find them: whether the sample was enough."""
    made = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ranks, "ranks", lambda self, start, stop: made.append(stop - start) or self.all[start:stop])
        found = cuts(rankings, removed)
    return found, sum(made) / sum(ranking.size for ranking in rankings)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.001, 0.3, 0.5, 0.999])
def test_a_sample_saves_passes_and_what_misleads_it_costs_them(share, monkeypatch):
    """Normal weights take two passes and a block; alike ones, sorted ones and a sample that lies are still exact."""
    draw = np.random.default_rng(3)
    monkeypatch.setattr(exact, "BLOCK", 1 << 14)
    monkeypatch.setattr(exact, "_SAMPLE", 1 << 14)
    size = 1 << 18
    removed = round(share * size)
    normal = np.abs(draw.standard_normal(size, np.float32)).view(np.uint32)
    periodic = np.where(np.arange(size) % (size // exact._SAMPLE * 2 + 1) == 0, 7, normal)
    kinds = {"normal": normal, "sorted": np.sort(normal), "alike": normal >> 21, "periodic": periodic}
    for kind, ranks in kinds.items():
        rankings = [Ranks(part, 32) for part in np.split(ranks, [1000, 50_000, 225_000])]
        found, count = passes(rankings, removed)
        kept = np.concatenate([kept_of(*pair) for pair in zip(rankings, found, strict=True)])
        assert np.array_equal(np.flatnonzero(~kept), np.sort(np.argsort(ranks, kind="stable")[:removed])), kind
        assert count < (2.2 if kind == "normal" else 5.2), kind


@pytest.mark.parametrize("removed", [-1, 4])
def test_more_than_there_is_cannot_be_removed(removed):
    with pytest.raises(ValueError, match=f"cannot remove {removed} of 3"):
        cuts([Ranks([1, 2, 3], 32)], removed)


def test_rows_lose_their_own_lowest():
    draw = np.random.default_rng(0)
    ranks, removed = draw.integers(0, 4, (20, 7)).astype(np.uint32), draw.integers(0, 8, 20)
    for row, count, kept in zip(ranks, removed, lowest_of_rows(ranks, removed), strict=True):
        assert set(np.flatnonzero(~kept)) == removed_by_sort(row.tolist(), count)
