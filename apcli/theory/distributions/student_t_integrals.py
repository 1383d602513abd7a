"""Divergences of two Student-t distributions of different scale matrices or df, by one-dimensional integrals.

The difference is handled in two steps: first the degrees of freedom and the size of the scale matrices, by the distance
from the centre alone; then the shape of the scale matrices and the locations. Both integrands are positive and of
second order in the difference, so the results are accurate for near-equal distributions in any dimension.

Notation: b1, b2 half the degrees of freedom, h half the dimension, a = b + h; m the geometric mean of the eigenvalues
of S1 in the metric of S2, which are m (1 + e_i), so that sum log(1 + e_i) = 0; d_i the shift along their eigenvectors.
On the line t, with s = exp(t), x = s / (1 + s), y = b2 s / (b1 m),

    A = 1/2 sum [log(1 + e_i x) - x log(1 + e_i)],
    C = log(1 + y Q / (2 b2 (1 + y) (1 + s))),  Q = sum d_i^2 / (1 + e_i x).
"""

import math
from dataclasses import replace

import numpy as np

from apcli.theory.distributions.gaussian import excess_over_log, log_gap
from apcli.theory.distributions.radial import Radial, half, jensen_gap, share_of
from apcli.theory.distributions.shifts import Shift
from apcli.theory.numerics.quadrature import NEGLIGIBLE, graded, integrals, log_integral, nodes

_STEP = 0.1
_ORDERS = 15  # of the series in e_i x, where |e_i| x < 1/16
_BLOCK = 2**20  # numbers in a table of nodes and eigenvalues
_BISECTIONS = 100


def kl(shift: Shift, df: float, pruned_df: float) -> float:
    """KL(t_df(w, S1) || t_pruned_df(w~, S2)) in nats; infinite df is the Gaussian, one of the two at most.

    The divergence of t_df(0, m) from t_pruned_df(0, 1), plus

        a2 int (1 + y)^(-b1) (1 + s)^(-h) [1 - exp(-A - b1 C)] dt.

    Source: derived for this project. The mean of log(1 + q) as a Frullani integral under the first distribution's Gamma
    mixture (as in ``student_t.kl``), less the same integral for no shift and e = 0.
    """
    if math.isinf(pruned_df) and df <= 2:
        return math.inf
    if math.isinf(pruned_df):
        return _kl_to_gaussian(shift, df)
    log_size, shape = _size_and_shape(shift)
    value = 0.0
    if log_size != 0 or df != pruned_df:
        value += Radial(df, pruned_df, shift.dim, log_size).kl()
    if shape.delta > 0 or not shape.one_scale:
        value += _LineIntegrals(shape, df, pruned_df, log_size).kl()
    return value


def renyi(shift: Shift, df: float, pruned_df: float, alpha: float) -> float:
    """Renyi divergence of order ``alpha`` in (0, 1) of t_df(w, S1) from t_pruned_df(w~, S2), nats.

    int p^alpha q^(1 - alpha) is that of t_df(0, m) and t_pruned_df(0, 1), times the mean of exp(-A - b C), with
    b = alpha b1 + (1 - alpha) b2, under the density proportional to

        y^((1 - alpha) a2) (1 + y)^(-b) (1 + s)^(-h) dt.

    Source: derived for this project: Feynman's parameter joins the two powers, and z is integrated out. For
    distributions of one df and scale the density is that of a Beta distribution of x.
    """
    log_size, shape = _size_and_shape(shift)
    log_affinity = 0.0
    if log_size != 0 or df != pruned_df:
        log_affinity += Radial(df, pruned_df, shift.dim, log_size).log_affinity(alpha)
    if shape.delta > 0 or not shape.one_scale:
        log_affinity += _LineIntegrals(shape, df, pruned_df, log_size).log_mean(alpha)
    return max(0.0, log_affinity / (alpha - 1))


