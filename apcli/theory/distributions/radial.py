"""Student-t distributions with one centre but different degrees of freedom or size: integrals over the distance alone.

Notation: b1, b2 half the degrees of freedom, h half the dimension, m the first distribution's squared scale in units of
the second's. In t = log(|z|^2 / (2 m h)) the first distribution p has the density of log(u / v) + log(b1 / h), u and v
Gamma variables of h and b1: its mode is 0, and its log below that at the mode is (h + b1) times the gap of
``jensen_gap``.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from apcli.theory.distributions.gaussian import excess_over_log
from apcli.theory.numerics.quadrature import graded, integrals, log_integral, on_panels

INFINITE = 1e280  # half the degrees of freedom that represent infinitely many: no divergence shows the difference
_FAR = 700.0  # beyond it exponentials overflow
_LARGEST = 1e300
_NORMALISATIONS = 30  # at most: each adds the digits of a float to those of log(q / p)


def half(df: float) -> float:
    """Half the degrees of freedom, as a finite number even for infinitely many."""
    return INFINITE if math.isinf(df) else df / 2


def excess_of_exp(z: np.ndarray) -> np.ndarray:
    """exp(z) - 1 - z = z^2 / 2 + z^3 / 6 + ..., to full relative precision."""
    from scipy import special

    near = np.where(np.abs(z) < 0.5, z, 0.0)
    return np.asarray(np.where(near == z, near * near / 2 * special.hyp1f1(1, 3, near), np.expm1(z) - z))


def share_of(log_odds: float) -> float:
    """s with s / (1 - s) = exp(``log_odds``)."""
    return math.exp(min(log_odds, 0.0)) / (1 + math.exp(-abs(log_odds)))


def jensen_gap(n: float, log_odds: float, t: np.ndarray) -> np.ndarray:
    """n [log(1 - s + s exp(t)) - s t] for a share s, s / (1 - s) = exp(``log_odds``): 0 at t = 0, above it elsewhere.

    To full relative precision, though n be huge and s tiny, so that but their product means anything: less the log
    density of a Beta distribution, of a Gamma distribution as its limit, or of a product of such powers, about its
    mode.
    """
    if log_odds > 0:
        log_odds, t = -log_odds, -t
    log_rest = -math.log1p(math.exp(log_odds))
    log_share = log_odds + log_rest
    slope = math.exp(math.log(n) + log_share)  # n s
    inner, near = np.clip(t, -_FAR, _FAR), np.clip(t, -1.0, 1.0)
    grown = np.expm1(inner)
    z = math.exp(log_share) * grown
    with np.errstate(over="ignore"):  # then it is infinite
        bent = slope * np.where(near == t, excess_of_exp(near), grown - inner) - n * excess_over_log(np.minimum(z, 0.5))
        plain = n * np.log1p(np.maximum(z, -0.5)) - slope * inner
        gap = np.where(z > 0.5, plain, bent)
        if (inner != t).any():
            beyond = np.where(
                log_share + t > _FAR / 2,
                n * log_share + n * math.exp(log_rest) * t,
                n * np.logaddexp(log_rest, log_share + np.minimum(t, _FAR - log_share)) - slope * t,
            )
            gap = np.where(inner != t, beyond, gap)
    return np.minimum(gap, _LARGEST)


def log_grown(log_odds: float, t: np.ndarray) -> np.ndarray:
    """log(1 - s + s exp(t)) for a share s as in ``jensen_gap``; the error is relative to the terms, not to the sum."""
    return np.asarray(np.logaddexp(0, log_odds + t) - np.logaddexp(0, log_odds))


@dataclass(frozen=True)
class Radial:
    """p = t_df(0, m) and q = t_pruned_df(0, 1) in ``dim`` dimensions, ``log_size`` being log m."""

    df: float
    pruned_df: float
    dim: int
    log_size: float

    @cached_property
    def b1(self) -> float:
        return half(self.df)

    @cached_property
    def b2(self) -> float:
        return half(self.pruned_df)

    @cached_property
    def h(self) -> float:
        return self.dim / 2

    def reversed(self) -> "Radial":
        """The same two distributions, q first."""
        return Radial(self.pruned_df, self.df, self.dim, -self.log_size)

    def kl(self) -> float:
        """KL(p || q), nats: the mean of q / p - 1 - log(q / p) under p, no term of which is negative."""

        def terms(t: np.ndarray) -> np.ndarray:
            log_p, log_q, c = self._logs(t)
            p, q = np.exp(log_p), np.exp(log_q)
            return np.where(c > 1, q - p - p * c, p * excess_of_exp(np.minimum(c, 1)))[None]

        def log_size(t: np.ndarray) -> np.ndarray:  # of p log(q / p), whose tail is the longer one
            return np.asarray(self._log_p(t) + np.log1p(np.abs(self._tails(t)) + np.abs(self._sizes(t))))

        (value,), _ = integrals(terms, np.union1d(self._ends, graded(log_size, 0.0, self._width(self.b1))))
        return float(value)

    def log_ratio(self, log_square: np.ndarray) -> np.ndarray:
        """log(q / p) where |z|^2 = exp(``log_square``), of distributions of one size."""
        return self._tails(log_square - math.log(2 * self.h)) + self._constants[2]

    def log_affinity(self, alpha: float) -> float:
        """log int p^alpha q^(1 - alpha), for alpha in (0, 1).

        By the mean of (q / p)^(1 - alpha) - 1 - (1 - alpha) (q / p - 1) under p, or where that is large plainly.
        """
        if alpha < 0.5:
            return self.reversed()._log_affinity(1 - alpha, alpha)
        return self._log_affinity(alpha, 1 - alpha)

    def _log_affinity(self, alpha: float, beta: float) -> float:
        def terms(t: np.ndarray) -> np.ndarray:
            log_p, log_q, c = self._logs(t)
            p, q, near = np.exp(log_p), np.exp(log_q), np.clip(c, -1, 1)
            short = p * (excess_of_exp(beta * near) - beta * excess_of_exp(near))
            mixed = np.where(
                beta * c < 1, p * np.expm1(np.minimum(beta * c, 1)), np.exp(alpha * log_p + beta * log_q) - p
            )
            return np.where(near == c, short, mixed - beta * (q - p))[None]

        def log_mixed(t: np.ndarray) -> np.ndarray:
            log_p, log_q, _ = self._logs(t)
            return np.asarray(alpha * log_p + beta * log_q)

        (change,), _ = integrals(terms, self._ends)
        return math.log1p(change) if change > -0.5 else log_integral(log_mixed, self._ends)

    def _log_p(self, t: np.ndarray) -> np.ndarray:
        """The log density of p minus that at its mode."""
        return -jensen_gap(self.h + self.b1, math.log(self.h) - math.log(self.b1), t)

    def _log_q(self, t: np.ndarray) -> np.ndarray:
        """The log density of q minus that at its mode."""
        return -jensen_gap(self.h + self.b2, math.log(self.h) - math.log(self.b2), t + self.log_size)

    def _tails(self, t: np.ndarray) -> np.ndarray:
        """The degrees of freedom's part of log(q / p) minus its value at t = 0."""
        if self.b2 < self.b1:
            return _of_tails(self.h, self.b1, self.b2, t)
        return -_of_tails(self.h, self.b2, self.b1, t) if self.b1 < self.b2 else np.zeros_like(t)

    def _sizes(self, t: np.ndarray) -> np.ndarray:
        """The sizes' part of log(q / p) minus its value at t = 0."""
        return _of_sizes(self.h, self.b2, self.log_size, t) if self.log_size != 0 else np.zeros_like(t)

    def _logs(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """log p, log q and log(q / p)."""
        norm_p, norm_q, shift = self._constants
        log_p, log_q = self._log_p(t) - norm_p, self._log_q(t) - norm_q
        return log_p, log_q, _closer(log_p, log_q, self._tails(t), self._sizes(t), shift)

    def _width(self, b: float) -> float:
        """The width of the density of t."""
        return min(1.0, math.sqrt(1 / self.h + 1 / b))

    @cached_property
    def _ends(self) -> np.ndarray:
        """The ends of panels that cover both densities."""
        both = ((self._log_p, 0.0, self.b1), (self._log_q, -self.log_size, self.b2))
        ends = np.union1d(*(graded(log, mode, self._width(b)) for log, mode, b in both))
        return integrals(lambda t: np.exp(np.stack([self._log_p(t), self._log_q(t)])), ends)[1]

    @cached_property
    def _constants(self) -> tuple[float, float, float]:
        """Logs of the masses of exp(``_log_p``) and exp(``_log_q``), and log(q / p) at t = 0."""
        t, weights = on_panels(self._ends)
        log_p, log_q, tails, sizes = self._log_p(t), self._log_q(t), self._tails(t), self._sizes(t)
        p, q = np.exp(log_p), np.exp(log_q)
        norm_p, norm_q = math.log(p @ weights), math.log(q @ weights)
        zero = np.zeros(1)
        shift = float((self._log_q(zero) - self._log_p(zero))[0]) + norm_p - norm_q
        log_p, log_q, p, q = log_p - norm_p, log_q - norm_q, p / math.exp(norm_p), q / math.exp(norm_q)
        for _ in range(_NORMALISATIONS):
            c = _closer(log_p, log_q, tails, sizes, shift)
            mean = float(np.where(c > 1, q - p, p * np.expm1(np.minimum(c, 1))) @ weights)  # of q / p under p, less 1
            shift -= math.log1p(mean)
            if abs(mean) <= 1e-3 * float(p * np.minimum(np.abs(c), 1) @ weights):
                break  # another round would add no digit
        return norm_p, norm_q, shift


def _closer(log_p: np.ndarray, log_q: np.ndarray, tails: np.ndarray, sizes: np.ndarray, shift: float) -> np.ndarray:
    """log(q / p) by the formula with the smaller terms, and so the smaller error."""
    apart = np.abs(tails) + np.abs(sizes) + abs(shift) < np.abs(log_p) + np.abs(log_q)
    return np.where(apart, tails + sizes + shift, log_q - log_p)


def _relative_growth(log_odds: float, t: np.ndarray) -> np.ndarray:
    """z / (1 + z) for z = s (exp(t) - 1), of a share s as in ``jensen_gap``."""
    share, rest = share_of(log_odds), share_of(-log_odds)
    fall = np.exp(-np.abs(t))
    grown = np.where(t > 0, share + rest * fall, rest + share * fall)
    return np.asarray(share * np.copysign(-np.expm1(-np.abs(t)), t) / grown)


def _of_tails(h: float, b1: float, b2: float, t: np.ndarray) -> np.ndarray:
    """log(q / p) of distributions of one size, minus its value at t = 0, for b2 < b1: nowhere negative.

    (h + b2) [e (log(1 + z) - r) + e r - log(1 + e r)] with z = h (exp(t) - 1) / (h + b1), r = z / (1 + z),
    e = (b1 - b2) / (h + b2). Of second order in t, for both distributions have their mode at 0, and of first in e.
    """
    first, second = (math.log(h) - math.log(b) for b in (b1, b2))
    e, r = (b1 - b2) / (h + b2), _relative_growth(first, t)
    logs, near, moved = log_grown(first, t), np.clip(r, -1.0, 0.5), e * r
    bent = np.where(near == r, excess_over_log(-near), logs - r)
    rest = np.where(moved > -0.5, excess_over_log(np.maximum(moved, -0.5)), moved - (log_grown(second, t) - logs))
    with np.errstate(over="ignore"):  # then it is infinite
        return np.minimum((h + b2) * (e * bent + rest), _LARGEST)


def _of_sizes(h: float, b: float, log_size: float, t: np.ndarray) -> np.ndarray:
    """log(q / p) of distributions of b half degrees of freedom each, minus its value at t = 0.

    -(h + b) log(1 + (m - 1) r b / (b + m h)), z = h (exp(t) - 1) / (h + b), r = z / (1 + z).
    """
    log_odds = math.log(h) - math.log(b)
    moved = math.expm1(log_size) * share_of(-log_odds - log_size) * _relative_growth(log_odds, t)
    plain = log_grown(log_odds + log_size, t) - log_grown(log_odds, t)
    with np.errstate(over="ignore"):
        values = -(h + b) * np.where(moved > -0.5, np.log1p(np.maximum(moved, -0.5)), plain)
    return np.clip(values, -_LARGEST, _LARGEST)
