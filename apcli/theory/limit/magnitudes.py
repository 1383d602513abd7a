"""The masks that keep the largest weights, and what each of them removes."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_STRIDE = 0.7  # from one try to the next, away from a guess


@dataclass(frozen=True)
class Magnitudes:
    """The weights in the order of their magnitude; all others among the ``size`` parameters are always kept.

    ``order`` int64 [n]: the places of the prunable weights among all parameters, the largest first. ``squares`` float64
    [n + 1]: R^2(k), the sum of squares of the weights that are removed when k of them are kept; the last one is 0.
    """

    weights: np.ndarray
    order: np.ndarray
    squares: np.ndarray

    @property
    def size(self) -> int:
        return self.weights.size

    @property
    def fixed(self) -> int:
        """How many parameters are kept in any case."""
        return self.size - len(self.order)

    def kept(self, k: int) -> np.ndarray:
        """The mask bool [size] that keeps the k largest, and all that is not prunable."""
        mask = np.ones(self.size, bool)
        mask[self.order[k:]] = False
        return mask

    def threshold(self, k: int) -> float:
        """The magnitude of the smallest weight kept; infinite if none is."""
        return float(np.abs(self.weights[self.order[k - 1]])) if k > 0 else float("inf")

    def fewest(self, meets: Callable[[int], bool], *, guess: int | None = None, within: float = 0.0) -> int:
        """A number of weights kept at which ``meets`` begins to hold, see ``fewest``."""
        return fewest(len(self.order), meets, guess=guess, within=within)


def fewest(count: int, meets: Callable[[int], bool], *, guess: int | None = None, within: float = 0.0) -> int:
    """A k which ``meets`` holds of, and not of k - 1, by bisection; all ``count`` of them meet it.

    It is the smallest one if ``meets`` holds of all larger ones; otherwise there may be smaller ones as well.

    Args:
        guess: a k that should be near, to begin from.
        within: how far the result, which meets it, may be above one that does not, as a share of the result.
    """
    low, high = -1, count  # the one does not meet it, the other does
    k = low if guess is None else guess
    while low < k < high:  # away from the guess, until there is one on either side
        if meets(k):
            high, k = k, math.floor(_STRIDE * k)
        else:
            low, k = k, math.ceil(k / _STRIDE)
    while high - low > max(1.0, within * high):
        k = (low + high) // 2
        if meets(k):
            high = k
        else:
            low = k
    return high


def magnitudes(weights: np.ndarray, prunable: np.ndarray | None = None) -> Magnitudes:
    """Sort weights once, for every number of them that may be kept.

    Args:
        weights: all parameters in one vector [size].
        prunable: which may be removed, bool [size]; all of them by default. Of equal ones the first goes last.
    """
    flat = np.asarray(weights, np.float64)
    places = np.arange(flat.size) if prunable is None else np.flatnonzero(prunable)
    order = places[np.argsort(-np.abs(flat[places]), kind="stable")]
    upwards = np.cumsum(flat[order[::-1]] ** 2)  # from the smallest: little is lost
    return Magnitudes(flat, order, np.append(upwards[::-1], 0.0))
