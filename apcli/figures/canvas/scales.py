"""Scales: from a value to its place along an axis, with ticks at numbers that a reader would have chosen."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

_PAD = 0.06  # of an axis, beyond the outermost values
_MANTISSAS = (1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)  # of ticks: the first that give three


def _same(value: float) -> float:
    return value


def _density(sparsity: float) -> float:
    return -math.log10(1 - sparsity)


@dataclass(frozen=True)
class Scale:
    """An axis from ``low`` to ``high``; ``ticks`` are values with their text, ``transform`` is increasing."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    transform: Callable[[float], float] = _same

    def place(self, value: float) -> float:
        """From 0 at ``low`` to 1 at ``high``; values outside stand at the end."""
        low, high = self.transform(self.low), self.transform(self.high)
        if value <= self.low:
            return 0.0
        return min((self.transform(value) - low) / (high - low), 1.0)


def linear(values: Iterable[float], *, whole: bool = False, most: int = 5) -> Scale:
    """A scale of values; ``whole``: ticks at whole numbers only."""
    low, high = _span(list(values), 1.0 if whole else 0.0)
    pad = (high - low) * _PAD
    step = _step((high - low) / most)
    step = max(1.0, math.ceil(step)) if whole else step
    return Scale(low - pad, high + pad, _ticks(low - pad, high + pad, step))


def logarithmic(values: Iterable[float], *, most: int = 5) -> Scale:
    """A logarithmic scale of positive values."""
    low, high = _span([math.log10(value) for value in values], 0.5)
    pad = (high - low) * _PAD
    low, high = low - pad, high + pad
    for mantissas in _MANTISSAS:
        within = [m * 10.0**e for e in range(math.floor(low), math.floor(high) + 1) for m in mantissas]
        chosen = [value for value in within if low <= math.log10(value) <= high]
        if len(chosen) > 2:
            break
    every = math.ceil(len(chosen) / (most + 1))
    ticks = tuple((value, text_of(value)) for value in chosen[::-1][::every][::-1])
    if len(ticks) < 2:
        ticks = _ticks(10**low, 10**high, _step((10**high - 10**low) / most))
    return Scale(10**low, 10**high, ticks, math.log10)


def of_sparsities(sparsities: Sequence[float], ticks: Sequence[float] | None = None) -> Scale:
    """A scale by the logarithm of the compression 1 / (1 - sparsity), so that high sparsities do not crowd.

    All are below 1; its ticks are the sparsities, unless others are given. Source: Blalock et al. 2020,
    arXiv:2003.03033, section 7.
    """
    low, high = _span([_density(s) for s in sparsities], 0.05)
    pad = (high - low) * _PAD
    marked = tuple((s, text_of(s)) for s in sorted(set(sparsities if ticks is None else ticks)))
    return Scale(1 - 10.0 ** -(low - pad), 1 - 10.0 ** -(high + pad), marked, _density)


def text_of(value: float, digits: int = 4) -> str:
    """Up to so many significant digits, without padding: 0.01, 1e-4, −2."""
    small = 0 < abs(value) < 0.9e-3
    mantissa, e, exponent = (f"{value:.{digits - 1}e}" if small else f"{value:.{digits}g}").partition("e")
    text = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}" if e else mantissa
    return f"−{text[1:]}" if value < 0 else text


def _span(values: Sequence[float], least: float) -> tuple[float, float]:
    """The least and the largest value, apart by more than nothing, and by at least ``least``."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    wanted = least or (abs(high) * 0.1 or 1.0 if high <= low else 0.0)
    missing = max(wanted - (high - low), 0.0) / 2
    return low - missing, high + missing


def _step(rough: float) -> float:
    """The next of 1, 2, 5, 10, 20, … times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * m for m in (1, 2, 5, 10) if power * m >= rough * (1 - 1e-9))


def _ticks(low: float, high: float, step: float) -> tuple[tuple[float, str], ...]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple((number * step, text_of(number * step)) for number in range(first, last + 1))
