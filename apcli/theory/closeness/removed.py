"""Theorem B: the norm of the removed part of a matrix by counts and the largest removed weight.

Derived, in the spirit of Qian & Klabjan, arXiv:2105.10065. It takes any mask, of magnitude pruning above all.
"""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RemovedPart:
    """The part E = W - W~ that a mask takes from a matrix.

    Attributes:
        count: k, how many entries are removed.
        in_a_row: r, the most in one row; ``in_a_column``, c.
        largest: tau, the largest |w| removed; of the lowest k, their threshold.
        frobenius: |E|_F.
        share: |E|_F / |W|_F; 0 if all weights are 0.
        tied: removed and kept entries of magnitude tau, of which the order of the entries decides which go.
    """

    count: int
    in_a_row: int
    in_a_column: int
    largest: float
    frobenius: float
    share: float
    tied: int

    @property
    def by_count(self) -> float:
        """tau sqrt(k), at least |E|_F."""
        return self.largest * math.sqrt(self.count)

    @property
    def by_rows_and_columns(self) -> float:
        """tau sqrt(r c), at least sqrt(|E|_1 |E|_inf), and so at least |E|_2."""
        return self.largest * math.sqrt(self.in_a_row) * math.sqrt(self.in_a_column)

    @property
    def bound(self) -> float:
        """The least of the bounds on the spectral norm |E|_2; the norm itself is one singular value."""
        return min(self.frobenius, self.by_count, self.by_rows_and_columns)


def removed_part(weight: np.ndarray, removed: np.ndarray) -> RemovedPart:
    """Count and measure what a mask removes.

    Args:
        weight: a matrix [n, m]; of a convolution, its kernel unfolded, and the bounds then times the same factor.
        removed: where an entry is removed, bool of that shape.

    Raises:
        ValueError: the shapes are no matrix's, or differ.
    """
    if weight.ndim != 2 or weight.shape != removed.shape:
        raise ValueError(f"weights {weight.shape} and mask {removed.shape}: expected two matrices of one shape")
    sizes = np.abs(weight)
    largest = float(np.max(sizes, where=removed, initial=0.0))
    whole = float(np.linalg.norm(weight))
    frobenius = float(np.linalg.norm(weight[removed]))
    return RemovedPart(
        count=int(removed.sum()),
        in_a_row=int(removed.sum(axis=1).max(initial=0)),
        in_a_column=int(removed.sum(axis=0).max(initial=0)),
        largest=largest,
        frobenius=frobenius,
        share=frobenius / whole if whole else 0.0,
        tied=int((sizes == largest).sum()) if removed.any() else 0,
    )


def lowest(weight: np.ndarray, count: int) -> np.ndarray:
    """Where the ``count`` entries of smallest magnitude are, bool of the weight's shape; of equal ones, the first.

    Raises:
        ValueError: there are not as many.
    """
    return _first(np.abs(weight), count)


def highest(weight: np.ndarray, count: int) -> np.ndarray:
    """Where the ``count`` entries of largest magnitude are, otherwise as ``lowest``."""
    return _first(-np.abs(weight), count)


def _first(score: np.ndarray, count: int) -> np.ndarray:
    if not 0 <= count <= score.size:
        raise ValueError(f"count is {count}: expected 0 to {score.size}, the number of weights")
    if count == 0:
        return np.zeros(score.shape, bool)
    flat = score.ravel()
    level = np.partition(flat, count - 1)[count - 1]
    removed: np.ndarray = flat < level
    removed[np.flatnonzero(flat == level)[: count - int(removed.sum())]] = True
    return removed.reshape(score.shape)
