"""Lanczos' method for a symmetric matrix that is known by its products with vectors."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from apcli.theory.numerics.matrices import euclidean

Product = Callable[[np.ndarray], np.ndarray]  # v -> A v, both float64 [size]; A is symmetric


@dataclass(frozen=True)
class Ritz:
    """Eigenvalues as a Krylov space has them, ascending, float64 [steps].

    ``weights``, which sum to 1, are the squared first components of the eigenvectors: with the values they are the
    Gauss quadrature of v' f(A) v for the unit start v. Within ``errors`` of each value lies an eigenvalue of A.
    """

    values: np.ndarray
    weights: np.ndarray
    errors: np.ndarray

    def mean(self, f: Callable[[np.ndarray], np.ndarray]) -> float:
        """v' f(A) v, exact for polynomials of degree 2 steps - 1."""
        return float(np.sum(self.weights * f(self.values)))


@dataclass(frozen=True)
class Tridiagonal:
    """A in the basis of a Krylov space: ``diagonal`` and ``off_diagonal``, float64 [steps] each.

    The last off-diagonal element leads out of the space: 0 if A maps the space to itself.
    """

    diagonal: np.ndarray
    off_diagonal: np.ndarray

    def __len__(self) -> int:
        return len(self.diagonal)

    def first(self, steps: int) -> "Tridiagonal":
        """The result of fewer steps, or of as many as there were."""
        return Tridiagonal(self.diagonal[:steps], self.off_diagonal[:steps])

    def ritz(self) -> Ritz:
        from scipy.linalg import eigh_tridiagonal

        values, vectors = eigh_tridiagonal(self.diagonal, self.off_diagonal[:-1])
        return Ritz(values, vectors[0] ** 2, self.off_diagonal[-1] * np.abs(vectors[-1]))


@dataclass(frozen=True)
class Extremes:
    """The outermost Ritz values after ``steps`` products; an eigenvalue lies within each one's error.

    ``largest`` is at most the largest eigenvalue, and ``smallest`` at least the smallest. The errors are those of exact
    products: products in single precision add about 1e-6 of the norm.
    """

    smallest: float
    smallest_error: float
    largest: float
    largest_error: float
    steps: int

    @property
    def norm(self) -> float:
        """The larger absolute value: the estimated spectral norm."""
        return max(abs(self.smallest), abs(self.largest))

    @property
    def norm_error(self) -> float:
        """The error of the one that has the larger absolute value."""
        return self.largest_error if abs(self.largest) >= abs(self.smallest) else self.smallest_error


def lanczos(
    product: Product,
    start: np.ndarray,
    steps: int,
    *,
    until: Callable[[Tridiagonal], bool] | None = None,
    dtype: type[np.floating] = np.float64,
) -> Tridiagonal:
    """Up to ``steps`` products, from a vector that is not 0, with full re-orthogonalisation.

    Args:
        until: asked after each step whether to stop.
        dtype: of the stored basis, which takes steps x size numbers; float32 does for products in single precision.

    Raises:
        ValueError: ``start`` is 0 or not finite, or ``steps`` is below 1.

    Source: Golub and Van Loan 2013, Matrix Computations, section 10.3; orthogonalised twice, Giraud et al. 2005,
    doi:10.1007/s00211-005-0615-4.
    """
    length = euclidean(np.asarray(start, np.float64))
    if steps < 1 or not 0 < length < math.inf:
        raise ValueError(f"{steps} steps from a vector of length {length:g}: expected 1 or more, from a finite length")
    basis = np.empty((min(steps, start.size), start.size), dtype)  # memory is taken as rows are written
    diagonal, off_diagonal = np.zeros(len(basis)), np.zeros(len(basis))
    vector = start / length
    for step, row in enumerate(basis):
        row[:] = vector
        vector = np.array(product(row.astype(np.float64)), np.float64)
        diagonal[step] = np.einsum("i,i->", row, vector)
        for _ in range(2):
            vector -= (basis[: step + 1] @ vector.astype(dtype)) @ basis[: step + 1]
        off_diagonal[step] = euclidean(vector)
        scale = max(np.abs(diagonal[: step + 1]).max(), off_diagonal[: step + 1].max())
        if off_diagonal[step] <= 100 * np.finfo(dtype).eps * scale or step + 1 == start.size:
            off_diagonal[step] = 0.0  # what is left is rounding: the space is invariant
        found = Tridiagonal(diagonal[: step + 1], off_diagonal[: step + 1])
        if off_diagonal[step] == 0 or (until is not None and until(found)):
            break
        vector /= off_diagonal[step]
    return found


def extremes(product: Product, start: np.ndarray, *, steps: int = 100, tolerance: float = 1e-6) -> Extremes:
    """The largest and the smallest eigenvalue, by at most ``steps`` products from a random ``start``.

    They stop when the error of the one of larger absolute value is at most ``tolerance`` times that absolute value.
    Where they do not get there the errors say so.

    Raises:
        ValueError: ``start`` is 0 or not finite, or ``steps`` is below 1.
    """

    def converged(found: Tridiagonal) -> bool:
        outer = outermost([found.ritz()])
        return outer.norm_error <= tolerance * outer.norm

    return outermost([lanczos(product, start, steps, until=converged).ritz()])


def outermost(starts: Sequence[Ritz]) -> Extremes:
    """The extremes of one matrix by the Ritz values of several starts."""
    low, high = min(starts, key=lambda ritz: ritz.values[0]), max(starts, key=lambda ritz: ritz.values[-1])
    return Extremes(
        *(float(low.values[0]), float(low.errors[0]), float(high.values[-1]), float(high.errors[-1])),
        sum(len(ritz.values) for ritz in starts),
    )
