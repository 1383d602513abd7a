"""Projections of a pair of weight vectors to a pair of laws, and the divergence of the two (AP2 and AP3).

Every function takes the dense and the pruned vector, float64 [d], and the per-weight variance of the dense layer,
float64 [d], which only ``cov=diag`` reads.
"""

import math

import numpy as np

from apcli.theory import gaussian as gaussian_law
from apcli.theory import student_t as student_t_law


def ap2(dense: np.ndarray, pruned: np.ndarray, variance: np.ndarray, *, groups: int) -> float:
    """|w - w~|^2, the squared Euclidean distance, not the distance (arXiv:2403.00155, Definition 1)."""
    difference = _difference(dense, pruned, groups)
    with np.errstate(over="ignore"):  # then it is infinite
        return float(difference @ difference)


def gaussian(
    dense: np.ndarray, pruned: np.ndarray, variance: np.ndarray, *, cov: str, scale: float, groups: int
) -> float:
    """KL(N(w, S) || N(w~, S)) in nats; S = scale^2 I, or scale^2 diag(variance) with ``cov=diag``."""
    return gaussian_law.kl(_delta(dense, pruned, variance, cov, scale, groups))


def student_t(
    dense: np.ndarray, pruned: np.ndarray, variance: np.ndarray, *, df: float, cov: str, scale: float, groups: int
) -> float:
    """KL(t_df(w, S) || t_df(w~, S)) in nats, exact; S as for the Gaussian."""
    if not df > 0:
        raise ValueError(f"student-t:df is {df:g}: expected degrees of freedom above 0 (inf is the Gaussian)")
    return student_t_law.kl(_delta(dense, pruned, variance, cov, scale, groups), df, dimension(dense.size, groups))


def dimension(size: int, groups: int) -> int:
    """The coordinates left of ``size`` weights after grouping: ceil(size / (size // groups)), not ``groups``."""
    if not 0 <= groups <= size:
        raise ValueError(f"groups is {groups}: expected 0 (none) or a number of groups up to the {size} weights")
    return size if groups == 0 else math.ceil(size / (size // groups))


def group_means(vector: np.ndarray, groups: int) -> np.ndarray:
    """Averages of consecutive blocks of ``size // groups`` weights, the remainder a shorter block of its own.

    This is the published grouping (arXiv:2403.00155, section 5.3, and its code): 20480 weights in "100" groups are 101.
    """
    starts = np.arange(dimension(vector.size, groups)) * (vector.size // groups)
    return np.add.reduceat(vector, starts) / np.diff(np.append(starts, vector.size))


def row_variance(weight: np.ndarray) -> np.ndarray:
    """The variance of each weight, its layer's rows (output units) taken as draws of one law; shape of ``weight``.

    Column j over r rows gives (sum_i (w_ij - mean_j)^2 + v) / r, with v the mean of the columns' unbiased variances:
    the sample variance, shrunk towards the layer's own as if by one more observation: no column is without spread.
    A layer of one row has its own variance everywhere.

    Raises:
        ValueError: the layer's weights are all equal, so it has no spread at all.
    """
    rows = weight.reshape(weight.shape[0], -1)
    if rows.shape[0] == 1:
        columns = np.full(rows.shape[1], rows.var())
    else:
        unbiased = rows.var(axis=0, ddof=1)
        columns = ((rows.shape[0] - 1) * unbiased + unbiased.mean()) / rows.shape[0]
    if not np.all(columns > 0):
        raise ValueError("has no spread: its weights do not differ from row to row; use cov=identity")
    return np.broadcast_to(columns, rows.shape).ravel()


def _difference(dense: np.ndarray, pruned: np.ndarray, groups: int) -> np.ndarray:
    difference = dense - pruned
    return group_means(difference, groups) if groups else difference


def _delta(dense: np.ndarray, pruned: np.ndarray, variance: np.ndarray, cov: str, scale: float, groups: int) -> float:
    """The Mahalanobis distance of the two vectors, >= 0."""
    if not (scale > 0 and math.isfinite(scale)):
        raise ValueError(f"scale is {scale:g}: expected a positive standard deviation")
    if cov == "identity":
        return _norm(_difference(dense, pruned, groups)) / scale
    if cov != "diag":
        raise ValueError(f"cov is {cov!r}: expected identity or diag")
    if groups:
        raise ValueError("groups goes with cov=identity: the published grouping keeps one scale for all groups")
    return _norm((dense - pruned) / np.sqrt(variance)) / scale


def _norm(vector: np.ndarray) -> float:
    """Euclidean length, scaled so that no square overflows or underflows on the way."""
    largest = float(np.max(np.abs(vector), initial=0.0))
    return largest * float(np.linalg.norm(vector / largest)) if 0 < largest < math.inf else largest
