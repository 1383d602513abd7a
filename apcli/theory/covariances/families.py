"""Covariances of a layer's weights, and the lengths of a difference of weights under them.

A layer of K rows (output units) and J columns has the scale matrix scale^2 I_K (x) C: its rows are independent, and C,
[J, J], is the covariance within a row. The dense and the pruned distribution each have a scale and a C, often the same
C.

A layer's differences come in blocks of whole rows. Distances are pure functions of a block: threads may share them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from apcli.theory import SAME
from apcli.theory.covariances.matrices import Ar1, Diagonal, Factored, RowCovariance
from apcli.theory.covariances.row_samples import Rows, RowSample, row_whitener
from apcli.theory.distributions.shifts import Shift
from apcli.theory.measures import number_or_same
from apcli.theory.numerics.matrices import cholesky, column_lengths, euclidean, matrix_of

LARGEST = 4096  # weights of a row whose covariance is compared with another one as a matrix

# Maps differences [r, J] to arrays whose Euclidean lengths are their Mahalanobis lengths.
Whitener = Callable[[np.ndarray], np.ndarray]


class Covariances(Protocol):
    """The scale matrices of a layer's dense and pruned distribution."""

    @property
    def by_rows(self) -> bool:
        """Whether a block must hold whole rows, [r, J]; otherwise any shape will do."""

    def distances(self, difference: np.ndarray) -> np.ndarray:
        """Lengths of the whitened difference in each eigenspace, float64 [m]; those of two blocks add by ``hypot``."""

    def shift(self, distances: np.ndarray, length: float, rows: int, columns: int) -> Shift:
        """Everything that divergences depend on, from the whole layer's ``distances`` and |w - w~|."""


@dataclass(frozen=True)
class Spread:
    """What bounds ask of a scale matrix S: its extreme eigenvalues, or bounds on them, and (w - w~)' S (w - w~)."""

    smallest: float
    largest: float
    quadratic: float


class OneCovariance(Covariances, Protocol):
    """One scale matrix for both distributions."""

    def spread(self, difference: np.ndarray) -> Spread:
        """Of the dense distribution, whose scale is that of the pruned one; the difference is the whole layer's."""


def identity(
    dense: Rows | None = None, pruned: Rows | None = None, scale: float = 1.0, pruned_scale: float | str = SAME
) -> Covariances:
    """C = I: ``scale`` is every weight's standard deviation (arXiv:2403.00155, 5.2). No row is read.

    Raises:
        ValueError: a scale is not a positive number.
    """
    one = Diagonal(np.ones(1))
    return _Shared(lambda difference: difference, one, *_scales(scale, pruned_scale), by_rows=False)


def diag(dense: Rows, pruned: Rows, scale: float, pruned_scale: float | str, *, pruned_cov: str) -> Covariances:
    """C is diagonal: the variance of each column over the layer's rows, see ``RowSample.variances``.

    Args:
        pruned_cov: ``same`` (the dense layer's for both distributions) or ``own`` (the pruned layer's for the pruned
            distribution).

    Raises:
        ValueError: the weights do not differ from row to row; ``pruned_cov`` or a scale is not understood.
    """
    sample = RowSample.of(dense)
    scales = _scales(scale, pruned_scale, sample.unit)
    variances = sample.variances()
    if not _own(pruned_cov):
        deviations = np.sqrt(variances)
        return _Shared(lambda difference: difference / deviations, Diagonal(variances), *scales)
    own = RowSample.of(pruned, sample.unit, " after pruning").variances()
    deviations = np.sqrt(own)
    apart = (scales[0] - scales[1]) * np.sqrt(variances)
    apart += scales[1] * (variances - own) / (np.sqrt(variances) + deviations)  # of the standard deviations
    length = euclidean(apart)
    return _Different(
        whiten=lambda difference: difference / deviations,
        log_eigenvalues=log_ratio(variances, own),
        traces=(float(variances.sum()), float(own.sum())),
        bures2=length * length,
        scale=scales[0],
        pruned_scale=scales[1],
    )


def ar1(
    dense: Rows, pruned: Rows, scale: float, pruned_scale: float | str, *, rho: float, pruned_rho: float | str
) -> Covariances:
    """C_ij = rho^|i - j|: every weight of a row is correlated with its neighbours. Only the row's length matters.

    With one rho a row is whitened by recursion, (x_j - rho x_(j-1)) / sqrt(1 - rho^2), x_0 unchanged: no matrix.

    Raises:
        ValueError: a correlation is not between -1 and 1, or two different ones are given for rows of more than 4096
            weights.
    """
    from scipy import linalg

    scales = _scales(scale, pruned_scale)
    other = number_or_same(pruned_rho, rho, "pruned_rho")
    for name, value in (("rho", rho), ("pruned_rho", other)):
        if not -1 < value < 1:
            raise ValueError(f"{name} is {value:g}: expected a correlation between -1 and 1")
    if other == rho:
        return _Shared(lambda difference: _ar1_whitened(difference, rho), Ar1(rho), *scales)
    _check_comparable(dense.columns, "use one rho for both distributions")
    powers = np.arange(dense.columns)
    singular = "has a singular covariance: choose correlations further from -1 and 1"
    return _different(linalg.toeplitz(rho**powers), linalg.toeplitz(other**powers), scales, (singular, singular))


