"""Theorem C: norms of the removed and the kept part of given weights under a random mask, with high probability.

Derived, in the spirit of Qian & Klabjan, arXiv:2105.10065. Nothing is assumed about the weights. Spectral norms and
Euclidean lengths throughout; p is the probability of removal, or the fraction removed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from apcli.theory.closeness.norms import spectral_norm
from apcli.theory.statistics.concentration import bernstein


@dataclass(frozen=True)
class Series:
    """A sum of w_jk xi_jk X_jk over the weights whose norm, times ``scale``, bounds that of the layer's map.

    The X_jk are fixed matrices of norm 1 or less; of a fully connected layer, e_j e_k'.

    Attributes:
        dimension: rows and columns of the sum, added.
        row: largest eigenvalue of the sum of w^2 X X': of a matrix, the largest sum of squares of a row.
        column: the same of w^2 X'X.
        norm: upper bound on the norm of the sum where every xi is 1.
        scale: of the norm.
    """

    dimension: int
    row: float
    column: float
    norm: float
    scale: float = 1.0

    @property
    def variance(self) -> float:
        """max(row, column), without the variance of the mask's entries."""
        return max(self.row, self.column)


@dataclass(frozen=True)
class Entries:
    """All that Theorem C needs to know of a layer's weights.

    Attributes:
        count: N, how many weights there are.
        largest: largest |w|.
        frobenius: root of the sum of w^2.
        norm: s, an upper bound on the norm of the layer's map.
        series: one or more sums of random matrices that each bound the map of the masked weights.
        lipschitz: least known constant with |map of w| <= constant * |w|_F for all weights w.
    """

    count: int
    largest: float
    frobenius: float
    norm: float
    series: tuple[Series, ...]
    lipschitz: float = 1.0

    @classmethod
    def of(cls, weight: np.ndarray) -> "Entries":
        """Those of a fully connected layer's matrix [n, m]."""
        if weight.ndim != 2:
            raise ValueError(f"weights of shape {weight.shape}: expected a matrix")
        squares = weight * weight
        row, column = (float(squares.sum(axis=axis).max()) for axis in (1, 0))
        norm = spectral_norm(weight).upper
        largest, frobenius = float(np.abs(weight).max()), float(np.linalg.norm(weight))
        return cls(weight.size, largest, frobenius, norm, (Series(sum(weight.shape), row, column, norm),))


@dataclass(frozen=True)
class RandomRemoval:
    """What a random mask takes from a layer and leaves of it, with probability 1 - delta or more.

    Attributes:
        fraction: p.
        tail: T, the bound on |E - pW|.
        removed: e, the bound on |E|.
        kept: t, the bound on |W~|.
        reason: what the tail is from: "Bernstein", "concentration", or "certain" (none or all is removed).
    """

    fraction: float
    tail: float
    removed: float
    kept: float
    reason: str


def bernoulli(entries: Entries, fraction: float, delta: float) -> RandomRemoval:
    """Remove each weight independently with probability p.

    T is the smaller of Bernstein's for E - pW, and of a bound on the mean with a deviation from it: sqrt(2 v l) + R l /
    3 + max|w| sqrt(2 log(1 / delta)), l = log(n + m) (Tropp 2012, arXiv:1004.4389; a convex Lipschitz function of
    independent numbers in [0, 1]: Talagrand). Then |E| <= p s + T, |W~| <= (1 - p) s + T, and both are at most |W|_F.

    Raises:
        ValueError: p is not in [0, 1], or delta not in (0, 1).
    """
    if certain := _certain(entries, fraction, delta):
        return certain
    share, size = fraction * (1 - fraction), max(fraction, 1 - fraction) * entries.largest
    tails = _tail(entries, lambda series: bernstein(share * series.variance, size, delta, series.dimension))
    deviation = entries.lipschitz * entries.largest * math.sqrt(-2 * math.log(delta))
    means = deviation + _tail(entries, lambda series: _mean(share * series.variance, size, series.dimension))
    reason = "Bernstein" if tails <= means else "concentration"
    return _bounded(entries, fraction, min(tails, means), entries.frobenius, reason)


def exactly(entries: Entries, count: int, delta: float) -> RandomRemoval:
    """Remove k of the N weights, all choices being as likely.

    T is Bernstein's with v = min(p, 1 - p) max(row, column), R = max|w| + s / N, p = k / N. Drawing without replacement
    is dominated by drawing with it (Gross & Nesme 2010, arXiv:1001.2738), and drawing those kept is drawing too. And
    |E| is at most |E|_F <= max|w| sqrt(k).

    Raises:
        ValueError: k is not in 0 to N, or delta not in (0, 1).
    """
    if not 0 <= count <= entries.count:
        raise ValueError(f"count is {count}: expected 0 to {entries.count}, the number of weights")
    fraction = count / entries.count
    if certain := _certain(entries, fraction, delta):
        return certain
    share = min(fraction, 1 - fraction)

    def tail(series: Series) -> float:
        size = entries.largest + series.norm / entries.count
        return bernstein(share * series.variance, size, delta, series.dimension)

    return _bounded(entries, fraction, _tail(entries, tail), math.sqrt(count) * entries.largest, "Bernstein")


def _certain(entries: Entries, fraction: float, delta: float) -> RandomRemoval | None:
    """What is removed where nothing is left to chance."""
    _probability(delta)
    if _fraction(fraction) in (0, 1):
        return RandomRemoval(fraction, 0.0, fraction * entries.norm, (1 - fraction) * entries.norm, "certain")
    return None


def _tail(entries: Entries, of: Callable[[Series], float]) -> float:
    return min(series.scale * of(series) for series in entries.series)


def _mean(variance: float, size: float, dimension: int) -> float:
    """A bound on the mean norm of such a sum as ``bernstein`` bounds."""
    level = math.log(dimension)
    return math.sqrt(2 * variance * level) + size * level / 3


def _bounded(entries: Entries, fraction: float, tail: float, most: float, reason: str) -> RandomRemoval:
    """The bounds from a tail, of a removed part whose Frobenius norm is ``most`` or less."""
    removed = min(fraction * entries.norm + tail, entries.lipschitz * min(most, entries.frobenius))
    kept = min((1 - fraction) * entries.norm + tail, entries.norm + removed, entries.lipschitz * entries.frobenius)
    return RandomRemoval(fraction, tail, removed, kept, reason)


def _fraction(fraction: float) -> float:
    if not 0 <= fraction <= 1:
        raise ValueError(f"p is {fraction:g}: expected 0 to 1")
    return fraction


def _probability(delta: float) -> float:
    if not 0 < delta < 1:
        raise ValueError(f"delta is {delta:g}: expected a probability between 0 and 1, neither of them")
    return delta
