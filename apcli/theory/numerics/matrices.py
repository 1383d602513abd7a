"""Lengths, factors and files of matrices, safe near the limits of floats."""

import math
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open


def euclidean(vector: np.ndarray) -> float:
    """Euclidean length of a float64 array, scaled if a square would overflow or underflow."""
    flat = vector.ravel()
    with np.errstate(over="ignore"):
        squared = float(np.einsum("i,i->", flat, flat))  # not by BLAS, whose threads would fight the caller's
    if 1e-280 < squared < math.inf:
        return math.sqrt(squared)
    largest = float(np.max(np.abs(flat), initial=0.0))
    return largest * float(np.linalg.norm(flat / largest)) if 0 < largest < math.inf else largest


def column_lengths(matrix: np.ndarray) -> np.ndarray:
    """Euclidean lengths of the columns, scaled where a square would overflow or underflow."""
    with np.errstate(over="ignore", under="ignore"):
        squared = np.einsum("ij,ij->j", matrix, matrix)
    lengths = np.sqrt(squared)
    for column in np.flatnonzero(~((squared > 1e-280) & (squared < math.inf))):
        lengths[column] = euclidean(matrix[:, column])
    return lengths


def cholesky(matrix: np.ndarray, otherwise: str) -> np.ndarray:
    """The lower factor L of a symmetric matrix L L', float64 [size, size].

    Raises:
        ValueError: the matrix is not positive definite to working precision; ``otherwise`` is its message.
    """
    from scipy import linalg
    from scipy.linalg import lapack

    try:
        lower = np.asarray(linalg.cholesky(matrix, lower=True))
    except linalg.LinAlgError:
        raise ValueError(otherwise) from None
    reciprocal, _ = lapack.dpocon(lower, np.abs(matrix).sum(axis=0).max(), uplo="L")  # of the condition number
    if not reciprocal > len(matrix) * np.finfo(float).eps:
        raise ValueError(otherwise)
    return lower


def matrix_of(path: str, *sizes: int) -> np.ndarray:
    """The symmetric matrix of a ``.npy`` or one-tensor safetensors file, float64, of one of ``sizes``.

    Raises:
        ValueError: the file cannot be read, or holds something else.
    """
    try:
        matrix = _tensor_of(Path(path))
    except (OSError, EOFError, TypeError, ValueError, SafetensorError) as error:
        raise ValueError(f"cannot use {path}: {getattr(error, 'strerror', None) or error}") from None
    shapes = [(size, size) for size in sizes]
    if matrix.shape not in shapes:
        expected = " or ".join(map(str, dict.fromkeys(shapes)))
        raise ValueError(f"cannot use {path}: its shape is {matrix.shape}, expected {expected}")
    if not np.isfinite(matrix).all():
        raise ValueError(f"cannot use {path}: it holds NaN or Inf")
    asymmetry = np.abs(matrix - matrix.T).max()
    if asymmetry > 1e-6 * np.abs(matrix).max():  # matrices from float32 are rarely symmetric to the bit
        raise ValueError(f"cannot use {path}: its matrix is not symmetric")
    return (matrix + matrix.T) / 2


def _tensor_of(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False).astype(np.float64, casting="same_kind")
    with safe_open(path, framework="np") as tensors:
        names = list(tensors.keys())
        if len(names) != 1:
            raise ValueError(f"it holds {len(names)} tensors: expected one")
        return np.asarray(tensors.get_tensor(names[0]).astype(np.float64, casting="same_kind"))
