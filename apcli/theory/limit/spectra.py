"""The spectrum of a matrix by stochastic Lanczos quadrature: means over its eigenvalues, without the eigenvalues."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from apcli.theory.numerics.lanczos import Product, Ritz, lanczos


@dataclass(frozen=True)
class Estimate:
    """A mean over eigenvalues.

    ``error`` is the standard error over the random starts, NaN for one start. ``change`` is how far the value of half
    the Lanczos steps is away: the quadrature has converged where that is little.
    """

    value: float
    error: float
    change: float

    def times(self, factor: float) -> "Estimate":
        return Estimate(factor * self.value, abs(factor) * self.error, abs(factor) * self.change)


@dataclass(frozen=True)
class Spectrum:
    """The eigenvalues of a matrix [size, size], as the Ritz values of each random start, and of half the steps."""

    size: int
    starts: tuple[Ritz, ...]
    halves: tuple[Ritz, ...]

    @classmethod
    def of(cls, eigenvalues: np.ndarray) -> "Spectrum":
        """The spectrum of all eigenvalues, exact."""
        values = np.sort(np.asarray(eigenvalues, np.float64))
        exact = Ritz(values, np.full(values.shape, 1 / values.size), np.zeros(values.shape))
        return cls(values.size, (exact,), (exact,))

    def mean(self, f: Callable[[np.ndarray], np.ndarray]) -> Estimate:
        """tr f(A) / size for a function of eigenvalues, arrays to arrays."""
        means, halves = ([ritz.mean(f) for ritz in found] for found in (self.starts, self.halves))
        count = len(means)
        error = float(np.std(means, ddof=1)) / math.sqrt(count) if count > 1 else math.nan
        value = float(np.mean(means))
        return Estimate(value, error, abs(value - float(np.mean(halves))))

    def trace(self) -> Estimate:
        return self.mean(lambda values: values).times(self.size)

    def negative_mass(self) -> Estimate:
        """The share of eigenvalues below 0 by more than products in single precision resolve: no zero counts."""
        largest = max(float(np.abs(ritz.values).max()) for ritz in self.starts)
        return self.mean(lambda values: values < -np.finfo(np.float32).eps * largest)


def rademacher(size: int, count: int, seed: int) -> Iterator[np.ndarray]:
    """Random starts with elements +1 and -1, float64 [size]: exact for a diagonal matrix."""
    draw = np.random.default_rng(seed)
    for _ in range(count):
        yield 2.0 * draw.integers(0, 2, size, np.int8) - 1


def spectrum(
    product: Product, starts: Iterable[np.ndarray], steps: int, *, dtype: type[np.floating] = np.float64
) -> Spectrum:
    """The spectrum as ``steps`` Lanczos steps from each start have it; nothing is binned or smoothed.

    To resolve a function that varies over s near 0 takes about 0.3 to 0.6 sqrt(largest eigenvalue / s) steps.

    Args:
        starts: vectors [size], at least one.
        dtype: of the stored Lanczos basis, of one start at a time.

    Raises:
        ValueError: a start is 0 or not finite, ``steps`` is below 2, or there is no start.

    Source: Golub and Meurant 1994; Ubaru, Chen and Saad 2017, doi:10.1137/16M1104974.
    """
    if steps < 2:
        raise ValueError(f"steps is {steps}: expected 2 or more, to compare them with half as many")
    found, size = [], 0
    for start in starts:
        found.append(lanczos(product, start, steps, dtype=dtype))
        size = start.size
    if not found:
        raise ValueError("there are 0 random starts: expected 1 or more")
    halves = tuple(one.first(max(1, steps // 2)).ritz() for one in found)
    return Spectrum(size, tuple(one.ritz() for one in found), halves)
