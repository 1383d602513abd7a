"""Integrals on the line: the trapezoidal rule for integrands of one width, Gauss's on panels for those of many.

A Student-t distribution has a peak as narrow as 1 / sqrt(dim) beside a tail as long as 1 / df in the logarithm of the
distance. Panels that double in length from the peak cover both, and those that a polynomial does not fit are halved.
"""

from collections.abc import Callable

import numpy as np

from apcli.theory.measures import NoExactForm

NEGLIGIBLE = 50.0  # nats below the peak: exp(-50) is 2e-22
_ORDER = 16  # nodes of a panel
_HALVINGS, _PANELS = 60, 2**13  # at most
_LENGTHS = np.concatenate([2.0 ** np.arange(-1, 20), 2.0 ** np.arange(20, 1020, 4)])
_SMOOTH, _ERROR = 1e-8, 1e-15  # of the whole integral: a panel's last coefficients, and the error that they stand for
_X, _W = np.polynomial.legendre.leggauss(_ORDER)
_SMALLEST = np.finfo(float).tiny
_LEAST = -1e300  # in place of the log of 0
_LAST = 3  # coefficients that show how fast the others fall
_TO_COEFFICIENTS = (np.polynomial.legendre.legvander(_X, _ORDER - 1) * _W[:, None]) * (np.arange(_ORDER) + 0.5)

Function = Callable[[np.ndarray], np.ndarray]


def nodes(low: float, high: float, step: float) -> np.ndarray:
    """``low``, ``low + step``, ... up to at least ``high``, without the drift of ``numpy.arange``."""
    return low + step * np.arange(int(np.ceil((high - low) / step)) + 1)


def graded(log_size: Function, mode: float, width: float) -> np.ndarray:
    """Ends of panels outwards from ``mode``, doubling in length until exp(``log_size``) is negligible.

    Args:
        log_size: a function of float64 [n] that decreases on either side beyond some distance from the mode.
        width: a length, at most 1, over which a polynomial fits near the mode.
    """
    sides: list[list[np.ndarray]] = [[np.array([mode])], [np.array([mode])]]
    sizes = [log_size(np.array([mode]))] * 2
    for lengths in np.split(_LENGTHS, [12, 30, 60]):
        for side, ends in enumerate(sides):
            ends.append(mode + (2 * side - 1) * width * lengths)
            sizes[side] = np.concatenate([sizes[side], log_size(ends[-1])])
        floor = max(float(size.max()) for size in sizes) - NEGLIGIBLE
        if all(size[-1] < floor for size in sizes):
            break
    left, right = (
        np.concatenate(ends)[: int(np.flatnonzero(size > floor).max(initial=0)) + 2]
        for ends, size in zip(sides, sizes, strict=True)
    )
    return np.concatenate([left[:0:-1], right])


def on_panels(ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes [n] and weights [n] of Gauss's rule on the panels between ``ends``."""
    half = np.diff(ends) / 2
    return (half[:, None] * (_X + 1) + ends[:-1, None]).ravel(), (half[:, None] * _W).ravel()


def integrals(integrands: Function, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The integrals of all ``integrands``, [functions, n] at n nodes, and the ends of the panels used.

    Args:
        ends: of the initial panels, which must not hide a peak.

    Raises:
        NoExactForm: too many panels, or too short ones, would be needed.
    """
    left, right = ends[:-1], ends[1:]
    totals, size, kept = np.zeros(1), np.zeros(1), []
    for _ in range(_HALVINGS):
        half = (right - left) / 2
        values = integrands((half[:, None] * (_X + 1) + left[:, None]).ravel())
        values = values.reshape(len(values), len(left), _ORDER)
        size = np.maximum(size, (np.abs(values) @ _W * half).sum(-1))
        fits = _fits(np.abs(values @ _TO_COEFFICIENTS) * half[:, None], size[:, None] + _SMALLEST, 0.0).all(0)
        totals = totals + (values[:, fits] @ _W * half[fits]).sum(-1)
        kept.append(np.stack([left[fits], right[fits]]))
        left, half, right = left[~fits], half[~fits], right[~fits]
        if not len(left):
            panels = np.sort(np.concatenate(kept, axis=1), axis=1)
            return totals, np.append(panels[0], panels[1, -1])
        left, right = np.concatenate([left, left + half]), np.concatenate([left + half, right])
        if len(left) + sum(part.shape[1] for part in kept) > _PANELS:
            break
    raise NoExactForm(f"an integral from {ends[0]:g} to {ends[-1]:g} does not converge within {_PANELS} panels")


def _fits(coefficients: np.ndarray, whole: np.ndarray | float, noise: float) -> np.ndarray:
    """Whether a polynomial fits, judged by its coefficients' sizes, [..., orders]: the last are small and fall fast.

    The rule integrates twice the order exactly: its error is about the square of the last, in units of the largest.
    """
    last, largest = coefficients[..., -_LAST:].max(-1), coefficients.max(-1) + _SMALLEST
    smooth = last <= max(_SMOOTH, noise) * whole
    return np.asarray(smooth & (last * (last / largest) <= max(_ERROR, noise * noise) * whole))


def log_integral(log_integrand: Function, ends: np.ndarray, noise: float = 0.0) -> float:
    """The log of the integral of exp(``log_integrand``), which may be far below the smallest float.

    Peaks may lie anywhere and be narrow: a panel is also halved while it could hide one between two nodes.

    Args:
        noise: rounding error of ``log_integrand`` beyond its own size times machine epsilon.

    Raises:
        NoExactForm: too many panels, or too short ones, would be needed.
    """
    left, right = ends[:-1], ends[1:]
    top, panels = -np.inf, 0
    kept: list[float] = []
    for _ in range(_HALVINGS):
        half = (right - left) / 2
        logs = np.maximum(log_integrand((half[:, None] * (_X + 1) + left[:, None]).ravel()), _LEAST).reshape(-1, _ORDER)
        top = max(top, float(logs.max()))
        steps = np.abs(np.diff(logs)).max(-1)
        alive = logs.max(-1) + steps > top - NEGLIGIBLE
        left, half, logs, steps = left[alive], half[alive], logs[alive], steps[alive]
        values = np.exp(logs - top)
        total = sum(float(np.exp(log - top)) for log in kept) + float((values @ _W * half).sum())
        rough = 8 * np.finfo(float).eps * abs(top) + noise
        fits = _fits(np.abs(values @ _TO_COEFFICIENTS) * half[:, None], total, rough) & (steps < NEGLIGIBLE)
        areas = values[fits] @ _W * half[fits]
        kept += [top + np.log(area) for area in areas[areas > 0]]
        panels += len(areas)
        left, half = left[~fits], half[~fits]
        if not len(left):
            return float(np.logaddexp.reduce(np.array(kept)))
        left, right = np.concatenate([left, left + half]), np.concatenate([left + half, left + 2 * half])
        if panels + len(left) > _PANELS:
            break
    raise NoExactForm(f"an integral from {ends[0]:g} to {ends[-1]:g} does not converge within {_PANELS} panels")
