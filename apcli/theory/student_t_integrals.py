"""Divergences of two Student-t laws that differ in scale matrix or degrees of freedom: one-dimensional integrals.

What the laws differ by is taken in two steps: the degrees of freedom and the size of the scale matrices, by the
distance from the centre alone; then the shape of the scale matrices and the locations. Either integrand is positive
and of second order in what the laws differ by, so that near-equal laws keep their digits, in any dimension.

Notation: b1, b2 half the degrees of freedom, h half the dimension, a = b + h; m the geometric mean of the eigenvalues
of S1 in the metric of S2, which are m (1 + e_i), so that sum log(1 + e_i) = 0; d_i the shift along their eigenvectors.
On the line t, with s = exp(t), x = s / (1 + s), y = b2 s / (b1 m),

    A = 1/2 sum [log(1 + e_i x) - x log(1 + e_i)],
    C = log(1 + y Q / (2 b2 (1 + y) (1 + s))),  Q = sum d_i^2 / (1 + e_i x).
"""

import math
from dataclasses import replace

import numpy as np

from apcli.theory.gaussian import excess_over_log, log_gap
from apcli.theory.quadrature import NEGLIGIBLE, highest, integrals, log_integral, nodes, support
from apcli.theory.shifts import Shift

_STEP = 0.1
GAUSSIAN = 1e30  # half the degrees of freedom that no divergence here can tell from infinitely many
_ORDERS = 15  # of the series in e_i x, where |e_i| x < 1/16
_BLOCK = 2**20  # numbers in a table of nodes and eigenvalues


def kl(shift: Shift, df: float, pruned_df: float) -> float:
    """KL(t_df(w, S1) || t_pruned_df(w~, S2)) in nats; infinite df is the Gaussian, one of the two at most.

    The divergence of t_df(0, m) from t_pruned_df(0, 1), plus

        a2 int (1 + y)^(-b1) (1 + s)^(-h) [1 - exp(-A - b1 C)] dt.

    Source: derived for this project. The mean of log(1 + q) as a Frullani integral under the first law's Gamma mixture
    (as in ``student_t.kl``), less the same integral for no shift and e = 0.
    """
    if math.isinf(pruned_df) and df <= 2:
        return math.inf
    if math.isinf(pruned_df):
        return _kl_to_gaussian(shift, df)
    log_size, shape = _size_and_shape(shift)
    value = 0.0
    if log_size != 0 or df != pruned_df:
        value += _radial_kl(*_radial(df, pruned_df, shift.dim, log_size))
    if shape.delta > 0 or not shape.one_scale:
        value += _Line(shape, df, pruned_df, log_size).kl()
    return value


def renyi(shift: Shift, df: float, pruned_df: float, alpha: float) -> float:
    """Renyi divergence of order ``alpha`` in (0, 1) of t_df(w, S1) from t_pruned_df(w~, S2), nats.

    int p^alpha q^(1 - alpha) is that of t_df(0, m) and t_pruned_df(0, 1), times the mean of exp(-A - b C), with
    b = alpha b1 + (1 - alpha) b2, under the density proportional to

        y^((1 - alpha) a2) (1 + y)^(-b) (1 + s)^(-h) dt.

    Source: derived for this project: Feynman's parameter joins the two powers, and z is integrated out. For laws of
    one df and scale the density is that of a Beta law of x.
    """
    log_size, shape = _size_and_shape(shift)
    log_affinity = 0.0
    if log_size != 0 or df != pruned_df:
        log_affinity += _radial_log_affinity(*_radial(df, pruned_df, shift.dim, log_size), alpha)
    if shape.delta > 0 or not shape.one_scale:
        log_affinity += _Line(shape, df, pruned_df, log_size).log_mean(alpha)
    return max(0.0, log_affinity / (alpha - 1))


def _half(df: float) -> float:
    return min(df / 2, GAUSSIAN)


