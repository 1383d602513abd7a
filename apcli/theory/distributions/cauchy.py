"""Divergences of two Cauchy distributions of one weight: scales b1 (dense), b2 (pruned), locations x >= 0 apart.

All depend on y^2 = (x^2 + (b1 - b2)^2) / (4 b1 b2) alone (Nielsen & Okamura 2022, arXiv:2101.12459), and so are
symmetric in the two distributions. Functions of x are elementwise over float64 [n], accurate from y far below to far
above 1.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.polynomial.polynomial import polyval

from apcli.theory.measures import NoExactForm, NotDefined

if TYPE_CHECKING:
    import torch

PYRO = "Cauchy"  # the distribution's name in Pyro
_HIGHEST = 80.0  # the order up to which SciPy's hypergeometric function stays within float64
_STEP = 0.4  # of the trapezoidal rule: its error is about exp(-2 pi^2/0.4), as integrands are analytic for |Im t| < pi


def kl(x: np.ndarray, scale: float, pruned_scale: float) -> np.ndarray:
    """KL = log(((b1 + b2)^2 + x^2) / (4 b1 b2)) = log(1 + y^2), nats (Chyzak & Nielsen 2019, arXiv:1905.10965)."""
    squared = _y_squared(x, scale, pruned_scale)
    values = np.log1p(squared)
    far = np.isinf(squared)
    if far.any():
        values[far] = 2 * _log_y(x[far], scale, pruned_scale)
    return values


def renyi(x: np.ndarray, alpha: float, scale: float, pruned_scale: float) -> np.ndarray:
    """Renyi divergence of order ``alpha``, nats; finite for every order.

    int p^alpha q^(1-alpha) = P_(alpha-1)(1 + 2 y^2), Legendre's function: 2F1(1 - alpha, alpha; 1; -y^2). Known for
    alpha = 2 (1 + 2 y^2, Nielsen & Okamura 2022); in general, Feynman's parameter turns the product of the densities'
    powers into an integral over one, which is Laplace's for P.

    Raises:
        ValueError: the order is above 80.
    """
    if alpha > _HIGHEST:
        raise ValueError(f"renyi:alpha is {alpha:g}: expected an order up to {_HIGHEST:g} for Cauchy distributions")
    squared = _y_squared(x, scale, pruned_scale)
    log_integrals = np.empty_like(squared)
    near = squared * max(1.0, alpha * (alpha - 1)) < 0.1
    far = squared > (1e16 if 1 < alpha <= 1.5 else 1e8)
    far &= alpha * abs(alpha - 1) * np.log(np.maximum(squared, 1.0)) > 0.5  # otherwise the integral is close to 1
    log_integrals[near] = _log_near(squared[near], alpha)
    log_integrals[far] = _log_far(_log_y(x[far], scale, pruned_scale), alpha)
    between = ~(near | far)
    if between.any():
        log_integrals[between] = _log_between(squared[between], alpha)
    return log_integrals / (alpha - 1)


def w2(length: float, dim: int, scale: float, pruned_scale: float) -> float:
    """2-Wasserstein distance of ``dim`` independent weights of one scale: |w - w~| = ``length``.

    Moving the distribution by the shift is the monotone, hence optimal, map for each weight, even without a variance.

    Raises:
        NotDefined: the scales differ, so every map has infinite cost.
    """
    if scale != pruned_scale:
        raise NotDefined("w2 of Cauchy distributions of different scales is infinite")
    return length


def tv(x: float, scale: float, pruned_scale: float) -> float:
    """Total variation of one weight's distributions of scale b: (2/pi) arctan(x / 2b), as densities cross half-way.

    Raises:
        NoExactForm: the scales differ.
    """
    if scale != pruned_scale:
        raise NoExactForm("total variation of Cauchy distributions of different scales has no closed form here")
    return 2 / math.pi * math.atan(x / (2 * scale))


def variance(scale: float) -> None:
    """None: a Cauchy distribution has no variance."""
    return


def diverges(order: float, scale: float, pruned_scale: float) -> bool:
    """Whether int p^order q^(1-order) diverges: never, as the tails are the same for all scales."""
    return False


def log_ratios(
    difference: "torch.Tensor", scale: float, n: int, generator: "torch.Generator"
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Sums of log p/q [n] over coordinates at n points of p, of scale 1, and at the points' antithetic partners."""
    x = difference.new_empty(n, len(difference)).cauchy_(generator=generator)
    even, odd, size = (scale - 1) * (scale + 1) + difference.square(), 2 * x * difference, 1 + x.square()

    def side(sign: int) -> "torch.Tensor":
        return ((even + sign * odd) / size).log1p().sum(1) - len(difference) * math.log(scale)

    return side(1), side(-1)


