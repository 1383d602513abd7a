"""A layer's rows as draws: means, variances, shrunk covariances and whiteners against explicit matrices."""

import math

import numpy as np
import pytest
from mpmath import mp
from oracles import column_variances
from sklearn.covariance import ledoit_wolf

from apcli.theory.covariances import row_samples
from apcli.theory.covariances.row_samples import Rows, RowSample, best_shrinkage, row_whitener


def stream(weight: np.ndarray, step: int = 4) -> Rows:
    """A layer whose rows come in blocks of ``step``."""
    return Rows(lambda: (weight[i : i + step] for i in range(0, len(weight), step)), *weight.shape)


def weights(count: int, columns: int) -> np.ndarray:
    """A layer with correlated columns of unlike variances."""
    draw = np.random.default_rng(5)
    return draw.normal(size=(count, columns)) @ draw.normal(size=(columns, columns)) + draw.normal(size=columns)


def test_the_sample_is_centred_whatever_the_blocks():
    weight = weights(6, 4)
    for step in (1, 4, 6):
        sample = RowSample.of(stream(weight, step))
        assert sample.mean == pytest.approx(weight.mean(axis=0), rel=1e-14)
        assert np.concatenate(list(sample.centred())) == pytest.approx(weight - weight.mean(axis=0), abs=1e-14)
    assert RowSample.of(stream(weight)).unit == 1
    large = RowSample.of(stream(1e200 * weight))
    assert math.frexp(large.unit)[0] == 0.5, "a power of two, so that no digit changes"
    assert 0.5 <= np.abs(weight).max() * 1e200 / large.unit <= 2
    assert np.concatenate(list(large.centred())) * large.unit / 1e200 == pytest.approx(weight - weight.mean(axis=0))


def test_panels_of_columns_make_one_gram_matrix(monkeypatch):
    dense = weights(5, 9)
    whole = RowSample.of(stream(dense)).gram()
    monkeypatch.setattr(row_samples, "_PANEL", 10)
    assert RowSample.of(stream(dense, 2)).gram() == pytest.approx(whole, rel=1e-13)


def test_an_ill_conditioned_long_row_keeps_its_digits():
    """A difference within the rows' own span, where Woodbury's identity is a difference of near-equal numbers."""
    dense = np.random.default_rng(2).normal(size=(3, 8))
    whiten, _ = row_whitener(RowSample.of(stream(dense)), 1e-9)
    difference = (dense - dense.mean(axis=0))[:1]
    with mp.workdps(40):
        x = mp.matrix(dense.tolist())
        centred = mp.matrix(3, 8)
        for j in range(8):
            mean = mp.fsum(x[:, j]) / 3
            for i in range(3):
                centred[i, j] = x[i, j] - mean
        sample = centred.T * centred / 3
        variance = mp.fsum(sample[j, j] for j in range(8)) / 8
        weight = mp.mpf("1e-9")
        d = mp.matrix(difference[0].tolist())
        matrix = (1 - weight) * sample + weight * variance * mp.eye(8)
        expected = float(mp.sqrt((d.T * mp.lu_solve(matrix, d))[0]))
    assert np.linalg.norm(whiten(difference)) == pytest.approx(expected, rel=1e-7)
    near = dense[:1] - dense[1:2]
    exact = math.sqrt(
        (near @ np.linalg.lstsq(np.cov(dense.T, bias=True), near[0], rcond=None)[0])[0]
    )  # shrinkage 0, within the span
    assert np.linalg.norm(whiten(near)) == pytest.approx(exact, rel=1e-7)


@pytest.mark.parametrize(("count", "columns"), [(40, 7), (8, 8), (9, 30), (3, 50), (200, 2)])
def test_shrinkage_is_that_of_scikit_learn(count, columns):
    dense = weights(count, columns)
    expected, weight = ledoit_wolf(dense)
    sample = RowSample.of(stream(dense, 7))
    assert sample.shrunk(None) == pytest.approx(expected, rel=1e-10)
    gram, centred = sample.gram(), dense - dense.mean(axis=0)
    trace, fourth = np.trace(gram) / count, float(np.diag(gram) @ np.diag(gram))
    squared = float(np.sum((centred.T @ centred / count) ** 2))
    found = best_shrinkage(count, columns, trace, squared, fourth)
    assert found == pytest.approx(weight, rel=1e-10)


def test_the_variances_of_columns():
    """Blocks do not matter, a column without spread has some, and a single row has its own everywhere."""
    weight = np.array([[1.0, 5.0, 0.0], [2.0, 5.0, 4.0], [6.0, 5.0, 1.0]])
    found = RowSample.of(stream(weight, 1)).variances()
    assert found == pytest.approx(column_variances(weight), rel=1e-14)
    assert found[1] == pytest.approx(weight.var(axis=0, ddof=1).mean() / 3, rel=1e-14)
    single = np.array([[0.5, -1.0, 3.0]])
    assert RowSample.of(stream(single)).variances() == pytest.approx(np.full(3, single.var()), rel=1e-15)


@pytest.mark.parametrize(("count", "columns"), [(12, 5), (5, 9), (1, 6)])
@pytest.mark.parametrize("shrinkage", [None, 0.3, 1.0])
def test_whitened_rows_have_the_lengths_of_the_inverse_covariance(count, columns, shrinkage):
    weight = weights(count, columns)
    if count == 1:
        matrix = weight.var() * np.eye(columns)
    elif shrinkage is None:
        matrix = ledoit_wolf(weight)[0]
    else:
        sample = np.cov(weight.T, bias=True)
        matrix = (1 - shrinkage) * sample + shrinkage * np.trace(sample) / columns * np.eye(columns)
    whiten, row = row_whitener(RowSample.of(stream(weight)), shrinkage)
    difference = np.random.default_rng(0).normal(size=(3, columns))
    assert row.variance == pytest.approx(np.trace(matrix) / columns, rel=1e-12)
    assert row.extremes == pytest.approx(tuple(np.linalg.eigvalsh(matrix)[[0, -1]]), rel=1e-9)
    assert row.quadratic(difference) == pytest.approx(np.sum(difference.T * (matrix @ difference.T)), rel=1e-10)
    squared = np.sum(difference.T * np.linalg.solve(matrix, difference.T))
    assert np.linalg.norm(whiten(difference)) == pytest.approx(math.sqrt(squared), rel=1e-10)


def test_the_best_shrinkage_is_a_share():
    """Of rows without spread around a sphere there is nothing to shrink; noise alone is shrunk whole."""
    assert best_shrinkage(10, 4, 4.0, 4.0, 100.0) == 0  # S is m I
    assert best_shrinkage(10, 4, 4.0, 8.0, 80.0) == 0  # each |x|^4 the square of the whole spread: no error
    assert best_shrinkage(2, 4, 4.0, 8.0, 1e6) == 1


def test_messages_say_when():
    still = stream(np.full((3, 2), 0.5))
    with pytest.raises(ValueError, match=r"^has no spread after pruning: "):
        RowSample.of(still, when=" after pruning").variances()
    with pytest.raises(ValueError, match=r"^has a singular covariance of its rows after pruning: give shrinkage"):
        row_whitener(RowSample.of(stream(weights(2, 5)), when=" after pruning"), 0.0)
    with pytest.raises(ValueError, match="has no weights"):
        RowSample.of(stream(np.zeros((0, 3))))
