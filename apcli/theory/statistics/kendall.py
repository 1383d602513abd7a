"""The agreement of two orders of the same items within clusters: Kendall's tau-b, and its bootstrap over clusters."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from apcli.theory.statistics import clusters

Index = int | Sequence[int] | tuple[int, np.ndarray]


@dataclass(frozen=True, eq=False)
class PairCounts:
    """Counts of the pairs of items of one cluster, for each cluster: int64 [clusters] each.

    Pairs of items of different clusters are never compared. The sum of two counts is that of both sets of pairs.

    Attributes:
        agree: pairs in the same order in x and in y.
        broken: pairs in opposite orders.
        tied: pairs that are equal in x or in y.
        untied_x: pairs that differ in x; ``untied_y`` in y.
    """

    agree: np.ndarray
    broken: np.ndarray
    tied: np.ndarray
    untied_x: np.ndarray
    untied_y: np.ndarray

    def __add__(self, other: "PairCounts") -> "PairCounts":
        return PairCounts(*(a + b for a, b in zip(self._parts, other._parts, strict=True)))

    def of(self, index: Index) -> "PairCounts":
        """The counts at an index of the arrays."""
        return PairCounts(*(part[index] for part in self._parts))

    @property
    def pairs(self) -> np.ndarray:
        return self.agree + self.broken + self.tied

    @property
    def _parts(self) -> Sequence[np.ndarray]:
        return self.agree, self.broken, self.tied, self.untied_x, self.untied_y

    @property
    def tau(self) -> float | None:
        """tau-b over the pairs of all clusters; None if all are tied in x or in y.

        Kendall 1945, doi:10.1093/biomet/33.3.239; of one cluster this is its tau-b.
        """
        return _known(self._tau(np.ones((1, len(self.agree))))[0])

    @property
    def taus(self) -> tuple[float | None, ...]:
        """tau-b of each cluster; None if all of its pairs are tied in x or in y."""
        return tuple(_known(value) for value in self._tau(np.eye(len(self.agree))))

    @cached_property
    def resampled(self) -> np.ndarray:
        """tau-b over resamples of the clusters: float64 [RESAMPLES], NaN if all drawn pairs are tied in x or in y.

        The same resamples for every measure of the same clusters: differences of two results are paired.
        """
        return self._tau(clusters.draws(len(self.agree)))

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of tau-b; None if fewer than ``clusters.LEAST`` clusters have a tau-b."""
        known = sum(tau is not None for tau in self.taus)
        return clusters.interval(self.resampled, len(self.agree)) if known >= clusters.LEAST else None

    def interval_above(self, other: "PairCounts") -> tuple[float, float] | None:
        """The 95 % interval of tau-b - that of the other, of the same clusters; None if either has no interval."""
        if self.interval is None or other.interval is None:
            return None
        return clusters.interval(self.resampled - other.resampled, len(self.agree))

    def _tau(self, drawn: np.ndarray) -> np.ndarray:
        """tau-b for each row of ``drawn`` [rows, clusters], the number of times that each cluster counts."""
        untied = np.sqrt((drawn @ self.untied_x) * (drawn @ self.untied_y))
        return np.divide(drawn @ (self.agree - self.broken), untied, out=np.full(len(drawn), np.nan), where=untied > 0)


def pair_counts(x: ArrayLike, y: ArrayLike) -> PairCounts:
    """Count the pairs of items of each cluster by their orders in ``x`` and ``y``.

    Args:
        x: [..., clusters, items]; NaN: not known, in no pair.
        y: the same.

    Returns:
        counts of [..., clusters].
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    known = ~(np.isnan(x) | np.isnan(y))
    totals = np.zeros((5, *x.shape[:-1]), dtype=np.int64)
    for shift in range(1, x.shape[-1]):  # all pairs of items that stand so far apart
        both = known[..., shift:] & known[..., :-shift]
        up_x, up_y = (v[..., shift:] > v[..., :-shift] for v in (x, y))
        down_x, down_y = (v[..., shift:] < v[..., :-shift] for v in (x, y))
        untied_x, untied_y = (up_x | down_x) & both, (up_y | down_y) & both
        ordered = untied_x & untied_y
        agree = ordered & (up_x == up_y)
        parts = (agree, ordered & ~agree, both & ~ordered, untied_x, untied_y)
        totals += [part.sum(axis=-1) for part in parts]
    return PairCounts(*totals)


def broken_places(x: ArrayLike, y: ArrayLike) -> list[tuple[int, int]]:
    """The pairs of items that x and y order oppositely by their mean differences over the clusters that have both.

    Args:
        x: [clusters, items]; NaN where x or y is not known.
        y: the same.

    Returns:
        for each pair the item with the smaller x and larger y, then the other, in the order of the items.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    found = []
    for shift in range(1, x.shape[1]):
        dx, dy = (np.nansum(v[:, shift:] - v[:, :-shift], axis=0) for v in (x, y))
        found += [(int(first), int(first) + shift, bool(dx[first] > 0)) for first in np.flatnonzero(dx * dy < 0)]
    return [(first, second) if up else (second, first) for first, second, up in sorted(found)]


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
