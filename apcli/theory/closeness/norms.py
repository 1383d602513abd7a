"""Spectral norms of weight matrices with an upper bound that holds whatever an iteration has found."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

BATCHED = 64  # up to this smaller side, all blocks' singular values are computed at once
DIRECT = 1024  # up to this one, the largest eigenvalue of W W'
VERIFIED = 8192  # up to this one, Lanczos finds it and a factorisation verifies it


@dataclass(frozen=True)
class SpectralNorm:
    """The largest singular value of a matrix.

    Attributes:
        value: as found: right to rounding, or where ``upper`` says less, never above the norm.
        upper: at least the norm.
        method: "exact" (singular values, or the top eigenvalue of W W'; upper has room for rounding), "verified" (value
            by Lanczos iterations; W W' has no eigenvalue above upper^2, for upper^2 I - W W' has a Cholesky factor), or
            "bounded" (value by Lanczos iterations, upper the smaller of sqrt(|W|_1 |W|_inf) and |W|_F); of a
            convolution "windows" or "circle".
    """

    value: float
    upper: float
    method: str

    def times(self, factor: float) -> "SpectralNorm":
        """The norm of the matrix times a number >= 0."""
        return SpectralNorm(self.value * factor, self.upper * factor, self.method)


def spectral_norm(blocks: np.ndarray) -> SpectralNorm:
    """The spectral norm of a matrix [n, m], or of a block-diagonal one of blocks [..., n, m], real or complex.

    Raises:
        ValueError: the array has fewer than two dimensions, or holds NaN or Inf.
    """
    if blocks.ndim < 2 or not np.isfinite(blocks).all():
        raise ValueError(f"weights of shape {blocks.shape}: expected finite numbers in two dimensions or more")
    largest = float(np.max(np.abs(blocks), initial=0.0))
    if largest == 0:
        return SpectralNorm(0.0, 0.0, "exact")
    kind = complex if np.iscomplexobj(blocks) else float
    scaled = blocks.reshape(-1, *blocks.shape[-2:]).astype(kind) / largest  # so that no square overflows
    if min(scaled.shape[-2:]) <= BATCHED:
        return _exact(float(np.linalg.svd(scaled, compute_uv=False)[:, 0].max()), scaled[0]).times(largest)
    found = SpectralNorm(0.0, 0.0, "exact")
    for block in scaled:
        found = _larger(found, block) if block.any() else found
    return found.times(largest)


def _exact(value: float, matrix: np.ndarray) -> SpectralNorm:
    return SpectralNorm(value, value * (1 + sum(matrix.shape) * float(np.finfo(float).eps)), "exact")


def _larger(found: SpectralNorm, matrix: np.ndarray) -> SpectralNorm:
    """The larger of a norm and a matrix's, whose eigenvalues are not needed where a Cholesky factor says smaller."""
    from scipy.sparse.linalg import LinearOperator

    size = min(matrix.shape)
    wide = matrix if len(matrix) == size else matrix.conj().T
    if size > VERIFIED:
        product = LinearOperator((size, size), matvec=lambda x: wide @ (wide.conj().T @ x), dtype=wide.dtype)
        other = SpectralNorm(_lanczos(product), _row_and_column_bound(wide), "bounded")
    else:
        gram = wide @ wide.conj().T
        if found.upper > 0 and _below(gram, found.upper):
            return found
        other = _of_gram(gram, wide)
    method = found.method if found.upper > other.upper else other.method
    return SpectralNorm(max(found.value, other.value), max(found.upper, other.upper), method)


def _of_gram(gram: np.ndarray, wide: np.ndarray) -> SpectralNorm:
    from scipy import linalg

    size = len(gram)
    if size <= DIRECT:
        top = linalg.eigh(gram, eigvals_only=True, subset_by_index=[size - 1, size - 1])[0]
        return _exact(math.sqrt(top), wide)
    value = _lanczos(gram)
    for slack in (1e-8, 1e-6, 1e-4, 1e-2):
        if _below(gram, value * (1 + slack)):
            return SpectralNorm(value, value * (1 + slack), "verified")
    return SpectralNorm(value, _row_and_column_bound(wide), "bounded")


def _lanczos(product: Any) -> float:
    """A lower bound on the norm, nearly always the norm, by Lanczos iterations on W W', a matrix or an operator."""
    from scipy.sparse.linalg import ArpackNoConvergence, eigsh

    start = np.random.default_rng(0).normal(size=product.shape[0]).astype(product.dtype)
    try:
        top = eigsh(product, 1, which="LA", v0=start, tol=1e-8, return_eigenvectors=False)[0]
    except ArpackNoConvergence:
        direction = product @ (product @ start)
        top = np.vdot(direction, product @ direction).real / np.vdot(direction, direction).real
    return math.sqrt(top)


def _below(gram: np.ndarray, level: float) -> bool:
    """Whether no eigenvalue of the matrix exceeds level^2: level^2 I - gram then has a Cholesky factor."""
    shifted = -gram
    shifted[np.diag_indices_from(shifted)] += level * level
    try:
        np.linalg.cholesky(shifted)
    except np.linalg.LinAlgError:
        return False
    return True


def _row_and_column_bound(matrix: np.ndarray) -> float:
    """min(sqrt(|W|_1 |W|_inf), |W|_F), each at least the spectral norm."""
    sizes = np.abs(matrix)
    sums = float(sizes.sum(axis=0).max()) * float(sizes.sum(axis=1).max())
    return min(math.sqrt(sums), float(np.linalg.norm(matrix)))
