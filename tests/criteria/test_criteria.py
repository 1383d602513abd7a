"""Criteria that need nothing but the weights: ranks or scores of them, the weights untouched."""

import numpy as np
import pytest
from scipy import stats

from apcli.checkpoints.files.entries import BITS, Entry
from apcli.criteria import METHODS
from apcli.criteria.lamp import lamp
from apcli.selection.exact import cuts
from apcli.selection.rankings import MagnitudeRanking, ScoreRanking

DTYPES = {"F16": np.float16, "F32": np.float32, "F64": np.float64}
MAGNITUDES = [row for row in METHODS if "magnitudes" in row.needs]


def entry(values):
    array = np.asarray(values)
    dtype = {kind: name for name, kind in DTYPES.items()}[array.dtype.type]
    return Entry(dtype, array.shape, array.reshape(-1).view(np.uint8))


def odd_weights(dtype):
    tiny, large = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    return np.array([[0, -0.0, 1, -1, 0.5], [tiny, -tiny, large, -large, 0.5]], dtype)


def of_ones(size, seed, name="w"):
    return MagnitudeRanking(entry(np.ones(size, np.float32)), name, METHODS.parse("random"), "F32", seed)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("row", MAGNITUDES, ids=lambda row: row.name)
def test_ranks_are_unsigned_and_zero_only_where_the_weight_is(row, dtype):
    weight = odd_weights(DTYPES[dtype])
    size = np.abs(weight).view(BITS[dtype])
    before = size.tobytes()
    size.setflags(write=False)
    first, again, other = (row.load()(size, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first.shape == weight.shape
    assert first.dtype.kind == "u"
    assert ((first == 0) == (weight == 0)).all()
    assert size.tobytes() == before
    assert np.array_equal(first, again)
    assert np.array_equal(first, other) == ("seed" not in row.needs)


def lamp_by_definition(weight):
    """The double loop of equation (4), weights in ascending order of magnitude."""
    flat = weight.astype(np.float64).ravel()
    order = sorted(range(flat.size), key=lambda index: abs(flat[index]))
    scores = np.zeros(flat.size)
    for place, index in enumerate(order):
        total = sum(flat[other] ** 2 for other in order[place:])
        scores[index] = flat[index] ** 2 / total if flat[index] else 0
    return scores.reshape(weight.shape)


@pytest.mark.parametrize("dtype", DTYPES)
def test_lamp(dtype):
    draw = np.random.default_rng(0)
    for values in (draw.normal(size=(6, 4)), draw.integers(-2, 3, (3, 2, 2)), np.zeros((2, 2)), np.empty((0, 2))):
        weight = values.astype(DTYPES[dtype])
        before = weight.tobytes()
        weight.setflags(write=False)
        assert lamp(weight) == pytest.approx(lamp_by_definition(weight), rel=1e-12)
        assert weight.tobytes() == before
    scores = lamp(odd_weights(DTYPES[dtype]))
    assert np.isfinite(scores).all()
    assert scores.max() == 1


def test_global_lamp_keeps_one_weight_of_each_layer():
    draw = np.random.default_rng(1)
    weights = [draw.normal(size=(5, 4)) * scale for scale in (1e-6, 1.0, 1e6)] + [np.ones((3, 3))]
    rankings = [ScoreRanking(lamp(weight), entry(weight)) for weight in weights]
    total = sum(weight.size for weight in weights)
    found = cuts(rankings, total - len(weights))
    assert [x.size - cut.removed for x, cut in zip(rankings, found, strict=True)] == [1, 1, 1, 1]


def test_random_masks_are_uniform_over_positions():
    """Chi-square over the positions of one layer; each mask has exactly 15 of 50, hence the factor."""
    size, removed, trials = 50, 15, 1000
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
    sizes, trials = [10, 90, 900], 500
    counts = np.zeros((trials, 3))
    for seed in range(trials):
        rankings = [of_ones(size, seed, f"w{size}") for size in sizes]
        counts[seed] = [cut.removed for cut in cuts(rankings, 300)]
    assert (counts.sum(1) == 300).all()
    for size, found in zip(sizes, counts.T, strict=True):
        law = stats.hypergeom(1000, size, 300)
        assert abs(found.mean() - law.mean()) < 4 * law.std() / trials**0.5
        assert found.var() == pytest.approx(law.var(), rel=0.3)
