"""Bounds on total variation: from below by means and covariances, from above by the Kullback-Leibler divergence."""

import math


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
    if not (length >= 0 and trace_p >= 0 and trace_q >= 0):
        raise ValueError(f"length {length:g}, traces {trace_p:g} and {trace_q:g}: expected numbers >= 0")
    return _share(length, math.sqrt(2) * math.sqrt(trace_p + trace_q))


def lemma_1_best(delta: float) -> float:
    """TV >= delta^2 / (4 + delta^2), for two distributions of one covariance matrix.

    Args:
        delta: Mahalanobis distance of the means in the metric of that covariance (not of a scale matrix), >= 0.

    Source: ``lemma_1`` applied on the best line, along S^-1 a; with the standard deviations s_P and s_Q on a line, the
    bound is a^2 / ((s_P + s_Q)^2 + a^2) (Nishiyama 2022, arXiv:2212.05820).
    """
    if not delta >= 0:
        raise ValueError(f"delta is {delta:g}: expected a distance >= 0")
    return _share(delta, 2.0)


def _share(length: float, spread: float) -> float:
    """length^2 / (length^2 + spread^2), without squares that overflow."""
    if length == 0 or math.isinf(spread):
        return 0.0
    ratio = spread / length  # 0 where length is infinite
    return 1 / (1 + ratio * ratio)


def pinsker(kl: float) -> float:
    """TV <= min(1, sqrt(KL / 2)), KL in nats (arXiv:2403.00155, Definition 3; Pinsker 1964, constant of Csiszar)."""
    _check(kl)
    return min(1.0, math.sqrt(kl / 2))


def bretagnolle_huber(kl: float) -> float:
    """TV <= sqrt(1 - exp(-KL)), KL in nats (Bretagnolle & Huber 1979, doi:10.1007/BF00535152): below 1 always.

    Pinsker's bound is the smaller one below KL = 1.59.
    """
    _check(kl)
    return math.sqrt(-math.expm1(-kl))


def _check(kl: float) -> None:
    if not kl >= 0:
        raise ValueError(f"kl is {kl:g}: expected a divergence >= 0, in nats")
