"""Theorems D and E: norms of weights of random signs, and the width from which random weights can be pruned.

Derived, in the spirit of Qian & Klabjan, arXiv:2105.10065, whose setting this is. Of trained weights, whose signs are
not random, Theorem D is a heuristic: their norms are better computed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


def sign_bound(removed: np.ndarray, delta: float) -> float:
    """Theorem D: |E| <= sqrt(2 v log((n + m) / delta)) with probability 1 - delta or more.

    v is the largest sum of squares of a row or column. The signs of the entries are independent and symmetric given
    their magnitudes, and the mask depends on magnitudes only, or on neither. Proof: E is then a matrix Rademacher
    series (Tropp 2012, arXiv:1004.4389).

    Args:
        removed: E [n, m], or the whole matrix W for a bound on its norm.
        delta: in (0, 1).
    """
    if removed.ndim != 2 or not 0 < delta < 1:
        raise ValueError(f"weights {removed.shape}, delta {delta:g}: expected a matrix, and a number between 0 and 1")
    squares = removed * removed
    variance = max(float(squares.sum(axis=axis).max(initial=0.0)) for axis in (0, 1))
    return math.sqrt(2 * variance * math.log(sum(removed.shape) / delta))


@dataclass(frozen=True)
class RandomNetwork:
    """A network of random weights, as Theorem E takes it: ``depth`` layers of width x width, 1-Lipschitz functions.

    Attributes:
        depth: l >= 1.
        scale: K > 0: entries are independent, symmetric and in [-K / sqrt(d), K / sqrt(d)]; of ``lowest``, uniform.
        delta: probability that the bound fails, in (0, 1).
        radius: B, of the ball of inputs.
    """

    depth: int
    scale: float
    delta: float
    radius: float = 1.0

    def __post_init__(self) -> None:
        if not (self.depth >= 1 and self.scale > 0 and 0 < self.delta < 1 and self.radius >= 0):
            raise ValueError(f"{self}: expected depth >= 1, scale > 0, delta between 0 and 1, radius >= 0")


@dataclass(frozen=True)
class WidthBound:
    """Theorem E at one width.

    Attributes:
        difference: the bound B [(S + e)^l - S^l] on sup |F - f|; infinite where it overflows.
        norm: S, the bound on every layer's norm.
        removed: e, the bound on the norm of every removed part.
        level: u, which share of the largest possible weight no removed one exceeds; 1 of random pruning.
    """

    difference: float
    norm: float
    removed: float
    level: float


def random_pruning(network: RandomNetwork, width: int, fraction: float) -> WidthBound:
    """Theorem E with each weight removed with probability p, independently.

    Proof: Theorem D with v <= K^2 r / d, r the most removed in a row or column: Bernstein for Binomial(d, p) says r <=
    d p + sqrt(2 d p l) + l / 3 with l = log(6 d depth / delta), for all 2 d depth rows and columns at once; W is
    bounded with r = d; Theorem A in its product form.
    """
    _check(width, fraction)
    level = math.log(6 * width * network.depth / network.delta)
    return _bound(network, width, level, 1.0, fraction)


def lowest_pruning(network: RandomNetwork, width: int, fraction: float) -> WidthBound:
    """Theorem E with the floor(p d^2) weights of smallest magnitude removed from every layer.

    Proof: as ``random_pruning``, with l = log(8 d depth / delta); all removed weights are at most u K / sqrt(d), by the
    lower tail of Binomial(d^2, u) (Chernoff), and those below that level are removed as at random.
    """
    _check(width, fraction)
    level = math.log(8 * width * network.depth / network.delta)
    root = (math.sqrt(2 * level) + math.sqrt(2 * level + 4 * fraction * width * width)) / 2
    highest = min(1.0, (root / width) ** 2) if fraction else 0.0
    return _bound(network, width, level, highest, highest)


def smallest_width(
    network: RandomNetwork,
    epsilon: float,
    fraction_of: Callable[[int], float],
    pruning: Callable[[RandomNetwork, int, float], WidthBound],
    most: int = 10**9,
) -> int | None:
    """The smallest width found with a bound of epsilon or less, by doubling and bisection; None if none to ``most``.

    The bound at the width before the one found is above epsilon.

    Args:
        network: all but its width.
        epsilon: > 0.
        fraction_of: p of a width: the paper removes about D^(1 - alpha) of D = d^2 weights, p = d^(-2 alpha).
        pruning: ``random_pruning`` or ``lowest_pruning``.
        most: the largest width tried.
    """

    def within(width: int) -> bool:
        return pruning(network, width, fraction_of(width)).difference <= epsilon

    low, high = 0, 1
    while not within(high):
        if high == most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if within(middle) else (middle, high)
    return high


def _bound(network: RandomNetwork, width: int, level: float, highest: float, fraction: float) -> WidthBound:
    """The bound if each removed weight is below ``highest`` of the largest, and a fraction is removed at random."""
    most = min(1.0, fraction + math.sqrt(2 * fraction * level / width) + level / (3 * width)) if fraction else 0.0
    norm = network.scale * math.sqrt(2 * level)
    removed = network.scale * highest * math.sqrt(2 * level * most)
    power = network.depth * math.log(norm)
    growth = network.depth * math.log1p(removed / norm)  # (S + e)^l - S^l = S^l (exp(growth) - 1)
    overflows = power + growth > 700
    difference = math.inf if overflows else network.radius * math.exp(power) * math.expm1(growth)
    return WidthBound(difference if removed else 0.0, norm, removed, highest)


def _check(width: int, fraction: float) -> None:
    if not (width >= 1 and 0 <= fraction <= 1):
        raise ValueError(f"width {width}, p {fraction:g}: expected a width >= 1, and p from 0 to 1")
