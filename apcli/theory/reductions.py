"""Reductions of a stream of weight differences, block by block, to a fixed count of numbers for layers of any size.

A reduction's ``reduce`` is pure and may run in several threads at once; ``absorb`` takes its results in the order of
the blocks, so the sum does not depend on the number of threads.
"""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from apcli.theory.covariances.families import Covariances, identity
from apcli.theory.distributions.shifts import Shift
from apcli.theory.numerics.matrices import euclidean


class Reduction(Protocol):
    """Takes the difference w - w~ of a layer (or of all layers, one after another) a block at a time."""

    def reduce(self, start: int, difference: np.ndarray) -> Any:
        """The contribution of the elements from ``start`` on; float64 [n]."""

    def absorb(self, partial: Any) -> None:
        """Add the result of ``reduce`` for the next block."""

    @staticmethod
    def joined(reductions: Sequence[Any]) -> Any:
        """The result for one layer, or for several as one: a ``Shift``, or the pair of distributions itself."""


class Distances:
    """Mahalanobis distances in each eigenspace of a layer's two covariances; blocks are whole rows."""

    def __init__(self, covariances: Covariances, rows: int, columns: int) -> None:
        self.covariances = covariances
        self.rows, self.columns = rows, columns
        self.length = 0.0
        self.distances: np.ndarray | None = None

    def reduce(self, start: int, difference: np.ndarray) -> tuple[float, np.ndarray]:
        """The block's Euclidean length and its distances."""
        rows = difference.reshape(-1, self.columns) if self.covariances.by_rows else difference
        return euclidean(difference), self.covariances.distances(rows)

    def absorb(self, partial: tuple[float, np.ndarray]) -> None:
        """Add a block: lengths add in squares."""
        length, distances = partial
        self.length = math.hypot(self.length, length)
        self.distances = distances if self.distances is None else np.hypot(self.distances, distances)

    def shift(self) -> Shift:
        """Everything that divergences of two elliptical distributions depend on."""
        assert self.distances is not None
        return self.covariances.shift(self.distances, self.length, self.rows, self.columns)

    @staticmethod
    def joined(reductions: Sequence["Distances"]) -> Shift:
        """The shift of the layers as one."""
        return Shift.pooled([reduction.shift() for reduction in reductions])


class GroupMeans:
    """The difference averaged over consecutive groups of weights; the remainder is a shorter group.

    This is the published grouping (arXiv:2403.00155, section 5.3, and its code): 20480 weights in "100" groups are 101.
    The distributions of the means keep the scale of single weights, as published; that of their push-forward is
    smaller.
    """

    def __init__(self, size: int, groups: int, scale: float, pruned_scale: float | str) -> None:
        self.size = size
        self.each = size // groups
        self.covariances = identity(scale=scale, pruned_scale=pruned_scale)
        self.sums = np.zeros(dimension(size, groups))

    def reduce(self, start: int, difference: np.ndarray) -> tuple[int, np.ndarray]:
        """The index of these elements' first group, and their sums in it and in the groups after it."""
        first = start // self.each
        starts = np.arange(first * self.each - start, len(difference), self.each)
        return first, np.add.reduceat(difference, np.maximum(starts, 0))

    def absorb(self, partial: tuple[int, np.ndarray]) -> None:
        """Add the block's sums to its groups'."""
        first, sums = partial
        self.sums[first : first + len(sums)] += sums

    def shift(self) -> Shift:
        """Everything that divergences of two elliptical distributions of the group means depend on."""
        counts = np.full(len(self.sums), self.each)
        counts[-1] = self.size - self.each * (len(self.sums) - 1)
        means = self.sums / counts
        return self.covariances.shift(self.covariances.distances(means), euclidean(means), 1, len(means))

    @staticmethod
    def joined(reductions: Sequence["GroupMeans"]) -> Shift:
        """The shift of a single reduction: layers as one need groups of their own, which run across layers."""
        (reduction,) = reductions
        return reduction.shift()


def dimension(size: int, groups: int) -> int:
    """The number of coordinates of ``size`` weights after grouping: ceil(size / (size // groups)), not ``groups``.

    Raises:
        ValueError: there are fewer weights than groups.
    """
    if not 0 <= groups <= size:
        raise ValueError(f"groups is {groups}: expected 0 (none) or a number of groups up to the {size} weights")
    return size if groups == 0 else math.ceil(size / (size // groups))