def _size_and_shape(shift: Shift) -> tuple[float, Shift]:
    """log m, and the shift with eigenvalues over m."""
    log_size = float(shift.multiplicity @ np.log1p(shift.excess)) / shift.dim
    size_excess = math.expm1(log_size) if len(shift.excess) > 1 else shift.excess  # one eigenvalue: 0 is left, exactly
    return log_size, replace(shift, excess=(shift.excess - size_excess) / math.exp(log_size))


def _excess_of_exp(z: np.ndarray) -> np.ndarray:
    """exp(z) - 1 - z = z^2 / 2 + z^3 / 6 + ..., to full relative precision."""
    from scipy import special

    near = np.where(np.abs(z) < 0.5, z, 0.0)
    return np.asarray(np.where(near == z, near * near / 2 * special.hyp1f1(1, 3, near), np.expm1(z) - z))


def _log1p_difference(log_g: np.ndarray, b1: float, b2: float) -> np.ndarray:
    """b1 log(1 + g / b1) - b2 log(1 + g / b2): 0 where b1 = b2, and small where both are large.

    Up to g = min(b1, b2) by a series without g itself, which is common to both; beyond in plain terms, or with b2 - b1
    taken out where that is the smallest of all.
    """
    g, step = np.exp(log_g), b2 - b1
    near = np.minimum(g, min(b1, b2))
    series = b2 * excess_over_log(near / b2) - b1 * excess_over_log(near / b1)
    plain = np.where(near == g, series, b1 * np.log1p(g / b1) - b2 * np.log1p(g / b2))
    if abs(step) >= b1 / 8:
        return np.asarray(plain)
    taken_out = b2 * np.log1p(g / b1 * (step / (b2 + g))) - step * np.log1p(g / b1)
    return np.asarray(np.where(abs(step) < g, taken_out, plain))


def log_beta_prime(t: np.ndarray, h: float, b: float) -> np.ndarray:
    """h t - (h + b) log(1 + exp(t)) up to a constant, in whichever terms cancel least.

    The log density of t = log(u / v), u and v independent Gamma variables of h and b. Its mode is log(h / b).
    """
    moved = t - math.log(h / b)
    near = np.clip(moved, -1.0, 1.0)
    centred = h * near - (b + h) * np.log1p(h / (b + h) * np.expm1(near))
    at_mode = h * math.log1p(b / h) + b * math.log1p(h / b)
    plain = at_mode - h * np.logaddexp(0, -t) - b * np.logaddexp(0, t)
    return np.asarray(np.where((near == moved) & (h * np.abs(moved) < b), centred, plain))


def _log_mixed(log_factor: float, t: np.ndarray) -> np.ndarray:
    """log((1 + factor r) / (1 + r)), r = exp(t): small where factor - 1 or r is."""
    from scipy import special

    if abs(log_factor) < 1:
        return np.asarray(np.log1p(math.expm1(log_factor) * special.expit(t)))
    return np.asarray(np.logaddexp(0, t + log_factor) - np.logaddexp(0, t))