def rows(
    dense: Rows, pruned: Rows, scale: float, pruned_scale: float | str, *, shrinkage: str, pruned_cov: str
) -> Covariances:
    """C is the sample covariance of the layer's rows, shrunk towards a multiple of I (Ledoit & Wolf 2004).

    With one C for both distributions, rows may be longer than there are rows; no matrix is then larger than K x K.

    Args:
        shrinkage: the weight of the multiple of I, from 0 to 1, or ``auto`` for Ledoit and Wolf's.
        pruned_cov: ``same`` (the dense layer's for both distributions) or ``own`` (the pruned layer's for the pruned
            distribution).

    Raises:
        ValueError: the weights do not differ from row to row, the shrunk covariance is singular, two different ones are
            needed for rows of more than 4096 weights, or a parameter is not understood.
    """
    weight = _shrinkage(shrinkage)
    if not _own(pruned_cov):
        sample = RowSample.of(dense)
        return _Shared(*row_whitener(sample, weight), *_scales(scale, pruned_scale, sample.unit))
    _check_comparable(dense.columns, "use pruned_cov=same, or cov=diag")
    sample = RowSample.of(dense)
    own = RowSample.of(pruned, sample.unit, " after pruning")
    scales = _scales(scale, pruned_scale, sample.unit)
    return _different(sample.shrunk(weight), own.shrunk(weight), scales, (sample.singular, own.singular))


def full(
    dense: Rows, pruned: Rows, scale: float, pruned_scale: float | str, *, path: str, pruned_path: str
) -> Covariances:
    """C from a file: symmetric positive definite, of a row's size J or of the whole layer's, K J.

    In the second case the whole layer is one row and must come as one block (which it does: the matrix is far larger).

    Args:
        path: a ``.npy`` file, or a safetensors file that holds one tensor.
        pruned_path: the pruned distribution's, of the same size, or ``same``.

    Raises:
        ValueError: a file cannot be read, or its matrix has another form.
    """
    from scipy import linalg

    scales = _scales(scale, pruned_scale)
    if not path:
        raise ValueError("needs a covariance: give path=FILE, a .npy or a safetensors file")
    sizes = dense.columns, dense.columns * dense.count  # of a row, of the layer
    matrix = matrix_of(path, *sizes)
    indefinite = "cannot use {}: its matrix is not positive definite"
    if pruned_path == SAME:
        lower = cholesky(matrix, indefinite.format(path))
        return _Shared(
            lambda d: linalg.solve_triangular(lower, d.reshape(-1, len(lower)).T, lower=True), Factored(lower), *scales
        )
    other = matrix_of(pruned_path, *sizes)
    if other.shape != matrix.shape:
        raise ValueError(f"cannot use {pruned_path}: {len(other)} rows and columns, {path} has {len(matrix)}")
    _check_comparable(len(matrix), "use pruned_path=same")
    return _different(matrix, other, scales, (indefinite.format(path), indefinite.format(pruned_path)))


@dataclass(frozen=True, eq=False)
class _Shared:
    """One C for both distributions."""

    whiten: Whitener
    row: RowCovariance
    scale: float
    pruned_scale: float
    by_rows: bool = True

    def distances(self, difference: np.ndarray) -> np.ndarray:
        return np.array([euclidean(self.whiten(difference))])

    def shift(self, distances: np.ndarray, length: float, rows: int, columns: int) -> Shift:
        dim, trace = rows * columns, rows * columns * self.row.variance
        logs = np.array([log_of_scales(self.scale, self.pruned_scale)])
        traces = self.scale * self.scale * trace, self.pruned_scale * self.pruned_scale * trace
        apart = self.scale - self.pruned_scale
        with np.errstate(over="ignore"):
            distances = distances / self.pruned_scale
        return Shift(logs, np.array([dim]), distances, length, traces, apart * apart * trace)

    def spread(self, difference: np.ndarray) -> "Spread":
        low, high = self.row.extremes
        square = self.scale * self.scale
        return Spread(square * low, square * high, square * self.row.quadratic(difference))