def _y_squared(x: np.ndarray, scale: float, pruned_scale: float) -> np.ndarray:
    """y^2, which may be infinite."""
    root = 2 * math.sqrt(scale) * math.sqrt(pruned_scale)
    with np.errstate(over="ignore"):
        shift, apart = x / root, (scale - pruned_scale) / root
        return shift * shift + apart * apart


def _log_y(x: np.ndarray, scale: float, pruned_scale: float) -> np.ndarray:
    """log y, finite for y > 0."""
    with np.errstate(divide="ignore"):
        shift, apart = np.log(x), np.log(abs(scale - pruned_scale))
    return np.logaddexp(2 * shift, 2 * apart) / 2 - math.log(2) - (math.log(scale) + math.log(pruned_scale)) / 2


def _log_near(squared: np.ndarray, alpha: float) -> np.ndarray:
    """log 2F1(1 - alpha, alpha; 1; -y^2) by its power series in y^2, without the leading 1; for alpha^2 y^2 < 0.1."""
    series, term = [], 1.0
    for k in range(1, 18):
        term *= -(k - alpha) * (k - 1 + alpha) / k**2
        series.append(term)
    return np.log1p(squared * polyval(squared, series))


def _log_between(squared: np.ndarray, alpha: float) -> np.ndarray:
    """log 2F1(1 - alpha, alpha; 1; -y^2) in between: an elliptic integral, a trapezoidal sum, or SciPy's 2F1.

    SciPy's loses digits for orders near 1/2 and 1. There, from I = E[(1 + 4 y^2 w (1 - w))^(-1/2)] with w drawn from
    Beta(alpha, 1 - alpha) (Student-t distributions' integral, one degree of freedom) and w = e^t / (1 + e^t), for 0 <
    alpha < 2:

        1 - I = sin(pi alpha)/pi int_0^inf cosh((alpha - 1/2) t) / cosh(t/2) (1 - (1 + y^2/cosh^2(t/2))^(-1/2)) dt
    """
    from scipy import special

    if alpha == 0.5:
        return np.log(2 / math.pi * special.ellipkm1(1 / (1 + squared))) - np.log1p(squared) / 2
    if alpha > 1.5:  # Pfaff's transformation: all terms are positive
        w = squared / (1 + squared)
        return (alpha - 1) * np.log1p(squared) + np.log(special.hyp2f1(1 - alpha, 1 - alpha, 1, w))
    power = abs(alpha - 0.5)
    end = max(0.0, math.log(squared.max())) + 42 / (1.5 - power)
    total = np.zeros_like(squared)
    for t in _STEP * np.arange(math.ceil(end / _STEP)):
        weight = math.exp((power - 0.5) * t) * (1 + math.exp(-2 * power * t)) / (1 + math.exp(-t))  # the cosh's
        v = squared * math.cosh(t / 2) ** -2
        total += (weight if t else weight / 2) * v / (1 + v + np.sqrt(1 + v))
    sine = math.sin(math.pi * (alpha if alpha < 0.5 else 1 - alpha))
    return np.log1p(-_STEP * sine / math.pi * total)


def _log_far(log_y: np.ndarray, alpha: float) -> np.ndarray:
    """log P_(alpha-1)(1 + 2 y^2) for y^2 >> 1, from its two leading powers (DLMF 15.8.2), with e = |alpha - 1/2|.

    y I = (T(e) - T(-e)) / 2e, T(e) = c(e) y^2e (1 - (1/2 - e)/(2 y^2) + ..), c(e) = Gamma(1 + 2e) / Gamma(1/2 + e)^2.
    For orders above 1 (e > 1/2), T(-e) is below the rounding of T(e) wherever this is called.
    """
    from scipy import special

    e, correction = abs(alpha - 0.5), np.exp(-2 * log_y) / 2
    if e >= 0.5:
        return special.gammaln(2 * e) - 2 * special.gammaln(0.5 + e) + (e - 0.5) * (2 * log_y + correction)
    above, below = (special.gammaln(1 + 2 * s) - 2 * special.gammaln(0.5 + s) for s in (e, -e))
    half = (above - below) / 2
    if e < 0.01:  # the odd part of log c, by its series
        half = sum(
            (2.0**n * special.polygamma(n - 1, 1.0) - 2 * special.polygamma(n - 1, 0.5)) * e**n / math.factorial(n)
            for n in (1, 3, 5)
        )
    s = half + e * (2 * log_y + correction)
    ratio = s + np.log(-np.expm1(-2 * s) / (2 * e)) if e > 0 else np.log(4 * math.log(2) + 2 * log_y + correction)
    return (above + below) / 2 - correction / 2 - log_y + ratio
