"""Criteria by the magnitudes of single weights: ranks of them, the magnitudes untouched."""

import numpy as np
import pytest
from scipy import stats

from apcli.checkpoints.files.entries import Entry
from apcli.criteria import METHODS
from apcli.criteria.magnitude import highest, lowest, random
from apcli.selection.exact import cuts
from apcli.selection.rankings import MagnitudeRanking

ONES = np.ones(1000, np.float32)
MAGNITUDES = [row for row in METHODS if "magnitudes" in row.needs]


def of_ones(size, seed, name="w"):
    entry = Entry("F32", (size,), ONES[:size].view(np.uint8))
    return MagnitudeRanking(entry, name, METHODS.parse("random"), "F32", seed)


@pytest.mark.parametrize("row", MAGNITUDES, ids=lambda row: row.name)
def test_ranks_are_unsigned_and_zero_only_where_the_weight_is(row, odd_weights):
    size = np.abs(odd_weights).view(f"u{odd_weights.itemsize}")
    before = size.tobytes()
    size.setflags(write=False)
    first, again, other = (row.load()(size, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first.shape == odd_weights.shape
    assert first.dtype.kind == "u"
    assert ((first == 0) == (odd_weights == 0)).all()
    assert size.tobytes() == before
    assert np.array_equal(first, again)
    assert np.array_equal(first, other) == ("seed" not in row.needs)


def test_lowest_and_highest_go_by_the_bits_of_magnitudes():
    size = np.array([[0.5, 0.0], [65504.0, 1e-7]], np.float16).view(np.uint16)  # 65504 is the largest, 1e-7 subnormal
    generator = np.random.default_rng(0)
    assert np.array_equal(lowest(size, generator), size)
    assert np.argsort(highest(size, generator), axis=None).tolist() == [1, 2, 0, 3]


def test_random_ranks_are_of_32_bits_whatever_the_type():
    """So that they compare across layers: of 16 bits, a rank would say of which type its layer is."""
    for kind in (np.uint16, np.uint32, np.uint64):
        ranks = random(np.ones(1000, kind), np.random.default_rng(0))
        assert ranks.dtype == np.uint32
        assert 0.4 < (ranks >> 31).mean() < 0.6


def test_random_masks_are_uniform_over_positions():
    """Chi-square over the positions of one layer; each mask has exactly 15 of 50, hence the factor."""
    size, removed, trials = 50, 15, 250
    counts = np.zeros(size)
    for seed in range(trials):
        ranking = of_ones(size, seed)
        counts += ~cuts([ranking], removed)[0].kept(ranking.ranks(0, size), 0)
    share = removed / size
    statistic = np.sum((counts - trials * share) ** 2) / (trials * share * (1 - share)) * (size - 1) / size
    assert counts.sum() == trials * removed
    assert 1e-4 < stats.chi2(size - 1).sf(statistic) < 1 - 1e-4


@pytest.mark.slow
def test_random_masks_are_uniform_over_layers_of_any_size():
    """Ranked together, each layer's zeros are hypergeometric, whatever its size."""
    sizes, trials = [10, 90, 900], 200
    counts = np.zeros((trials, 3))
    for seed in range(trials):
        rankings = [of_ones(size, seed, f"w{size}") for size in sizes]
        counts[seed] = [cut.removed for cut in cuts(rankings, 300)]
    assert (counts.sum(1) == 300).all()
    for size, found in zip(sizes, counts.T, strict=True):
        law = stats.hypergeom(1000, size, 300)
        assert abs(found.mean() - law.mean()) < 4 * law.std() / trials**0.5
        assert found.var() == pytest.approx(law.var(), rel=0.3)
