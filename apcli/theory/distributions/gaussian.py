"""Exact divergences between two multivariate Gaussians, and the squared distance of their means."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from apcli.theory.bounds import total_variation
from apcli.theory.distributions.shifts import Shift
from apcli.theory.measures import NoExactForm, NotDefined
from apcli.theory.numerics.quadrature import nodes

_NEAR = 0.25  # below this, logarithms of eigenvalues are computed by series, as they differ too little from them


def squared_distance(shift: Shift) -> float:
    """AP2: |w - w~|^2, not the distance (arXiv:2403.00155, Definition 1); infinite on overflow."""
    return float(shift.length) * float(shift.length)


def pair(shift: Shift) -> "GaussianPair":
    """N(w, S1) and N(w~, S2) (arXiv:2403.00155, equation (3))."""
    return GaussianPair(shift)


@dataclass(frozen=True)
class GaussianPair:
    """Two Gaussians. ``measures.Pair`` documents the methods; the formulas hold for any two covariances.

    Sums run over the eigenvalues 1 + e_i of S1 in the metric of S2, with d_i the shift along their eigenvectors.
    """

    df: ClassVar[float] = math.inf  # of the Student-t distributions that it is the limit of
    pruned_df: ClassVar[float] = math.inf

    shift: Shift

    @property
    def dim(self) -> int:
        return self.shift.dim

    def reversed(self) -> "GaussianPair":
        return GaussianPair(self.shift.reversed())

    def kl(self) -> float:
        """1/2 [sum (e_i - log(1 + e_i)) + delta^2] (arXiv:2403.00155, equation (3)); no term is negative."""
        if beyond_comparison(self.shift):
            return math.inf
        return self.covariance_term / 2 + kl(self.shift.delta)

    @property
    def covariance_term(self) -> float:
        """C = log(det S2 / det S1) + tr(S2^-1 S1) - dim >= 0, twice the divergence of the covariances alone, nats."""
        return float(self.shift.multiplicity @ log_gap(self.shift.log_eigenvalues, 1.0))

    def renyi(self, alpha: float) -> float:
        """1/2 sum [log(1 + (1 - alpha) e_i) / (1 - alpha) - log(1 + e_i)] + alpha/2 sum d_i^2 / (1 + (1 - alpha) e_i).

        Infinite if the mixed covariance alpha S2 + (1 - alpha) S1 is not positive definite, which requires alpha > 1.
        Source: Gil, Alajaji & Linder 2013, doi:10.1016/j.ins.2013.06.018, table 2, in coordinates where S2 is 1.
        """
        shift = self.shift
        if beyond_comparison(shift):
            return math.inf
        mixed = alpha + (1 - alpha) * shift.eigenvalues
        if np.any(mixed <= 0):
            return math.inf
        spread = float(shift.multiplicity @ log_gap(shift.log_eigenvalues, alpha))
        return spread / 2 + alpha * kl(float(np.hypot.reduce(shift.distance / np.sqrt(mixed))))

    def tv(self) -> float:
        self._only_one_scale("total variation")
        return tv(self.shift.delta)

    def js(self) -> float:
        self._only_one_scale("Jensen-Shannon divergence")
        return js(self.shift.delta)

    def w2(self) -> float:
        return math.hypot(self.shift.length, math.sqrt(bures2(self.shift)))

    def tv_lower(self) -> dict[str, float | None]:
        shift = self.shift
        return {
            "lemma_1": None if shift.traces is None else total_variation.lemma_1(shift.length, *shift.traces),
            "lemma_1_best": total_variation.lemma_1_best(shift.distance, shift.log_eigenvalues),
        }

    def _only_one_scale(self, measure: str) -> None:
        if not self.shift.one_scale:
            raise NoExactForm(f"{measure} of Gaussians of two covariances has no closed form")


def kl(delta: float) -> float:
    """KL(N(mu1, S) || N(mu2, S)) = delta^2 / 2, in nats.

    Args:
        delta: Mahalanobis distance sqrt((mu1 - mu2)' S^-1 (mu1 - mu2)), >= 0.

    Source: arXiv:2403.00155, equation (3) with equal covariances. It is half the squared distance, not the distance.
    """
    if not delta >= 0:
        raise ValueError(f"delta is {delta}: expected a distance >= 0")
    return 0.5 * delta * delta


def tv(delta: float) -> float:
    """Total variation of N(mu1, S) and N(mu2, S): erf(delta / sqrt 8), for p > q on one side of the middle."""
    return math.erf(delta / math.sqrt(8))


def js(delta: float) -> float:
    """Jensen-Shannon divergence of N(mu1, S) and N(mu2, S), nats: the mean of ``js_kernel`` under the first.

    Along the shift log(p / q) = delta z + delta^2 / 2 with z standard normal; z = sinh u.
    """
    if delta > 100:  # log 2 - O(exp(-delta^2 / 8))
        return math.log(2)
    u = nodes(-3.4, 3.4, 0.01)
    z = np.sinh(u)
    weight = np.exp(-(z**2) / 2) * np.cosh(u)
    return float(weight @ js_kernel(delta * (z + delta / 2)) / weight.sum())


def js_kernel(log_ratio: np.ndarray) -> np.ndarray:
    """A point's contribution to the Jensen-Shannon divergence, as a share of (p + q) / 2; in [0, log 2].

    With r = tanh(log(p / q) / 2) = (p - q) / (p + q) it is [(1 + r) log(1 + r) + (1 - r) log(1 - r)] / 2, which is
    r^2 / 2 + r^4 / 12 + ... = sum r^2k / (2k (2k - 1)): quadratic, so accurate for near-equal distributions.
    """
    size = np.minimum(np.abs(log_ratio), 1000.0)
    r2 = np.tanh(np.minimum(size, 1.0) / 2) ** 2
    series = np.polynomial.polynomial.polyval(r2, [0, *(1 / (2 * k * (2 * k - 1)) for k in range(1, 25))])
    q = np.exp(-size)
    return np.asarray(np.where(size < 1, series, math.log(2) - np.log1p(q) - size * q / (1 + q)))


def beyond_comparison(shift: Shift) -> bool:
    """Whether, in floats, one distribution is singular in the metric of the other, or infinitely far from it.

    Then every Kullback-Leibler and Renyi divergence of any two distributions of this location and scale is infinite.
    """
    return not (math.isfinite(shift.delta) and bool(np.all(np.isfinite(shift.log_eigenvalues))))


def bures2(shift: Shift) -> float:
    """The scale matrices' part of the squared 2-Wasserstein distance (0 for a single matrix).

    Raises:
        NotDefined: the scale matrices are unknown.
    """
    if shift.one_scale:
        return 0.0
    if shift.bures2 is None:
        raise NotDefined("w2 needs both scale matrices, and a singular precision was given: choose another measure")
    return shift.bures2


def log_gap(log_eigenvalues: np.ndarray, alpha: float) -> np.ndarray:
    """log(alpha + (1 - alpha) v) / (1 - alpha) - log v, and v - 1 - log v for alpha = 1: of second order in log v.

    Args:
        log_eigenvalues: log v, such that alpha + (1 - alpha) v > 0.
    """
    if not log_eigenvalues.any():  # one scale, the usual case, does not wait for SciPy's import
        return np.zeros_like(log_eigenvalues)
    if alpha < 0.5:  # from the other side, which is accurate for orders near 0
        return alpha / (1 - alpha) * _log_gap(-log_eigenvalues, 1 - alpha, alpha)
    return _log_gap(log_eigenvalues, alpha, 1 - alpha)


def _log_gap(log_eigenvalues: np.ndarray, alpha: float, rest: float) -> np.ndarray:
    """``log_gap`` with ``rest`` = 1 - alpha."""
    excess, eigenvalues = np.expm1(log_eigenvalues), np.exp(log_eigenvalues)
    with np.errstate(divide="ignore"):  # in elements where the other term is used
        log_mixed = np.where(
            excess * rest > -0.5, np.log1p(np.maximum(excess * rest, -0.5)), np.log(alpha + rest * eigenvalues)
        )
    plain = (excess if rest == 0 else log_mixed / rest) - log_eigenvalues
    near = np.where(np.abs(excess) * max(1.0, abs(rest)) < _NEAR, excess, 0.0)
    series = excess_over_log(near) - (excess_over_log(near * rest) / rest if rest != 0 else 0.0)
    return np.asarray(np.where(near != 0, series, plain))


def excess_over_log(z: np.ndarray | float) -> np.ndarray:
    """z - log(1 + z) = z^2 / 2 - z^3 / 3 + ..., for z > -1, to full relative precision."""
    from scipy import special

    near = np.where(np.abs(z) < 0.5, z, 0.0)
    return np.asarray(np.where(near == z, near * near / 2 * special.hyp2f1(1, 2, 3, -near), z - np.log1p(z)))
