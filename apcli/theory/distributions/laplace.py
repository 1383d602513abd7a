"""Divergences of two Laplace distributions of one weight: scales b1 (dense), b2 (pruned), locations x >= 0 apart.

Every function of x is elementwise over float64 [n]. It is accurate for shifts far below the scales, where 1 minus an
integral would lose all digits, and does not overflow for shifts far above them.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.polynomial.polynomial import polyval

from apcli.theory.distributions.gaussian import excess_over_log
from apcli.theory.measures import NoExactForm

if TYPE_CHECKING:
    import torch

PYRO = "Laplace"  # the distribution's name in Pyro
_SMALL = 0.25  # below it, series of _TERMS terms; above it, the direct formulas lose at most one digit
_TERMS = 13


def kl(x: np.ndarray, scale: float, pruned_scale: float) -> np.ndarray:
    """KL(Laplace(0, b1) || Laplace(x, b2)) = log(b2/b1) + x/b2 + (b1/b2) exp(-x/b1) - 1, nats.

    Source: Gil, Alajaji & Linder 2013, doi:10.1016/j.ins.2013.06.018; computed as the sum of the scales' and the
    shift's contributions, both >= 0: (r - 1 - log r) + r (u - 1 + exp(-u)) with r = b1/b2, u = x/b1.
    """
    u = x / scale
    shifted = u + np.expm1(-u)
    near = u < _SMALL
    if near.any():
        few = u[near]
        shifted[near] = few * few * polyval(few, _KL_SERIES)
    return scale / pruned_scale * shifted + _size_gap(scale, pruned_scale)


def renyi(x: np.ndarray, alpha: float, scale: float, pruned_scale: float) -> np.ndarray:
    """Renyi divergence of order ``alpha``, nats; infinite from the order at which the integral diverges.

    With A = alpha/b1 and B = (1 - alpha)/b2, integrating exp(-A|t| - B|t - x|) piece by piece:
    int p^alpha q^(1-alpha) = I(0) J(x), I(0) = b1^-alpha b2^(alpha-1) / (A + B), J(x) = (A e^-Bx - B e^-Ax) / (A - B).
    Source: Gil, Alajaji & Linder 2013, doi:10.1016/j.ins.2013.06.018; arranged to separate I(0) and J.
    """
    first, second = alpha / scale, (1 - alpha) / pruned_scale
    if first + second <= 0:
        return np.full(x.shape, math.inf)
    order, of, by = 1 - alpha, scale, pruned_scale
    if alpha < 0.5:  # from the other side, which is accurate for orders near 0
        order, of, by = alpha, pruned_scale, scale
    excess = (of - by) / by
    if abs(excess) < 0.5:
        weighted, plain = excess_over_log(np.array([order * excess, excess]))
        scales = float(weighted - order * plain)  # log I(0)
    else:
        scales = order * math.log(of / by) - math.log1p(order * excess)
    return (_log_shifted(x, max(first, second), min(first, second)) + scales) / (alpha - 1)


def w2(length: float, dim: int, scale: float, pruned_scale: float) -> float:
    """2-Wasserstein distance of ``dim`` independent weights, |w - w~| = ``length`` apart.

    Squared, |w - w~|^2 + 2 dim (b1 - b2)^2: a weight's quantile functions differ by x + (b1 - b2) Q, with Q the unit
    distribution's, of variance 2.
    """
    return math.hypot(length, math.sqrt(2 * dim) * (scale - pruned_scale))


def tv(x: float, scale: float, pruned_scale: float) -> float:
    """Total variation of one weight's distributions of scale b: 1 - exp(-x / 2b), as densities cross half-way.

    Raises:
        NoExactForm: the scales differ.
    """
    if scale != pruned_scale:
        raise NoExactForm("total variation of Laplace distributions of different scales has no closed form here")
    return -math.expm1(-x / (2 * scale))


def variance(scale: float) -> float:
    """2 b^2."""
    return 2 * scale * scale


def diverges(order: float, scale: float, pruned_scale: float) -> bool:
    """Whether int p^order q^(1-order) diverges, order >= 1."""
    return order / scale + (1 - order) / pruned_scale <= 0


def log_ratios(
    difference: "torch.Tensor", scale: float, n: int, generator: "torch.Generator"
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Sums of log p/q [n] over coordinates at n points of p, of scale 1, and at the points' antithetic partners.

    |x + D| - |x| is 2 x + D clipped to +-D: no digit is lost.
    """
    first, second = difference.new_empty(2, n, len(difference)).exponential_(generator=generator)
    x = first - second
    other = x.abs().sum(1) * (1 / scale - 1) + len(difference) * math.log(scale)

    def side(point: "torch.Tensor") -> "torch.Tensor":
        return (2 * point + difference).clamp(-difference, difference).sum(1) / scale + other

    return side(x), side(-x)


def _size_gap(of: float, by: float) -> float:
    """r - 1 - log r for the ratio r of two scales, accurate near 1 and far from it."""
    excess = (of - by) / by
    return float(excess_over_log(np.array(excess))) if abs(excess) < 0.5 else excess - math.log(of / by)


def _log_shifted(x: np.ndarray, large: float, small: float) -> np.ndarray:
    """log J(x) = log((M e^-mx - m e^-Mx) / (M - m)) for M >= |m|: M is ``large``, m ``small``.

    As M nears m, J nears (1 + m x) e^-mx, and no digit is lost. For small Mx, 1 - J is a power series in Mx, whose
    coefficients hold the sums 1 + r + .. + r^(k-1) for r = m/M: the divided differences of the exponential's own.
    """
    d = large - small
    mean = -np.expm1(-d * x) / d if d > 0 else x
    values = np.log1p(np.minimum(small * mean, 1e308)) - small * x
    near = large * x < _SMALL
    if near.any():
        few = large * x[near]
        ratio, total, series = small / large, 0.0, []
        for k in range(1, _TERMS + 1):
            total = 1 + ratio * total
            series.append(ratio * total * (-1) ** k / math.factorial(k + 1))
        values[near] = np.log1p(few * few * polyval(few, series))
    return values


_KL_SERIES = tuple((-1) ** k / math.factorial(k) for k in range(2, _TERMS + 2))