def _radial(df: float, pruned_df: float, dim: int, log_size: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """p = t_df(0, m) and q = t_pruned_df(0, 1) at nodes: log shares of both, and log(q / p) to more digits near p.

    With g = |z|^2 / (2 m), p has the density g^(h - 1) (1 + g / b1)^(-a1) and q the same of b2 / m, up to constants.
    """
    from scipy import special

    b1, b2, h = _half(df), _half(pruned_df), dim / 2

    def log_weight(t: np.ndarray, b: float) -> np.ndarray:
        return log_beta_prime(t - math.log(b), h, b)

    def ratio(t: np.ndarray) -> np.ndarray:
        """log(q / p) up to a constant."""
        g, powers = np.exp(t), _log1p_difference(t, b1, b2)
        if b2 < h:  # most of g is beyond b1 and b2: log((b1 + g) / (b2 + g)) and log((b2 / m + g) / (b2 + g)) are small
            moved = np.log1p((b1 - b2) / (b2 + g))
            return np.asarray(powers + h * moved - (b2 + h) * _log_mixed(-log_size, math.log(b2) - t))
        near = abs(b2 - b1) < b1 / 8
        moved = np.log1p(g * ((b2 - b1) / b1) / (b2 + g)) if near else np.log1p(g / b1) - np.log1p(g / b2)
        return np.asarray(powers + h * moved - (b2 + h) * _log_mixed(log_size, t - math.log(b2)))

    def ends(b: float, log_m: float, *, of_ratio: bool) -> tuple[float, float]:
        def reach(t: np.ndarray) -> np.ndarray:  # of p, also of log(q / p) under it
            size = np.log1p(np.abs(ratio(t))) if of_ratio else 0.0
            return np.asarray(log_weight(t + log_m, b) + size)

        low = min(0.0, math.log(h)) - 70 / h - 5
        high = math.log(h + 1) + min(120 / b, 600.0) + 8
        return support(reach, low - max(0.0, log_m), high - min(0.0, log_m))

    mine, other = ends(b1, 0.0, of_ratio=True), ends(b2, log_size, of_ratio=False)
    width = math.sqrt(1 / h + 1 / max(b1, b2))  # of the narrower density, in t
    t = nodes(min(mine[0], other[0]), max(mine[1], other[1]), min(_STEP, 0.4 * width))
    log_p, log_q = (value - special.logsumexp(value) for value in (log_weight(t, b1), log_weight(t + log_size, b2)))
    peak, c = log_p.argmax(), ratio(t)
    c += log_q[peak] - log_p[peak] - c[peak]
    p, q = np.exp(log_p), np.exp(log_q)
    c -= np.log1p(np.sum(np.where(c > 1, q - p, p * np.expm1(np.minimum(c, 1)))))  # the mean of q / p is 1
    return log_p, log_q, c


def _radial_kl(log_p: np.ndarray, log_q: np.ndarray, c: np.ndarray) -> float:
    """The mean of q / p - 1 - log(q / p) under p, for what ``_radial`` returns: no term is negative."""
    p, near = np.exp(log_p), np.minimum(c, 1)
    return float(np.sum(np.where(c > 1, np.exp(log_q) - p - p * c, p * _excess_of_exp(near))))


def _radial_log_affinity(log_p: np.ndarray, log_q: np.ndarray, c: np.ndarray, alpha: float) -> float:
    """log of the sum of p^alpha q^(1 - alpha), by the mean of (q / p)^(1 - alpha) - 1 - (1 - alpha) (q / p - 1)."""
    from scipy import special

    log_mixed, near, beta = alpha * log_p + (1 - alpha) * log_q, np.clip(c, -1, 1), 1 - alpha
    p, q, mixed = np.exp(log_p), np.exp(log_q), np.exp(log_mixed)
    short = p * (_excess_of_exp(beta * near) - beta * _excess_of_exp(near))
    change = float(np.sum(np.where(near == c, short, mixed - p - beta * (q - p))))
    return math.log1p(change) if change > -0.5 else float(special.logsumexp(log_mixed))


def _kl_to_gaussian(shift: Shift, df: float) -> float:
    """KL(t_df || Gaussian), df above 2: closed but for the divergence of the spherical laws, if that is small."""
    from scipy import special

    b, h, a = _half(df), shift.dim / 2, _half(df) + shift.dim / 2
    if b < 4:
        entropies = math.lgamma(a) - math.lgamma(b) - h * math.log(b) - a * float(special.psi(a) - special.psi(b))
        value = entropies + h / (1 - 1 / b)
    else:
        value = _radial_kl(*_radial(df, math.inf, shift.dim, 0.0))
    spread = float(shift.multiplicity @ log_gap(shift.excess, 0.0)) / 2
    return value + spread + float(shift.multiplicity @ shift.excess) / (2 * (b - 1)) + shift.delta * shift.delta / 2


class _Line:
    """The integrals over t for the shape of the scale matrices (``shift``, of geometric mean 1) and the locations."""

    def __init__(self, shift: Shift, df: float, pruned_df: float, log_size: float) -> None:
        self.shift, self.b1, self.b2, self.h = shift, _half(df), _half(pruned_df), shift.dim / 2
        self.log_y = math.log(self.b2) - math.log(self.b1) - log_size  # at t = 0
        self.eigenvalues = 1 + shift.excess
        self.log_square = 2 * math.log(shift.delta) if shift.delta > 0 else -math.inf

    def kl(self) -> float:
        """The integral of ``kl``."""
        a2 = self.b2 + self.h
        large = max(0.0, math.log(a2), self.log_y, math.log(self.eigenvalues.max()), self.log_square)
        by_tail = _log_expm1(NEGLIGIBLE / self.b1) - self.log_y
        by_dimension = _log_expm1(NEGLIGIBLE / self.h) - math.log(self.eigenvalues.min())  # of which one is at most 1
        t = nodes(-48 - large, min(by_tail, by_dimension) + 1, _STEP)
        shape, place = self._exponents(t)
        weight = np.exp(-self.b1 * np.logaddexp(0, t + self.log_y) - self.h * np.logaddexp(0, t))
        return float(a2 * _STEP * (weight @ -np.expm1(-shape - self.b1 * place)))

    def log_mean(self, alpha: float) -> float:
        """log of the mean in ``renyi``, by its difference from 1 where that is small."""
        a1, a2, mixed = self.b1 + self.h, self.b2 + self.h, alpha * self.b1 + (1 - alpha) * self.b2

        def log_weight(t: np.ndarray) -> np.ndarray:
            both = self.h * _log_mixed(self.log_y, t)  # log((1 + y) / (1 + s))
            return np.asarray(both + log_beta_prime(t + self.log_y, (1 - alpha) * a2, alpha * a1))

        def exponent(t: np.ndarray) -> np.ndarray:
            shape, place = self._exponents(t)
            return shape + mixed * place

        mode = math.log((1 - alpha) * a2) - math.log(alpha * a1)  # where y = s, and no exponent
        below = [mode, -self.log_y, -math.log(self.eigenvalues.max()), -self.log_square]
        above = [mode, -self.log_y, -math.log(self.eigenvalues.min()), self.log_square]
        low = sum(min(0.0, move) for move in below) - 70 / ((1 - alpha) * a2) - 5
        high = sum(max(0.0, move) for move in above) + 70 / (alpha * a1) + 5
        left, right = support(log_weight, low, high)
        peak = highest(log_weight, left, right)

        def rows(t: np.ndarray) -> np.ndarray:
            weight = np.exp(log_weight(t) - peak)
            return np.stack([weight, weight * np.expm1(-exponent(t))])

        mass, change = integrals(rows, left, right)
        if change > -0.1 * mass:
            return float(np.log1p(change / mass))
        moved = log_integral(lambda t: log_weight(t) - exponent(t), low, high)
        return moved - log_integral(log_weight, low, high)

    def _exponents(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A and log(1 + y Q / (2 b2 (1 + y) (1 + s))), both >= 0: [nodes] each."""
        shape, share = _shape_and_share(self.shift, t)
        y, square = t + self.log_y, self.log_square - math.log(2 * self.b2)
        with np.errstate(divide="ignore"):  # no shift, no share: log 0
            return shape, np.logaddexp(0, square + np.log(share) + y - np.logaddexp(0, y) - np.logaddexp(0, t))


def _log_expm1(z: float) -> float:
    return z + math.log(-math.expm1(-z))


def _shape_and_share(shift: Shift, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A and Q / sum d_i^2 at nodes t: [nodes] each.

    Nodes where all |e_i| x are below 1/16 take series in x with sums of powers of e_i as coefficients, one pass over
    those; the others a table of nodes and eigenvalues, in blocks.
    """
    from scipy import special

    x, excess, multiplicity = special.expit(t), shift.excess, shift.multiplicity
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
