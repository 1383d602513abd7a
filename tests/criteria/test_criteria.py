"""Every criterion of the table: scores of the weight's shape, the weight untouched; and what each one scores."""

import numpy as np
import pytest
from scipy import stats

from apcli.allocations import SCOPES
from apcli.criteria import METHODS

DTYPES = [np.float16, np.float32, np.float64]
ROWS = list(METHODS)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def odd_weights(dtype: type) -> np.ndarray:
    tiny, large = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    return np.array([[0, -0.0, 1, -1, 0.5], [tiny, -tiny, large, -large, 0.5]], dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_scores_have_the_weights_shape_and_leave_it_bit_identical(row, dtype):
    for weight in (odd_weights(dtype), odd_weights(dtype).ravel(), np.full((3, 2, 2), -1.5, dtype), np.empty(0, dtype)):
        before = weight.tobytes()
        weight.setflags(write=False)
        score = row.load()(weight, generator())
        assert score.shape == weight.shape
        assert not np.isnan(score).any()
        assert weight.tobytes() == before
        assert not np.shares_memory(score, weight)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_only_those_that_need_a_seed_draw(row):
    weight = generator(1).normal(size=50)
    first, again, other = (row.load()(weight, generator(seed)) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert np.array_equal(first, other) == ("seed" not in row.needs)


@pytest.mark.parametrize("dtype", DTYPES)
def test_magnitudes(dtype):
    weight = odd_weights(dtype)
    lowest, highest = (METHODS.row(name).load()(weight, generator()) for name in ("lowest", "highest"))
    expected = [[abs(float(w)) for w in row] for row in weight]
    assert lowest.tolist() == expected
    assert highest.tolist() == [[-w for w in row] for row in expected]
    assert np.array_equal(METHODS.row("lowest").load()(-weight, generator()), lowest)


def test_random_does_not_look_at_the_weights():
    score = METHODS.row("random").load()
    assert np.array_equal(score(np.zeros(20), generator()), score(np.arange(20.0), generator()))


def test_random_masks_are_uniform_over_positions():
    """Chi-square over the positions of one layer; each mask has exactly 15 of 50, hence the factor."""
    size, removed, trials = 50, 15, 2000
    counts = np.zeros(size)
    for seed in range(trials):
        (mask,) = SCOPES.parse("layer")([METHODS.parse("random")(np.ones(size), generator(seed))], removed / size)
        counts += ~mask
    share = removed / size
    statistic = np.sum((counts - trials * share) ** 2) / (trials * share * (1 - share)) * (size - 1) / size
    assert counts.sum() == trials * removed
    assert 1e-4 < stats.chi2(size - 1).sf(statistic) < 1 - 1e-4


def test_random_masks_are_uniform_over_layers_of_any_size():
    """Under a global scope each layer's zeros are hypergeometric, whatever its size."""
    sizes, sparsity, trials = [10, 90, 900], 0.3, 1000
    counts = np.zeros((trials, 3))
    for seed in range(trials):
        draw = generator(seed)
        masks = SCOPES.parse("global")([METHODS.parse("random")(np.ones(size), draw) for size in sizes], sparsity)
        counts[seed] = [(~mask).sum() for mask in masks]
    assert (counts.sum(1) == 300).all()
    for size, found in zip(sizes, counts.T, strict=True):
        law = stats.hypergeom(1000, size, 300)
        assert abs(found.mean() - law.mean()) < 4 * law.std() / trials**0.5
        assert found.var() == pytest.approx(law.var(), rel=0.2)
