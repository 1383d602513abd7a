"""Bounds on total variation: from below by means and covariances, from above by the Kullback-Leibler divergence."""

import math

import numpy as np

from apcli.registry.ranges import UNBOUNDED


def lemma_1(length: float, trace_p: float, trace_q: float) -> float:
    """TV >= |a|^2 / (2 (tr P + tr Q) + |a|^2), for any two distributions.

    Args:
        length: |a|, the Euclidean distance of the two means, >= 0.
        trace_p: trace of the first distribution's covariance matrix (not of its scale matrix), >= 0.
        trace_q: the same of the second.

    Source: arXiv:2403.00155, Lemma 1, as reconstructed, after Nishiyama 2022, arXiv:2212.05820. Proof: share the mass 1
    - TV, so that P and Q are mixtures of one common distribution and another; the variance between a mixture's
    components is at most that of the mixture, which bounds |a| by sqrt((1 - TV) / TV) (sqrt(tr P) + sqrt(tr Q)).
    """
    UNBOUNDED.check(length=length, trace_p=trace_p, trace_q=trace_q)
    return _share(length, math.sqrt(2) * math.sqrt(trace_p + trace_q))


def lemma_1_line(length: float, sd_p: float, sd_q: float) -> float:
    """TV >= a^2 / ((s_P + s_Q)^2 + a^2), from means and standard deviations on a line, where three points reach it.

    In more dimensions it is the *projected* bound, with ``sd_p`` = sqrt(u' P u) along the shift u = a / |a|, and the
    *direct* one, with ``sd_p`` = sqrt(tr P). For the same covariances lemma_1 <= direct <= projected <= lemma_1_best.

    Args:
        length: |a|, the Euclidean distance of the two means, >= 0.
        sd_p: standard deviation of the first distribution, >= 0.
        sd_q: the same of the second.

    Source: Nishiyama 2022, arXiv:2212.05820; the proof is that of ``lemma_1``, before its last step. A projection can
    only bring two distributions closer.
    """
    UNBOUNDED.check(length=length, sd_p=sd_p, sd_q=sd_q)
    return _share(length, sd_p + sd_q)


def lemma_1_best(distance: np.ndarray, log_eigenvalues: np.ndarray) -> float:
    """The largest ``lemma_1_line`` over all lines; delta^2 / (4 + delta^2) for two distributions of one covariance.

    Args:
        distance: |d_i| [m], lengths of the shift in the eigenspaces of P, in the metric where Q is the identity: those
            of ``Shift`` where P and Q are covariances (not scale matrices).
        log_eigenvalues: log lambda_i [m] of P in that metric. Eigenspaces in which it is infinite are left out.

    Derived: 1 / TV - 1 is at most the least (sqrt(u' P u) + sqrt(u' Q u))^2 over u with u'a = 1. As (x + y)^2 is the
    least x^2 / t + y^2 / (1 - t) over t in (0, 1), the least over u is 1 / sum d_i^2 t (1 - t) / (lambda_i (1 - t) + t)
    for each t; the sum is concave in t, and any t gives a bound.
    """
    if not (distance >= 0).all():
        raise ValueError(f"distance is {distance}: expected lengths >= 0")
    known = np.isfinite(log_eigenvalues)
    d, logs = distance[known], log_eigenvalues[known]
    if not logs.any():  # one covariance, the usual case, does not wait for SciPy's import
        return _share(float(np.hypot.reduce(d, initial=0.0)), 2.0)
    from scipy import optimize, special

    largest = float(d.max())
    if largest == 0 or math.isinf(largest):
        return _share(largest, 1.0)
    weight = (d / largest) ** 2

    def slope(x: float) -> float:  # of the sum by t, at x = log(t / (1 - t))
        return float(weight @ (np.exp(-logs - 2 * np.logaddexp(0, x - logs)) - special.expit(x - logs) ** 2))

    low, high = float(logs.min()) / 2, float(logs.max()) / 2
    x = low if low == high or slope(low) <= 0 else high if slope(high) >= 0 else optimize.brentq(slope, low, high)
    terms = np.exp(-np.logaddexp(logs / 2 - x / 2, x / 2 - logs / 2) - np.logaddexp(x / 2, -x / 2) - logs / 2)
    return _share(largest * math.sqrt(float(weight @ terms)), 1.0)


def _share(length: float, spread: float) -> float:
    """length^2 / (length^2 + spread^2), without squares that overflow."""
    if length == 0 or math.isinf(spread):
        return 0.0
    ratio = spread / length  # 0 where length is infinite
    return 1 / (1 + ratio * ratio)


def pinsker(kl: float) -> float:
    """TV <= min(1, sqrt(KL / 2)), KL in nats (arXiv:2403.00155, Definition 3; Pinsker 1964, constant of Csiszar)."""
    UNBOUNDED.check(kl=kl)
    return min(1.0, math.sqrt(kl / 2))


def bretagnolle_huber(kl: float) -> float:
    """TV <= sqrt(1 - exp(-KL)), KL in nats (Bretagnolle & Huber 1979, doi:10.1007/BF00535152): below 1 always.

    Pinsker's bound is the smaller one below KL = 1.59.
    """
    UNBOUNDED.check(kl=kl)
    return math.sqrt(-math.expm1(-kl))
