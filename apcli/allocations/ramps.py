"""Ramps from one sparsity to another: the sparsity to go to, by optimiser step (counted from 0)."""

from collections.abc import Callable

from apcli.errors import UsageError


def cubic(steps: int, initial: float, final: float, *, begin: float, end: float, every: int) -> dict[int, float]:
    """final + (initial - final) (1 - t)^3, with t the completed share of the ramp (arXiv:1710.01878, equation 1).

    Raises:
        UsageError: it ends before it begins.
    """
    return _ramp(steps, initial, final, begin, end, every, lambda t: (1 - t) ** 3)


def linear(steps: int, initial: float, final: float, *, begin: float, end: float, every: int) -> dict[int, float]:
    """final + (initial - final) (1 - t).

    Raises:
        UsageError: it ends before it begins.
    """
    return _ramp(steps, initial, final, begin, end, every, lambda t: 1 - t)


def one_shot(steps: int, initial: float, final: float, *, begin: float) -> dict[int, float]:
    """The final sparsity at the step that ``begin`` names; before it, ``initial``."""
    return _ramp(steps, initial, final, begin, begin, 1, lambda t: 1 - t)


def _ramp(
    steps: int, initial: float, final: float, begin: float, end: float, every: int, gap: Callable[[float], float]
) -> dict[int, float]:
    """The sparsity by step; ``gap(t)``, from 1 to 0, is the remaining share. The last update precedes a step."""
    if begin > end:
        raise UsageError(f"--schedule begin={begin:g} and end={end:g}: expected an end that is no earlier")
    first, last = (min(round(share * steps), steps - 1) for share in (begin, end))
    ramp = {
        step: final + (initial - final) * gap((step - first) / (last - first)) for step in range(first, last, every)
    }
    return {**ramp, last: final}
