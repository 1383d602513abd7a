"""A layer's rows (output units) as draws of one distribution: variances and shrunk covariance, from a stream."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from apcli.theory.covariances.matrices import Diagonal, Factored, LowRank, RowCovariance
from apcli.theory.numerics.matrices import cholesky, euclidean

_PANEL = 1 << 23  # elements of a layer in memory while columns are gathered over all rows: 64 MB


@dataclass(frozen=True)
class Rows:
    """The rows of one layer: ``blocks()`` streams them, whole, as float64 [r, columns]; it may be called again."""

    blocks: Callable[[], Iterator[np.ndarray]]
    count: int
    columns: int


@dataclass(frozen=True, eq=False)
class RowSample:
    """A layer's rows minus their mean, in a ``unit`` in which no square overflows or underflows (mostly 1).

    A single row counts as draws of one number each, minus the mean of all of them. ``when`` ends messages.
    """

    rows: Rows
    mean: np.ndarray  # float64 [columns]
    unit: float
    when: str

    @classmethod
    def of(cls, rows: Rows, unit: float | None = None, when: str = "") -> "RowSample":
        """The sample of a layer; ``unit`` defaults to a power of 2, so that no digit changes.

        Raises:
            ValueError: the layer has no weights.
        """
        if rows.count * rows.columns == 0:
            raise ValueError("has no weights: use cov=identity")
        first = next(rows.blocks())[0]
        origin = first if rows.count > 1 else np.full(rows.columns, first[0])  # so that equal weights have no spread
        total, largest = np.zeros(rows.columns), 0.0
        for block in rows.blocks():
            total += (block - origin).sum(axis=0)
            largest = max(largest, float(np.abs(block).max()))
        mean = origin + (total / rows.count if rows.count > 1 else total.mean())
        if unit is None:
            plain = largest == 0 or 1e-100 < largest < 1e100
            unit = 1.0 if plain else math.ldexp(1.0, math.frexp(largest)[1] - 1)
        return cls(rows, mean, unit, when)

    def centred(self) -> Iterator[np.ndarray]:
        """Yield the rows minus their mean, in units: blocks, float64 [r, columns]."""
        for block in self.rows.blocks():
            centred = block - self.mean
            yield centred if self.unit == 1 else centred / self.unit

    def variances(self) -> np.ndarray:
        """The variance of each column, in units squared; float64 [columns].

        Column j over r rows gives (sum_i (w_ij - mean_j)^2 + v) / r, with v the mean of the columns' unbiased
        variances: the sample variance, shrunk towards the layer's own as if by one more observation, so that no
        column is without spread. A layer of one row has its own variance everywhere.

        Raises:
            ValueError: the layer's weights do not differ from row to row.
        """
        count = self.rows.count
        squares = sum((np.square(block).sum(axis=0) for block in self.centred()), np.zeros(self.rows.columns))
        if count == 1:
            variances = np.full(squares.shape, squares.mean())
        else:
            unbiased = squares / (count - 1)
            variances = ((count - 1) * unbiased + unbiased.mean()) / count
        self.check_spread(float(variances.min()))
        return variances

    def shrunk(self, shrinkage: float | None) -> np.ndarray:
        """The sample covariance S of a row, shrunk: (1 - s) S + s (tr S / J) I, in units squared; float64 [J, J].

        Args:
            shrinkage: s, from 0 to 1; None for ``best_shrinkage``.

        Raises:
            ValueError: the layer's weights do not differ from row to row.
        """
        count, columns = self.rows.count, self.rows.columns
        covariance = np.zeros((columns, columns))
        fourth = 0.0
        for block in self.centred():
            covariance += block.T @ block
            fourth += float(np.square(np.einsum("ij,ij->i", block, block)).sum())
        covariance /= count
        trace = float(np.trace(covariance))
        self.check_spread(trace)
        if count == 1:  # its own variance everywhere
            return np.diag(np.full(columns, trace / columns))
        weight = shrinkage
        if weight is None:
            weight = best_shrinkage(count, columns, trace, euclidean(covariance) ** 2, fourth)
        covariance *= 1 - weight
        covariance[np.diag_indices(columns)] += weight * trace / columns
        return covariance

    def gram(self) -> np.ndarray:
        """Inner products of the centred rows in units squared, float64 [count, count], summed over columns in parts."""
        count = self.rows.count
        gram = np.zeros((count, count))
        width = max(1, _PANEL // count)
        for start in range(0, self.rows.columns, width):
            panel = np.concatenate([block[:, start : start + width] for block in self.centred()])
            gram += panel @ panel.T
        return gram

    @property
    def singular(self) -> str:
        """The message for a singular covariance."""
        return f"has a singular covariance of its rows{self.when}: give shrinkage above 0, or use cov=diag"

    def check_spread(self, variance: float) -> None:
        """Raise ValueError unless a variance in units squared is above 0."""
        if not 0 < variance < math.inf:
            raise ValueError(f"has no spread{self.when}: its weights do not differ from row to row; use cov=identity")


def best_shrinkage(count: int, columns: int, trace: float, squared: float, fourth: float) -> float:
    """The weight of (tr S / J) I in a covariance shrunk from the rows' own, S, that is best in mean square.

    min(b, d) / d with d = |S - m I|^2 / J, b = (sum_k |x_k|^4 / K^2 - |S|^2 / K) / J, m = tr S / J, for K centred
    rows x_k of J columns, S = sum_k x_k x_k' / K. Source: Ledoit & Wolf 2004, doi:10.1016/S0047-259X(03)00096-4,
    section 3.

    Args:
        trace: tr S.
        squared: |S|^2, the sum of its squared elements.
        fourth: sum_k |x_k|^4.
    """
    distance = squared / columns - (trace / columns) ** 2
    error = (fourth / count**2 - squared / count) / columns
    return min(max(error, 0.0) / distance, 1.0) if distance > 0 else 0.0


def row_whitener(
    sample: RowSample, shrinkage: float | None
) -> tuple[Callable[[np.ndarray], np.ndarray], RowCovariance]:
    """A function that whitens rows by the sample's shrunk covariance, and that covariance.

    Raises:
        ValueError: the layer's weights do not differ from row to row, or the shrunk covariance is singular.
    """
    from scipy import linalg

    if sample.rows.count == 1:
        variance = float(sample.variances()[0])
        return lambda difference: difference / math.sqrt(variance), Diagonal(np.array([variance]))
    if sample.rows.columns > sample.rows.count:
        return _long_row_whitener(sample, shrinkage)
    covariance = sample.shrunk(shrinkage)
    lower = cholesky(covariance, sample.singular)
    return lambda d: linalg.solve_triangular(lower, d.T, lower=True), Factored(lower)


def _long_row_whitener(
    sample: RowSample, shrinkage: float | None
) -> tuple[Callable[[np.ndarray], np.ndarray], RowCovariance]:
    """Whiten rows longer than their number K by means of their inner products G, [K, K].

    With X the centred rows, streamed when they are needed, C = a I + b X' X, and

        d' C^-1 d = min_z |d - X' z|^2 / a + |z|^2 / b, at z = (a/b I + G)^-1 X d:

    a sum of squares, which an error in z changes in second order only; Woodbury's identity would give a difference
    instead. (z is the posterior mean in d = X' z + noise.)
    """
    from scipy import linalg

    count, columns = sample.rows.count, sample.rows.columns
    gram = sample.gram()
    norms = np.diag(gram).copy()
    trace = float(norms.sum()) / count
    sample.check_spread(trace)
    weight = shrinkage
    if weight is None:
        weight = best_shrinkage(count, columns, trace, euclidean(gram / count) ** 2, float(norms @ norms))
    variance = trace / columns
    a, b = weight * variance, (1 - weight) / count
    largest = a + b * float(np.abs(gram).sum(axis=0).max())  # no eigenvalue is above this
    if not a > columns * np.finfo(float).eps * largest:
        raise ValueError(sample.singular)
    if b == 0:
        return lambda d: d / math.sqrt(a), Diagonal(np.array([a]))
    gram[np.diag_indices(count)] += a / b
    factor = linalg.cho_factor(gram, lower=True, overwrite_a=True)

    def whiten(difference: np.ndarray) -> np.ndarray:
        products = np.concatenate([block @ difference.T for block in sample.centred()])
        z = linalg.cho_solve(factor, products)
        rest, start = difference.copy(), 0
        for block in sample.centred():
            rest -= z[start : start + len(block)].T @ block
            start += len(block)
        return np.concatenate([rest.ravel() / math.sqrt(a), z.ravel() / math.sqrt(b)])

    return whiten, LowRank(a, b, variance, factor[0], sample.centred)
