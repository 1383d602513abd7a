"""Covariances C [J, J] within a row of weights, each known by what is needed of it: mostly no matrix is made.

``extremes`` are the smallest and the largest eigenvalue, or bounds on them; ``quadratic`` is the sum of d' C d over the
rows of a difference [r, J].
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from apcli.theory.numerics.matrices import euclidean


class RowCovariance(Protocol):
    """A covariance within a row; ``variance`` is its mean diagonal element."""

    @property
    def variance(self) -> float: ...

    @property
    def extremes(self) -> tuple[float, float]: ...

    def quadratic(self, difference: np.ndarray) -> float: ...


@dataclass(frozen=True, eq=False)
class Diagonal:
    """Independent weights of these variances, float64 [J]; of one number, all have it."""

    variances: np.ndarray

    @property
    def variance(self) -> float:
        return float(self.variances.mean())

    @cached_property
    def extremes(self) -> tuple[float, float]:
        return float(self.variances.min()), float(self.variances.max())

    def quadratic(self, difference: np.ndarray) -> float:
        return float(np.sum(self.variances * np.square(difference)))


@dataclass(frozen=True)
class Ar1:
    """C_ij = rho^|i - j|. Its eigenvalues are values of (1 - rho^2) / (1 - 2 rho cos t + rho^2), of which the extremes
    are at t = 0 and pi; long rows come near them.
    """

    rho: float

    @property
    def variance(self) -> float:
        return 1.0

    @cached_property
    def extremes(self) -> tuple[float, float]:
        size = abs(self.rho)
        return (1 - size) / (1 + size), (1 + size) / (1 - size)

    def quadratic(self, difference: np.ndarray) -> float:
        from scipy import signal

        before = signal.lfilter([0.0, self.rho], [1.0, -self.rho], difference, axis=1)  # sum over i < j
        return float(np.sum(difference * (difference + 2 * before)))


@dataclass(frozen=True, eq=False)
class Factored:
    """C = L L' of a lower triangular L [J, J]."""

    lower: np.ndarray

    @property
    def variance(self) -> float:
        return euclidean(self.lower) ** 2 / len(self.lower)

    @cached_property
    def extremes(self) -> tuple[float, float]:
        from scipy import linalg

        values = linalg.svdvals(self.lower) ** 2
        return float(values[-1]), float(values[0])

    def quadratic(self, difference: np.ndarray) -> float:
        return euclidean(difference.reshape(-1, len(self.lower)) @ self.lower) ** 2


@dataclass(frozen=True, eq=False)
class LowRank:
    """C = a I + b X' X of rows X [K, J] that are fewer than J.

    Attributes:
        variance: the mean diagonal element.
        lower: L [K, K] with L L' = (a / b) I + X X'; above its diagonal anything may stand.
        rows: streams X, in blocks of rows.
    """

    a: float
    b: float
    variance: float
    lower: np.ndarray
    rows: Callable[[], Iterator[np.ndarray]]

    @cached_property
    def extremes(self) -> tuple[float, float]:
        from scipy import linalg

        return self.a, self.b * float(linalg.svdvals(np.tril(self.lower))[0]) ** 2

    def quadratic(self, difference: np.ndarray) -> float:
        within = sum(euclidean(block @ difference.T) ** 2 for block in self.rows())
        return self.a * euclidean(difference) ** 2 + self.b * within