def _size_and_shape(shift: Shift) -> tuple[float, Shift]:
    """log m, and the shift with eigenvalues over m."""
    logs = shift.log_eigenvalues
    log_size = float(shift.multiplicity @ logs) / shift.dim if len(logs) > 1 else float(logs[0])
    return log_size, replace(shift, log_eigenvalues=logs - log_size)


def _kl_to_gaussian(shift: Shift, df: float) -> float:
    """KL(t_df || Gaussian), df above 2: closed form, except for a small divergence of the spherical distributions."""
    from scipy import special

    b, h, a = half(df), shift.dim / 2, half(df) + shift.dim / 2
    if b < 4:
        entropies = math.lgamma(a) - math.lgamma(b) - h * math.log(b) - a * float(special.psi(a) - special.psi(b))
        value = entropies + h / (1 - 1 / b)
    else:
        value = Radial(df, math.inf, shift.dim, 0.0).kl()
    spread = float(shift.multiplicity @ log_gap(shift.log_eigenvalues, 1.0)) / 2
    return value + spread + float(shift.multiplicity @ shift.excess) / (2 * (b - 1)) + shift.delta * shift.delta / 2


class _LineIntegrals:
    """The integrals over t for the shape of the scale matrices (``shift``, of geometric mean 1) and the locations."""

    def __init__(self, shift: Shift, df: float, pruned_df: float, log_size: float) -> None:
        self.shift, self.b1, self.b2, self.h = shift, half(df), half(pruned_df), shift.dim / 2
        self.log_y = math.log(self.b2) - math.log(self.b1) - log_size  # at t = 0
        self.log_square = 2 * math.log(shift.delta) if shift.delta > 0 else -math.inf

    def kl(self) -> float:
        """The integral of ``kl``."""
        a2, log_least, log_most = self.b2 + self.h, *(f(self.shift.log_eigenvalues) for f in (np.min, np.max))
        falls = max(math.log(a2), self.log_y + max(0.0, math.log(self.b1)))  # from there on, if not before
        rises = max(log_most + math.log(self.h), self.log_square + self.log_y + math.log(self.b1) - math.log(self.b2))
        by_tail = _log_expm1(NEGLIGIBLE / self.b1) - self.log_y
        by_dimension = _log_expm1(NEGLIGIBLE / self.h) - log_least  # of which one is at most 1
        t = nodes(-48 - max(0.0, falls, rises), min(by_tail, by_dimension) + 1, _STEP)
        weight = np.exp(-self.b1 * np.logaddexp(0, t + self.log_y) - self.h * np.logaddexp(0, t))
        return float(a2 * _STEP * (weight @ -np.expm1(-self._exponent(t, self.b1))))

    def log_mean(self, alpha: float) -> float:
        """log of the mean in ``renyi``, by its difference from 1 where that is small."""
        mixed = alpha * self.b1 + (1 - alpha) * self.b2
        mode = self._mode(alpha * (self.b1 + self.h), (1 - alpha) * (self.b2 + self.h), mixed)
        log_odds = mode + self.log_y, mode

        def log_weight(t: np.ndarray) -> np.ndarray:
            return -(jensen_gap(mixed, log_odds[0], t) + jensen_gap(self.h, log_odds[1], t))

        def terms(t: np.ndarray) -> np.ndarray:
            weight = np.exp(log_weight(t))
            return np.stack([weight, weight * np.expm1(-self._exponent(mode + t, mixed))])

        powers = zip((mixed, self.h), log_odds, strict=True)
        curvature = sum(n * share_of(odds) * share_of(-odds) for n, odds in powers)
        width = min(1.0, 1 / math.sqrt(curvature))
        (mass, change), _ = integrals(terms, graded(log_weight, 0.0, width))
        if change > -0.5 * mass:
            return float(np.log1p(change / mass))
        # What the exponent moves the peak by is bounded by its value where the weight alone is largest.
        reach = 1 + float(self._exponent(np.array([mode]), mixed)[0]) / NEGLIGIBLE
        ends = graded(lambda t: log_weight(t) / reach, 0.0, width)
        t = ends[np.argmin(self._exponent(mode + ends, mixed) - log_weight(ends))]
        least = float(self._exponent(np.array([mode + t]), mixed)[0])  # subtracted before it can swamp the weight
        noise = 8 * np.finfo(float).eps * least
        return (
            log_integral(lambda t: log_weight(t) - (self._exponent(mode + t, mixed) - least), ends, noise)
            - least
            - math.log(mass)
        )

    def _mode(self, a1: float, a2: float, mixed: float) -> float:
        """The t that maximises y^a2 (1 + y)^-mixed (1 + s)^-h, a1 + a2 = mixed + h: the slopes of the logs cancel.

        It lies between the points with y = a2 / a1 and s = a2 / a1.
        """
        low, high = sorted([math.log(a2) - math.log(a1), math.log(a2) - math.log(a1) - self.log_y])
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            if not low < middle < high:
                break
            if a1 < a2:
                rises = mixed * share_of(-middle - self.log_y) + self.h * share_of(-middle) > a1
            else:
                rises = mixed * share_of(middle + self.log_y) + self.h * share_of(middle) < a2
            low, high = (middle, high) if rises else (low, middle)
        return (low + high) / 2

    def _exponent(self, t: np.ndarray, b: float) -> np.ndarray:
        """A + b log(1 + y Q / (2 b2 (1 + y) (1 + s))), both >= 0: float64 [n]."""
        shape, share = _shape_and_share(self.shift, t)
        y, square = t + self.log_y, self.log_square - math.log(2) - math.log(self.b2)
        with np.errstate(divide="ignore", over="ignore"):  # no shift, no share: log 0
            log_part = square + np.log(share) + y - np.logaddexp(0, y) - np.logaddexp(0, t)
            small = np.exp(np.minimum(log_part, 0.0) + math.log(b))  # log(1 + z) = z for tiny z, though b be huge
            return np.asarray(shape + np.where(log_part < -40, small, b * np.logaddexp(0, log_part)))


