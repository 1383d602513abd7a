"""The trapezoidal rule on the whole line: for smooth integrands that decay it converges geometrically.

Source: Trefethen & Weideman 2014, The exponentially convergent trapezoidal rule, doi:10.1137/130932132.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from apcli.theory.measures import NoExactForm

NEGLIGIBLE = 50.0  # nats below the peak: exp(-50) is 2e-22
_TOLERANCE, _ROUNDING = 1e-13, 1e-8
_SMALLEST = np.finfo(float).tiny
_CELLS = 128
_APART = 8  # cells between two modes: fewer may be rounding errors of a large exponent
_NARROWEST = 1e-7  # no law of up to 1e14 dimensions or degrees of freedom has a narrower mode
_POINTS, _MOST_POINTS = _CELLS + 1, 2**20 + 1


def nodes(low: float, high: float, step: float) -> np.ndarray:
    """``low``, ``low + step`` ... up to at least ``high``; unlike ``numpy.arange`` it does not drift."""
    return low + step * np.arange(int(np.ceil((high - low) / step)) + 1)


def modes(log_weight: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> list[tuple[float, float]]:
    """The intervals within [``low``, ``high``] outside which exp(``log_weight``) is negligible beside its peak.

    Zooms in by 128 cells at a time. A local maximum of a grid is kept when its slopes, continued by a cell, reach what
    is not negligible: so a narrow mode between two nodes is not lost, nor the second of two.
    """
    intervals, width = [(low, high)], high - low
    while True:
        grids = [np.linspace(left, right, _CELLS + 1) for left, right in intervals]
        values = [log_weight(t) for t in grids]
        floor = max(value.max() for value in values) - NEGLIGIBLE
        intervals = [run for t, value in zip(grids, values, strict=True) for run in _runs(t, value, floor)]
        before, width = width, sum(right - left for left, right in intervals)
        if width > 0.8 * before or width < _NARROWEST:
            return intervals


def _runs(t: np.ndarray, value: np.ndarray, floor: float) -> list[tuple[float, float]]:
    """The parts of a grid that may reach ``floor``, a cell more on either side."""
    rise, fall = np.append(0, np.diff(value)), np.append(-np.diff(value), 0)
    maximum = (rise >= 0) & (fall >= 0)
    (kept,) = np.nonzero(value + np.where(maximum, np.maximum(rise, fall), 0) > floor)
    runs = np.split(kept, np.nonzero(np.diff(kept) > _APART)[0] + 1) if len(kept) else []
    return [(float(t[max(run[0] - 1, 0)]), float(t[min(run[-1] + 1, _CELLS)])) for run in runs]


def support(log_weight: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> tuple[float, float]:
    """The interval outside which exp(``log_weight``) is negligible: all ``modes`` and what is between."""
    found = modes(log_weight, low, high)
    return found[0][0], found[-1][1]


def highest(log_weight: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> float:
    """About the largest value of ``log_weight`` in an interval of ``modes``: close enough to scale by."""
    return float(log_weight(np.linspace(low, high, _CELLS + 1)).max())


def integrals(integrands: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> np.ndarray:
    """Integrals of several functions, ``integrands(t)`` being [functions, nodes], that vanish at ``low`` and ``high``.

    The step is halved until no integral moves by more than 1e-13 of what it is without signs, or by little and not
    less than before, which is rounding.

    Raises:
        NoExactForm: a million nodes are too few.
    """
    points, before = _POINTS, np.inf
    t = np.linspace(low, high, points)
    values = integrands(t)
    total, scale = values.sum(axis=1), np.abs(values).sum(axis=1)
    while True:
        between = integrands((t[1:] + t[:-1]) / 2)
        finer, scale = total + between.sum(axis=1), scale + np.abs(between).sum(axis=1)
        points = 2 * points - 1
        t = np.linspace(low, high, points)
        moved = float(np.max(np.abs(finer - 2 * total) / np.maximum(scale, _SMALLEST)))
        if moved <= _TOLERANCE or before / 10 < moved <= _ROUNDING:
            return np.asarray(finer * (high - low) / (points - 1))
        if points >= _MOST_POINTS:
            raise NoExactForm(f"an integral from {low:g} to {high:g} does not converge within {points} nodes")
        total, before = finer, moved


def log_integral(log_integrand: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> float:
    """The log of the integral of exp(``log_integrand``), which may be far below the smallest float."""
    total = -np.inf
    for left, right in modes(log_integrand, low, high):
        peak = highest(log_integrand, left, right)
        (area,) = integrals(partial(_scaled, log_integrand, peak), left, right)
        total = np.logaddexp(total, peak + np.log(area))
    return float(total)


def _scaled(log_integrand: Callable[[np.ndarray], np.ndarray], peak: float, t: np.ndarray) -> np.ndarray:
    return np.exp(np.minimum(log_integrand(t) - peak, 600.0))[None]  # above only by rounding of a huge exponent
