"""Ramps from one sparsity to another: the sparsity to go to, by optimiser step (counted from 0)."""

from collections.abc import Iterator

from apcli.errors import UsageError


def cubic(steps: int, initial: float, final: float, *, begin: float, end: float, every: int) -> dict[int, float]:
    """final + (initial - final) (1 - t)^3, with t the completed share of the ramp (arXiv:1710.01878, equation 1).

    Raises:
        UsageError: it ends before it begins.
    """
    return {step: final + (initial - final) * (1 - t) ** 3 for step, t in _updates(steps, begin, end, every)}


def linear(steps: int, initial: float, final: float, *, begin: float, end: float, every: int) -> dict[int, float]:
    """final + (initial - final) (1 - t).

    Raises:
        UsageError: it ends before it begins.
    """
    return {step: final + (initial - final) * (1 - t) for step, t in _updates(steps, begin, end, every)}


def one_shot(steps: int, initial: float, final: float, *, begin: float) -> dict[int, float]:
    """The final sparsity at the step that ``begin`` names; before it, ``initial``."""
    return {step: final for step, _ in _updates(steps, begin, begin, 1)}


def _updates(steps: int, begin: float, end: float, every: int) -> Iterator[tuple[int, float]]:
    """The steps of a ramp and its completed share at each, from 0 to 1. The last update precedes a step."""
    if begin > end:
        raise UsageError(f"--schedule begin={begin:g} and end={end:g}: expected an end that is no earlier")
    first, last = (min(round(share * steps), steps - 1) for share in (begin, end))
    yield from ((step, (step - first) / (last - first)) for step in range(first, last, every))
    yield last, 1.0
