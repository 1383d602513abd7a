"""Covariances within a row, against the matrices themselves."""

import math

import numpy as np
import pytest
from scipy import linalg

from apcli.theory.covariances.families import identity, rows
from apcli.theory.covariances.matrices import Ar1, Diagonal, Factored, LowRank
from apcli.theory.covariances.row_samples import Rows

DRAW = np.random.default_rng(5)
DIFFERENCE = DRAW.normal(size=(4, 6))


def low_rank():
    x = DRAW.normal(size=(3, 6))
    a, b = 0.3, 0.7
    matrix = a * np.eye(6) + b * x.T @ x
    lower = linalg.cholesky(a / b * np.eye(3) + x @ x.T, lower=True) + np.triu(np.full((3, 3), 9.0), 1)
    return LowRank(a, b, float(np.trace(matrix)) / 6, lower, lambda: iter([x[:1], x[1:]])), matrix


def factored():
    root = DRAW.normal(size=(6, 6))
    matrix = root @ root.T + np.eye(6)
    return Factored(linalg.cholesky(matrix, lower=True)), matrix


CASES = {
    "one variance": (Diagonal(np.array([2.0])), 2 * np.eye(6)),
    "diagonal": (Diagonal(np.arange(1.0, 7)), np.diag(np.arange(1.0, 7))),
    "ar1": (Ar1(0.6), linalg.toeplitz(0.6 ** np.arange(6))),
    "ar1, negative": (Ar1(-0.4), linalg.toeplitz((-0.4) ** np.arange(6))),
    "factored": factored(),
    "low rank": low_rank(),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_said_of_the_matrix_is_so(name):
    made, matrix = CASES[name]
    assert made.variance == pytest.approx(np.trace(matrix) / 6, rel=1e-12)
    assert made.quadratic(DIFFERENCE) == pytest.approx(np.einsum("ij,jk,ik", DIFFERENCE, matrix, DIFFERENCE), rel=1e-12)
    low, high = made.extremes
    values = linalg.eigvalsh(matrix)
    if name.startswith("ar1"):  # bounds, which long rows come near
        assert low <= values[0] <= values[-1] <= high
    else:
        assert (low, high) == pytest.approx((values[0], values[-1]), rel=1e-9)


def test_long_rows_of_ar1_come_near_its_extremes():
    values, (low, high) = linalg.eigvalsh(linalg.toeplitz(0.6 ** np.arange(800))), Ar1(0.6).extremes
    assert (values[0], values[-1]) == pytest.approx((low, high), rel=1e-3)


@pytest.mark.parametrize("shape", [(40, 5), (4, 30)], ids=["short rows", "long rows"])
def test_a_layers_spread_bounds_its_mahalanobis_length(shape):
    """For S = scale^2 C the squared length is between |d|^2 / largest and |d|^2 / smallest."""
    weights, difference = DRAW.normal(size=shape), DRAW.normal(size=shape)
    sample = Rows(lambda: iter([weights]), *shape)
    for made in (identity(sample, sample, 3.0), rows(sample, sample, 3.0, "same", shrinkage="auto", pruned_cov="same")):
        spread, square = made.spread(difference), float(np.sum(difference**2))
        delta = made.shift(made.distances(difference), math.sqrt(square), *shape).delta
        assert square / spread.largest <= delta**2 * (1 + 1e-12)
        assert delta**2 <= square / spread.smallest * (1 + 1e-12)
        assert spread.smallest * square <= spread.quadratic * (1 + 1e-12)
        assert spread.quadratic <= spread.largest * square * (1 + 1e-12)