@dataclass(frozen=True, eq=False)
class _Different:
    """A C for each distribution.

    Args:
        whiten: with the pruned distribution's C, to the axes in which the dense distribution's is diagonal: [r, J] to
            [r, J].
        log_eigenvalues: the logarithm of that diagonal; float64 [J].
        traces: of both C.
        bures2: tr(S1 + S2 - 2 (S2^1/2 S1 S2^1/2)^1/2) of one row, scales included.
    """

    whiten: Whitener
    log_eigenvalues: np.ndarray
    traces: tuple[float, float]
    bures2: float
    scale: float
    pruned_scale: float
    by_rows: bool = True

    def distances(self, difference: np.ndarray) -> np.ndarray:
        return column_lengths(self.whiten(difference))

    def shift(self, distances: np.ndarray, length: float, rows: int, columns: int) -> Shift:
        size = len(self.log_eigenvalues)
        copies = rows * columns // size
        logs = self.log_eigenvalues + log_of_scales(self.scale, self.pruned_scale)
        traces = (
            copies * self.scale * self.scale * self.traces[0],
            copies * self.pruned_scale * self.pruned_scale * self.traces[1],
        )
        with np.errstate(over="ignore"):
            distances = distances / self.pruned_scale
        return Shift(logs, np.full(size, copies), distances, length, traces, copies * self.bures2)


def _different(
    first: np.ndarray, second: np.ndarray, scales: tuple[float, float], otherwise: tuple[str, str]
) -> Covariances:
    """Build the covariances from both C; ``otherwise`` are the messages if one is not positive definite.

    The eigenvalues of L^-1 (C1 - C2) L^-T, C2 = L L', stay accurate when the two are close. So does the Bures
    distance as min |A1 - A2 R| over orthogonal R, for S1 = A1 A1', S2 = A2 A2'; the best R is the orthogonal factor of
    A2' A1 (Bhatia, Jain & Lim 2019, doi:10.1016/j.exmath.2018.01.002).
    """
    from scipy import linalg

    lowers = [cholesky(first, otherwise[0]), cholesky(second, otherwise[1])]
    half = linalg.solve_triangular(lowers[1], first - second, lower=True)
    relative = linalg.solve_triangular(lowers[1], half.T, lower=True)
    excess, axes = linalg.eigh((relative + relative.T) / 2)
    if excess[0] <= -1:
        raise ValueError("has two covariances too different to compare: use one for both distributions")
    directions = linalg.solve_triangular(lowers[1], axes, lower=True, trans="T")
    roots = [scale * lower for scale, lower in zip(scales, lowers, strict=True)]
    left, _, right = linalg.svd(lowers[1].T @ lowers[0])
    apart = euclidean(roots[0] - roots[1] @ (left @ right))
    return _Different(
        whiten=lambda difference: difference.reshape(-1, len(directions)) @ directions,
        log_eigenvalues=np.log1p(excess),
        traces=(float(np.trace(first)), float(np.trace(second))),
        bures2=apart * apart,
        scale=scales[0],
        pruned_scale=scales[1],
    )


def _ar1_whitened(difference: np.ndarray, rho: float) -> np.ndarray:
    whitened = difference.copy()
    whitened[:, 1:] -= rho * difference[:, :-1]
    whitened[:, 1:] /= math.sqrt((1 - rho) * (1 + rho))
    return whitened


def log_of_scales(scale: float, pruned_scale: float) -> float:
    """log(scale^2 / pruned_scale^2).

    Raises:
        ValueError: the ratio is beyond double's range.
    """
    if not 1e-150 < scale / pruned_scale < 1e150:
        raise ValueError(f"scale is {scale:g} and pruned_scale {pruned_scale:g}: expected scales less far apart")
    return 2 * float(log_ratio(np.array(scale), np.array(pruned_scale)))


def log_ratio(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """log(first / second), elementwise, as accurate as first - second where the two are close."""
    apart = (first - second) / second
    return np.asarray(np.where(np.abs(apart) < 0.5, np.log1p(np.maximum(apart, -0.5)), np.log(first / second)))


def _scales(scale: float, pruned_scale: float | str, unit: float = 1.0) -> tuple[float, float]:
    """Both scales, for covariances whose standard deviations are in ``unit``s."""
    scales = float(scale), number_or_same(pruned_scale, float(scale), "pruned_scale")
    for name, value in zip(("scale", "pruned_scale"), scales, strict=True):
        if not 0 < value < math.inf:
            raise ValueError(f"{name} is {value:g}: expected a positive standard deviation")
    log_of_scales(*scales)
    return scales[0] * unit, scales[1] * unit


def _own(pruned_cov: str) -> bool:
    if pruned_cov not in (SAME, "own"):
        raise ValueError(f"pruned_cov is {pruned_cov!r}: expected same or own")
    return pruned_cov == "own"


def _shrinkage(text: str) -> float | None:
    """A number from 0 to 1; None for ``auto``."""
    if text == "auto":
        return None
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 <= weight <= 1:
        raise ValueError(f"shrinkage is {text!r}: expected auto or a number from 0 to 1")
    return weight


def _check_comparable(size: int, instead: str) -> None:
    if size > LARGEST:
        raise ValueError(f"has rows of {size} weights, two covariances are compared up to {LARGEST}: {instead}")