def _log_expm1(z: float) -> float:
    return z + math.log(-math.expm1(-z))


def _shape_and_share(shift: Shift, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A and Q / sum d_i^2 at nodes t: [nodes] each.

    Nodes where all |e_i| x are below 1/16 take series in x with sums of powers of e_i as coefficients, one pass over
    those; the others a table of nodes and eigenvalues, in blocks.
    """
    from scipy import special

    x = np.where(t < -40, np.exp(np.minimum(t, 0.0)), special.expit(t))  # which is 0 where denormal numbers are not
    excess, multiplicity = shift.excess, shift.multiplicity
    part = (shift.distance / shift.delta) ** 2 if shift.delta > 0 else np.zeros_like(shift.distance)
    largest = np.abs(excess).max()
    if largest == 0:
        return np.zeros_like(t), np.full_like(t, part.sum())
    gaps, share = np.zeros_like(t), np.zeros_like(t)
    near = x * largest < 1 / 16
    z, powers = largest * x[near], (-excess / largest) ** np.arange(_ORDERS + 1)[:, None]
    logs = np.append([0.0, 0.0], (powers @ multiplicity)[2:] / np.arange(2, _ORDERS + 1))  # z - log(1 + z)
    gaps[near] = x[near] * (multiplicity @ excess_over_log(excess)) - np.polynomial.polynomial.polyval(z, logs)
    share[near] = np.polynomial.polynomial.polyval(z, powers @ part)
    x, rest = x[~near, None], special.expit(-t[~near, None])
    rows = max(1, _BLOCK // max(1, len(x)))
    for first in range(0, len(excess) if len(x) else 0, rows):
        e, count = excess[first : first + rows], multiplicity[first : first + rows]
        grown = rest + x * (1 + e)  # 1 + e x, also where e is nearly -1 and x nearly 1
        logs = np.where(x * e > -0.5, np.log1p(np.maximum(x * e, -0.5)), np.log(grown))
        gaps[~near] += logs @ count - x[:, 0] * (count @ np.log1p(e))
        share[~near] += (1 / grown) @ part[first : first + rows]
    return np.maximum(gaps, 0) / 2, share
