"""Means of independent values: Student's t interval, paired differences, Holm's adjustment, and contrast."""

import functools
import math
import statistics
from collections.abc import Sequence

from apcli.theory.statistics.clusters import LEVEL

LEAST = 3  # the fewest values that an interval or a test is given for
POWER = 0.8
_ROUNDING = 1e-9  # of the largest value: a smaller spread is that of rounding


def mean_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Student's t interval (95 %) of the mean of a normal population.

    None for fewer than ``LEAST`` values, and for values that are all equal, of whose spread nothing is known.
    """
    if len(values) < LEAST or not differ(values):
        return None
    mean, half = statistics.fmean(values), _critical(len(values) - 1) * _standard_error(values)
    return mean - half, mean + half


def paired_p(differences: Sequence[float]) -> float | None:
    """Two-sided p of Student's paired t test that the mean difference is 0; None where there is no interval."""
    from scipy import special

    if len(differences) < LEAST or not differ(differences):
        return None
    t = statistics.fmean(differences) / _standard_error(differences)
    return float(2 * special.stdtr(len(differences) - 1, -abs(t)))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p values for being several: the chance of any false finding stays below the level.

    Values that are None were not tested and do not count. Holm 1979, Scandinavian Journal of Statistics 6, 65-70.
    """
    tested = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * p))
        adjusted[index] = largest
    return adjusted


def holm_levels(p_values: Sequence[float]) -> list[float]:
    """The level of an interval for each of several tests, so that it goes with Holm's verdict on the test.

    The m-th smallest p is compared with ``1 - LEVEL`` over the tests that are left, and so is its interval made; after
    the first that finds nothing, all have that one's level.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    levels, level, going = [0.0] * len(p_values), 0.0, True
    for rank, index in enumerate(order):
        if going:
            level = (1 - LEVEL) / (len(order) - rank)
            going = p_values[index] <= level
        levels[index] = level
    return levels


def least_detectable(differences: Sequence[float]) -> float | None:
    """The least true mean that the paired t test of as many values with this sd would find with power 0.8.

    Two-sided at level 0.05, without adjustment; the power is that of the noncentral t distribution, whose chance of a
    finding on the wrong side (below 1e-6) is left out. None where there is no interval.
    """
    if len(differences) < LEAST or not differ(differences):
        return None
    return _least_shift(len(differences) - 1) * _standard_error(differences)


def contrast(first: Sequence[float], second: Sequence[float]) -> float | None:
    """The difference of two means in units of the pooled standard deviation (Cohen's d).

    None if one of the two has fewer than two values, or if neither has any spread.
    """
    if min(len(first), len(second)) < 2 or not (differ(first) or differ(second)):
        return None
    weighted = sum((len(values) - 1) * sample_sd(values) ** 2 for values in (first, second))
    pooled = math.sqrt(weighted / (len(first) + len(second) - 2))
    return (statistics.fmean(first) - statistics.fmean(second)) / pooled


def differ(values: Sequence[float]) -> bool:
    """Whether the values are not all equal up to rounding."""
    return max(values) - min(values) > _ROUNDING * max(map(abs, values))


def sample_sd(values: Sequence[float]) -> float:
    """The standard deviation with n − 1 below, of two values or more; 0 if they are equal up to rounding.

    It is twenty times as fast as ``statistics.stdev``.
    """
    if not differ(values):
        return 0.0
    mean = statistics.fmean(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _standard_error(values: Sequence[float]) -> float:
    return sample_sd(values) / math.sqrt(len(values))


@functools.lru_cache(maxsize=64)
def _critical(df: int) -> float:
    """The absolute t above which a two-sided test finds something."""
    from scipy import special

    return float(special.stdtrit(df, (1 + LEVEL) / 2))


@functools.lru_cache(maxsize=64)
def _least_shift(df: int) -> float:
    """The shift, in standard errors, at which the noncentral t exceeds the critical value with ``POWER``."""
    from scipy import special

    return float(special.nctdtrinc(df, 1 - POWER, _critical(df)))
