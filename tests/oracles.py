"""The slow, obvious versions that the tests compare with."""

import math
from collections.abc import Sequence
from itertools import pairwise

import mpmath
import numpy as np
from scipy import integrate, stats


def removed_by_sort(scores: Sequence[float], removed: int) -> set[int]:
    """The indices of the ``removed`` lowest scores, by a stable full sort."""
    return set(sorted(range(len(scores)), key=lambda index: scores[index])[:removed])


def student_t_kl_digits(delta: float, df: float, dim: int, digits: int = 30) -> float:
    """The divergence of two shifted Student-t laws by adaptive quadrature with ``digits`` digits.

    The integral is the one in which log(1 + Q/df) is averaged by its Laplace transform,

        KL = a int_0^inf [(1+y)^(-df/2) - (1+y)^(-a) (1 + c y/(1+y)^2)^(-df/2)] dy/y  -  a [psi(a) - psi(df/2)],

    whose two parts cancel: hence the digits. Its integrand is not the one of ``apcli.theory.student_t``.
    """
    with mpmath.workdps(digits + 20):
        half, a, c = mpmath.mpf(df) / 2, (mpmath.mpf(df) + dim) / 2, mpmath.mpf(delta) ** 2 / mpmath.mpf(df)

        def integrand(t: mpmath.mpf) -> mpmath.mpf:
            y = mpmath.exp(t)
            grown = mpmath.log1p(y)
            near = grown * half
            far = grown * a + half * mpmath.log1p(c * y / (1 + y) ** 2)
            return mpmath.exp(-near) * -mpmath.expm1(near - far)

        left = -mpmath.mpf(2.4) * (digits + 12) - max(mpmath.log(a), 0) - max(mpmath.log(c), 0)
        right = mpmath.mpf(2.4) * (digits + 12) / min(half, 1) + 3
        inner = sorted({-mpmath.log(a), mpmath.mpf(0), mpmath.log(max(c, 1)), -mpmath.log(max(c, 1))})
        ends = [left, *[point for point in inner if left < point < right], right]
        total = sum(mpmath.quad(integrand, [p, (p + q) / 2, q]) for p, q in pairwise(ends))
        return float(a * (total - (mpmath.digamma(a) - mpmath.digamma(half))))


def student_t_kl_on_the_line(delta: float, df: float) -> float:
    """Dimension 1, from the definition: the integral of p log(p / q), p and q from scipy."""
    law, shifted = stats.t(df), stats.t(df, loc=delta)

    def integrand(z: float) -> float:
        return float(law.pdf(z) * (law.logpdf(z) - shifted.logpdf(z)))

    parts = [(-np.inf, -5), (-5, 0), (0, delta), (delta, delta + 5), (delta + 5, np.inf)]
    return math.fsum(integrate.quad(integrand, *part, epsabs=1e-14, epsrel=1e-11, limit=400)[0] for part in parts)


def student_t_kl_in_the_plane(delta: float, df: float, dim: int, step: float = 0.03) -> float:
    """Dimension 2 or more, from the definition: along the shift, and by the distance from that line."""
    u, v = np.arange(-25, 25, step)[:, None], np.arange(-80, 60, 2 * step)[None, :]
    along, across = delta / 2 + np.sqrt(df) * np.sinh(u), df * np.exp(v)  # across: the squared distance
    log_area = (dim - 1) / 2 * math.log(math.pi) - math.lgamma((dim - 1) / 2)
    log_constant = math.lgamma((df + dim) / 2) - math.lgamma(df / 2) - dim / 2 * math.log(df * math.pi)

    def log_density(z: np.ndarray) -> np.ndarray:
        return log_constant - (df + dim) / 2 * np.log1p((z**2 + across) / df)

    log_volume = (dim - 1) / 2 * np.log(across) + log_area + np.log(np.sqrt(df) * np.cosh(u))
    here, there = log_density(along), log_density(along - delta)
    return float(2 * step**2 * np.sum(np.exp(here + log_volume) * (here - there)))
