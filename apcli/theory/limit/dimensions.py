"""Statistical dimensions of the cone over an ellipsoid of low loss, and how many weights to keep by them.

The ellipsoid E is where the loss, to second order, rises by at most eps: 1/2 d' H d <= eps around the trained weights,
with semi-axes r_i, r_i^2 = 2 eps / lambda_i. The cone C over E has its apex at the pruned weights, a vector x of length
R away. A random subspace of k of the D dimensions meets E, in high dimension, from k + delta(C) = D on, where
delta = sum r_i^2 / (r_i^2 + nu) and nu depends on x. Negative eigenvalues count as 0, except where published.

Source: Zhang et al. 2024, arXiv:2306.05857, who take nu = R^2; Amelunxen et al. 2014, doi:10.1093/imaiai/iau005.
"""

import math
from collections.abc import Callable

import numpy as np

from apcli.theory.limit.magnitudes import Magnitudes
from apcli.theory.limit.spectra import Estimate, Spectrum
from apcli.theory.numerics.lanczos import Ritz


def effective_dimension(spectrum: Spectrum, shift: float, *, absolute: bool = False) -> Estimate:
    """D - delta = sum lambda / (lambda + shift), with shift = 2 eps / nu; a shift of 0 counts the positive ones.

    Args:
        absolute: negative eigenvalues count by their absolute values, not as 0.
    """
    return spectrum.mean(lambda values: _share(np.abs(values) if absolute else values, shift)).times(spectrum.size)


def _share(values: np.ndarray, shift: float) -> np.ndarray:
    positive = np.maximum(values, 0)
    return np.divide(positive, positive + shift, out=np.zeros_like(positive), where=positive > 0)


def flatness_bound(trace: float, size: int, squared: float, eps: float) -> float:
    """The bound on the share to keep, D - delta over D as published, that needs no more than the trace (Jensen).

    1 - 2 eps D / (R^2 tr H + 2 eps D), for a positive semi-definite H.
    """
    return squared * trace / (squared * trace + 2 * eps * size)


def orthogonal_nu(alignment: Ritz, squared: float, eps: float) -> float:
    """nu for a subspace orthogonal to x, as a mask's is: q(nu) = R^2 / (R^2 + nu).

    q(nu) = x' H (2 eps + nu H)^-1 x. (R^2 + nu) times the difference of both sides falls with nu, so there is one root
    at most.

    Args:
        alignment: the Ritz values of H from the start x (or all eigenvalues, weighted by x's components' squares).
        squared: R^2.

    Returns:
        0 where the apex lies within the ellipsoid, and infinity where no subspace but the whole space meets it.
    """
    values, weights = _positive(alignment)
    flat = 1 - float(np.sum(weights))  # the share of x along which the loss is constant

    def excess(nu: float) -> float:
        terms = weights * (squared * values - 2 * eps) / (2 * eps + nu * values)
        return (float(np.sum(terms)) - flat) * (1 + nu / squared)

    return 0.0 if excess(0.0) <= 0 else _root(excess, squared)


def published_kept(spectrum: Spectrum, order: Magnitudes, eps: float) -> int:
    """The fewest of the largest weights with k + delta >= D, for delta as published."""

    def needed(k: int) -> float:
        return effective_dimension(spectrum, shift_at(float(order.squares[k]), eps), absolute=True).value

    return order.fewest(lambda k: order.fixed + k >= needed(k))


def isotropic_kept(spectrum: Spectrum, order: Magnitudes, eps: float) -> int:
    """The same for the nu of an orthogonal subspace, if the removed weights have no direction of their own.

    It needs no more than the published one. With x as long along each eigenvector, k = alpha D where
    mean lambda / (lambda + s) = alpha and s = 2 eps (1 - alpha) / (alpha R^2).
    """

    def meets(k: int) -> bool:
        alpha, shift = (order.fixed + k) / order.size, shift_at(float(order.squares[k]), eps)
        if shift == math.inf:  # nothing is removed
            return True
        share = spectrum.mean(lambda values: np.maximum(values, 0) / (alpha * values.clip(0) + (1 - alpha) * shift))
        return share.value <= 1

    return order.fewest(meets)


def aligned_kept(
    spectrum: Spectrum,
    order: Magnitudes,
    eps: float,
    alignment: Callable[[int], Ritz],
    *,
    guess: int | None = None,
    within: float = 0.0,
) -> int:
    """The same for the nu of an orthogonal subspace and the removed weights as they are.

    Args:
        alignment: the Ritz values of H, started from the weights that are removed when k are kept, which are not all 0;
            asked for about log2 of their number, or less often with a good ``guess``.
        guess, within: as in ``Magnitudes.fewest``.
    """

    def meets(k: int) -> bool:
        squared = float(order.squares[k])
        nu = orthogonal_nu(alignment(k), squared, eps) if squared > 0 else 0.0
        return order.fixed + k >= effective_dimension(spectrum, shift_at(nu, eps)).value

    return order.fewest(meets, guess=guess, within=within)


def shift_at(nu: float, eps: float) -> float:
    """2 eps / nu, in the direction of whose eigenvalue the loss rises by eps over sqrt(nu); infinite for nu = 0."""
    return 2 * eps / nu if nu > 0 else math.inf


def _positive(alignment: Ritz) -> tuple[np.ndarray, np.ndarray]:
    chosen = alignment.values > 0
    return alignment.values[chosen], alignment.weights[chosen]


def _root(falling: Callable[[float], float], scale: float) -> float:
    """The root of a function that falls from a positive value at 0; infinity if it has none."""
    from scipy.optimize import brentq

    upper = scale
    while falling(upper) > 0:
        if upper > 1e12 * scale:
            return math.inf
        upper *= 4
    return float(brentq(falling, 0.0, upper, xtol=1e-300, rtol=1e-14))
