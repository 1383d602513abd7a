"""The largest amount of pruning whose bound stays within a tolerance: a count, a percentage or a probability."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Largest:
    """The largest amount found that is certified: the next one is not.

    A larger one may be, as bounds need not grow with the amount.

    Attributes:
        amount: one of those searched, whose bound is within the tolerance.
        bound: its bound.
    """

    amount: float
    bound: float


def largest_certified(bound: Callable[[float], float], amounts: Sequence[float], epsilon: float) -> Largest | None:
    """Find the largest amount whose bound is at most epsilon, by bisection: some twenty tries of a million.

    Counts of one layer's weights are ``range(weights + 1)``, percentages of all layers ``range(101)``, probabilities
    ``np.linspace(0, 1, 10**6 + 1)``: ``bound`` computes the network's bound of the amount, with as many weights removed
    from one layer or from all.

    Args:
        bound: the bound of an amount, as of ``propagate``.
        amounts: ascending, at least one.
        epsilon: >= 0, in the unit of the bound.

    Returns:
        The amount found; None if the first is not certified.

    Raises:
        ValueError: there is no amount, or epsilon is negative.
    """
    if not len(amounts) or not epsilon >= 0:
        raise ValueError(f"{len(amounts)} amounts, epsilon {epsilon:g}: expected an amount or more, and epsilon >= 0")
    found: Largest | None = None
    low, high = -1, len(amounts)  # certified, or before the first; not certified, or behind the last
    index = 0
    while high - low > 1:
        value = bound(amounts[index])
        if value <= epsilon:
            low, found = index, Largest(amounts[index], value)
        else:
            high = index
        index = len(amounts) - 1 if index == 0 else (low + high) // 2
    return found
