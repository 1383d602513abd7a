"""Kullback-Leibler divergence between two multivariate Student-t laws, exactly: a one-dimensional integral."""

import math

import numpy as np

from apcli.theory import gaussian

_STEP = 0.125  # the trapezoidal rule converges geometrically here: at this step only rounding is left


def kl(delta: float, df: float, dim: int) -> float:
    """KL(t_df(mu1, S) || t_df(mu2, S)) in nats, the two laws differing in location only.

    With a = (df + dim) / 2 and c = delta^2 / df,

        KL = a int_0^1 (1-x)^(a-1) [1 - (1 + c x (1-x))^(-df/2)] dx / x.

    The integrand is positive, so no digits cancel however small the divergence; it is symmetric in the two laws.
    Substituting x = e^t / (1 + e^t) makes it smooth on the line, where the trapezoidal rule is accurate to rounding
    (relative error below 1e-14 for dim 1 to 1e7, df 0.5 to 1000, delta 1e-6 to 1e6).

    Args:
        delta: Mahalanobis distance of the locations in the metric of the scale matrix S (not of the covariance,
            which is df / (df - 2) S), >= 0.
        df: degrees of freedom, > 0; infinity gives the Gaussian.
        dim: dimension, >= 1.

    Source: log(1 + q) written as a Frullani integral under the law's Gamma mixture, the radial part integrated out.
    For dim = df = 1 it is log(1 + delta^2 / 4), the Cauchy case (Chyzak & Nielsen 2019, arXiv:1905.10965).
    """
    if not (delta >= 0 and df > 0 and dim >= 1):
        raise ValueError(f"delta {delta}, df {df}, dim {dim}: expected delta >= 0, df > 0, dim >= 1")
    if delta == 0:
        return 0.0
    if math.isinf(df) or math.isinf(delta):
        return gaussian.kl(delta)
    a = (df + dim) / 2
    log_c = 2 * math.log(delta) - math.log(df)
    left = -45.0 - max(0.0, math.log(a), log_c)
    right = 3.0 + min(45 / a, 700.0)
    t = left + _STEP * np.arange(math.ceil((right - left) / _STEP) + 1)  # not arange(left, right): its step drifts
    log1p_exp = np.logaddexp(0, t)
    decay = -np.expm1(-(df / 2) * np.logaddexp(0, log_c + t - 2 * log1p_exp))
    return float(a * _STEP * np.sum(np.exp(-a * log1p_exp) * decay))
