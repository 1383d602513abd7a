"""Exact divergences between two multivariate Student-t distributions: one-dimensional integrals, no sampling.

A distribution t_df(m, S) has location m and scale matrix S; its covariance is df / (df - 2) S, for df above 2.
"""

import math
from dataclasses import dataclass

import numpy as np

from apcli.registry.ranges import UNBOUNDED
from apcli.theory.bounds import total_variation
from apcli.theory.distributions import gaussian, student_t_integrals
from apcli.theory.distributions.gaussian import GaussianPair
from apcli.theory.distributions.radial import jensen_gap
from apcli.theory.distributions.shifts import Shift
from apcli.theory.measures import NoExactForm, NotDefined, number_or_same
from apcli.theory.numerics.quadrature import graded, integrals, nodes

_STEP = 0.125  # the trapezoidal rule converges geometrically here: at this step only rounding errors remain
_FINE = 0.02  # the same for the Jensen-Shannon integrand, whose poles are closer to the line
_LIMIT = 1e20  # degrees of freedom from which the distribution of one coordinate is the Gaussian in floats
_LOG_LARGEST = 700.0  # the logarithm of the largest distance
_ROWS = 64  # of the nodes of the outer integral, so that the inner ones take a few megabytes


def pair(shift: Shift, *, df: float, pruned_df: float | str) -> "StudentTPair":
    """t_df(w, S1) and t_pruned_df(w~, S2) (arXiv:2403.00155, section 5.3); infinite df is the Gaussian.

    Raises:
        ValueError: a df is not above 0.
    """
    other = number_or_same(pruned_df, df, "student-t:pruned_df")
    for name, value in (("df", df), ("pruned_df", other)):
        if not value > 0:
            raise ValueError(f"student-t:{name} is {value:g}: expected a number above 0, or inf for the Gaussian")
    return StudentTPair(shift, float(df), other)


@dataclass(frozen=True)
class StudentTPair:
    """Two Student-t distributions; ``measures.Pair`` documents the methods."""

    shift: Shift
    df: float
    pruned_df: float

    @property
    def dim(self) -> int:
        return self.shift.dim

    def reversed(self) -> "StudentTPair":
        return StudentTPair(self.shift.reversed(), self.pruned_df, self.df)

    @property
    def only_shifted(self) -> bool:
        """Whether the two distributions differ only in location."""
        return self.df == self.pruned_df and self.shift.one_scale

    @property
    def _gaussian(self) -> bool:
        return math.isinf(self.df) and math.isinf(self.pruned_df)

    def kl(self) -> float:
        """Infinite from a distribution without variance (df at most 2) to a Gaussian."""
        if gaussian.beyond_comparison(self.shift):
            return math.inf
        if self._gaussian:
            return GaussianPair(self.shift).kl()
        if self.only_shifted:
            return kl(self.shift.delta, self.df, self.dim)
        return student_t_integrals.kl(self.shift, self.df, self.pruned_df)

    def renyi(self, alpha: float) -> float:
        """Orders above 1 have no one-dimensional integral, but are infinite if a tail is too heavy for them.

        p^alpha q^(1 - alpha) falls like |z|^-(alpha df + (1 - alpha) pruned_df + dim).
        """
        if self._gaussian:
            return GaussianPair(self.shift).renyi(alpha)
        if self.only_shifted and self.shift.delta == 0:
            return 0.0
        if gaussian.beyond_comparison(self.shift):
            return math.inf
        if alpha < 1:
            return student_t_integrals.renyi(self.shift, self.df, self.pruned_df, alpha)
        if math.isinf(self.pruned_df) or alpha * self.df + (1 - alpha) * self.pruned_df <= 0:
            return math.inf
        raise NoExactForm(f"renyi:alpha={alpha:g} of Student-t distributions is an integral only below order 1")

    def tv(self) -> float:
        self._only_shifted("total variation")
        return tv(self.shift.delta, self.df)

    def js(self) -> float:
        self._only_shifted("Jensen-Shannon divergence")
        return js(self.shift.delta, self.df, self.dim)

    def w2(self) -> float:
        """sqrt(|a|^2 + df / (df - 2) B) for one df, with B the squared Bures distance of the scale matrices.

        A distribution without variance (df at most 2) can be shifted, at the cost |a|, but is infinitely far from any
        distribution with other tails or another scale: on some line the quantiles differ by a multiple of a quantile,
        whose square has no mean. Source: Gelbrich 1990, doi:10.1002/mana.19901470121; that a shift stays optimal is
        Schachermayer & Teichmann 2009, doi:10.1090/S0002-9939-08-09419-7.

        Raises:
            NotDefined: two different df above 2, or scale matrices that are not known.
        """
        if self.only_shifted:
            return float(self.shift.length)
        if min(self.df, self.pruned_df) <= 2:
            return math.inf
        if self.df != self.pruned_df:
            raise NotDefined(
                f"w2 of Student-t distributions of different df ({self.df:g}, {self.pruned_df:g}) has no closed form"
            )
        spread = math.sqrt(_variance(self.df)) * math.sqrt(gaussian.bures2(self.shift))
        return math.hypot(self.shift.length, spread)

    def tv_lower(self) -> dict[str, float | None]:
        """None if a distribution has no covariance: df at most 2."""
        shift = self.shift
        if min(self.df, self.pruned_df) <= 2:
            return {"lemma_1": None, "lemma_1_best": None}
        p, q = _variance(self.df), _variance(self.pruned_df)
        traces = None if shift.traces is None else (p * shift.traces[0], q * shift.traces[1])
        logs = shift.log_eigenvalues + math.log(p / q)
        return {
            "lemma_1": None if traces is None else total_variation.lemma_1(shift.length, *traces),
            "lemma_1_best": total_variation.lemma_1_best(shift.distance / math.sqrt(q), logs),
        }

    def _only_shifted(self, measure: str) -> None:
        if not self.only_shifted:
            raise NoExactForm(f"{measure} of Student-t distributions of two scales or df has no closed form")


def _variance(df: float) -> float:
    """df / (df - 2), also for infinite df."""
    return 1.0 if math.isinf(df) else df / (df - 2)


def kl(delta: float, df: float, dim: int) -> float:
    """KL(t_df(mu1, S) || t_df(mu2, S)) in nats, for two distributions that differ only in location.

    With a = (df + dim) / 2 and c = delta^2 / df,

        KL = a int_0^1 (1-x)^(a-1) [1 - (1 + c x (1-x))^(-df/2)] dx / x.

    The integrand is positive, so no digits cancel however small the divergence; it is symmetric in the two
    distributions. Substituting x = e^t / (1 + e^t) makes it smooth on the line, where the trapezoidal rule is accurate
    to rounding (relative error below 1e-14 for dim 1 to 1e7, df 0.5 to 1e6, delta 1e-6 to 1e4).

    Args:
        delta: Mahalanobis distance of the locations in the metric of the scale matrix S (not of the covariance,
            which is df / (df - 2) S), >= 0.
        df: degrees of freedom, > 0; infinity gives the Gaussian.
        dim: dimension, >= 1.

    Source: log(1 + q) written as a Frullani integral under the distribution's Gamma mixture, the radial part integrated
    out. For dim = df = 1 it is log(1 + delta^2 / 4), the Cauchy case (Chyzak & Nielsen 2019, arXiv:1905.10965).
    """
    if not (delta >= 0 and df > 0 and dim >= 1):
        raise ValueError(f"delta {delta}, df {df}, dim {dim}: expected delta >= 0, df > 0, dim >= 1")
    if delta == 0:
        return 0.0
    if df > _LIMIT * max(1.0, delta * delta) or math.isinf(delta):
        return gaussian.kl(delta)
    a = (df + dim) / 2
    log_c = 2 * math.log(delta) - math.log(df)
    left = -45.0 - max(0.0, math.log(a), 2 * math.log(delta))
    right = 3.0 + min(45 / a, 700.0)
    t = nodes(left, right, _STEP)
    log1p_exp = np.logaddexp(0, t)
    log_part = log_c + t - 2 * log1p_exp
    grown = np.exp(np.minimum(log_part, 0) + math.log(df / 2))  # log(1 + z) = z for tiny z, though df be huge
    decay = -np.expm1(-np.where(log_part < -40, grown, df / 2 * np.logaddexp(0, log_part)))
    return float(a * _STEP * np.sum(np.exp(-a * log1p_exp) * decay))


def distance(kl_value: float, df: float, dim: int) -> float:
    """The Mahalanobis distance at which ``kl`` is ``kl_value``: that function, which increases, inverted.

    Args:
        kl_value: nats, >= 0.

    Returns:
        sqrt((mu1 - mu2)' S^-1 (mu1 - mu2)) to a relative error of about 1e-13; infinite beyond floats.
    """
    from scipy import optimize

    UNBOUNDED.check(kl_value=kl_value)
    if kl_value == 0 or math.isinf(kl_value) or math.isinf(df):
        return math.sqrt(2) * math.sqrt(kl_value)

    def excess(log_delta: float) -> float:
        return math.log(kl(math.exp(log_delta), df, dim)) - math.log(kl_value)

    low = math.log(2 * kl_value * (1 + 2 / (df + dim))) / 2  # KL is at most delta^2 / 2 (df + dim) / (df + dim + 2)
    step, high = 1e-9, low + 1e-9
    while excess(high) < 0:
        if high >= _LOG_LARGEST:
            return math.inf
        step *= 4
        high = min(low + step, _LOG_LARGEST)
    return math.exp(optimize.brentq(excess, low - 1e-9, high, xtol=1e-15, rtol=1e-14))


def tv(delta: float, df: float) -> float:
    """Total variation of t_df(mu1, S) and t_df(mu2, S), in any dimension: P(|T| < delta / 2) with T from t_df.

    Source: one density is the larger on its side of the hyperplane in the middle, and any line sees a distribution
    t_df.
    """
    from scipy import special

    if df > _LIMIT:
        return gaussian.tv(delta)
    b, ratio = df / 2, delta / 2 / math.sqrt(df)
    if ratio < 1:
        return float(special.betainc(0.5, b, ratio * ratio / (1 + ratio * ratio)))
    if ratio > 1e150:  # whose square overflows: P(|T| > t) falls like t^-df
        excess = (
            2 * math.log(2) * b
            if b < 1e-8
            else special.gammaln(1 + b) + special.gammaln(0.5) - special.gammaln(0.5 + b)
        )
        return float(-np.expm1(-df * math.log(ratio) - excess))
    far = 1 / ratio / (1 / ratio + ratio)
    beyond = float(special.betainc(b, 0.5, far))
    return 1 - beyond if beyond < 0.5 else float(special.betaincc(b, 0.5, far))


def js(delta: float, df: float, dim: int) -> float:
    """Jensen-Shannon divergence of t_df(mu1, S) and t_df(mu2, S), nats: integrals along the shift and across it.

    Across the line through the locations both distributions are the same: rho, the squared distance from it, is such
    that rho / (df + rho) has a Beta((dim - 1) / 2, df / 2) distribution. Given rho the two are shifted distributions on
    a line, with n = df + dim - 1 degrees of freedom and the distance delta sqrt(n / (df + rho)). So the divergence is
    the mean of that on a line.

    Raises:
        NoExactForm: the tails are too heavy for the rules.
    """
    if math.isinf(df) or math.isinf(delta):
        return gaussian.js(delta)
    if delta == 0:
        return 0.0
    if dim == 1:
        return min(_js_of_one_dimension(delta, df), math.log(2))
    n, log_odds = df + dim - 1, math.log(dim - 1) - math.log(df)

    def distances(v: np.ndarray) -> np.ndarray:  # v = log(rho / df), less its mode
        return delta * np.exp((math.log(n) - math.log(df) - np.logaddexp(0, v + log_odds)) / 2)

    def log_weight(v: np.ndarray) -> np.ndarray:
        return -jensen_gap(n / 2, log_odds, v)

    def log_size(v: np.ndarray) -> np.ndarray:  # of what is far less than 1, the square of the distance
        with np.errstate(divide="ignore"):
            return np.asarray(log_weight(v) + np.minimum(0.0, 2 * np.log(distances(v))))

    def terms(v: np.ndarray) -> np.ndarray:  # by two steps
        rows = [_js_on_a_line(part, n) for part in np.array_split(distances(v), math.ceil(len(v) / _ROWS))]
        return np.concatenate(rows, axis=1) * np.exp(log_weight(v))

    width = min(1.0, math.sqrt(2 / (dim - 1) + 2 / df))
    (mass,), _ = integrals(lambda v: np.exp(log_weight(v))[None], graded(log_weight, 0.0, width))
    fine, coarse = integrals(terms, graded(log_size, 0.0, width))[0] / mass
    # Halving the steps squares the error of a rule that converges geometrically: 1e-6 before is 1e-12 after. On a line
    # this may fail for heavy tails: the other distribution's peak counts, and may be narrower than the steps.
    if not abs(fine - coarse) <= (1e-6 if df + dim > 2.5 else 1e-11) * fine:
        where = f"of Student-t distributions of df {df:g} at distance {delta:g}"
        raise NoExactForm(f"js {where}: the integral does not converge")
    return min(float(fine), math.log(2))


def _js_of_one_dimension(delta: float, df: float) -> float:
    """On a line, for any tails: the mean of ``js_kernel`` under the distribution at 0, the other at -delta."""
    from scipy import special

    def log_density(z: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return np.asarray(-(df + 1) / 2 * np.log1p(z / df * z))

    def terms(z: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            ratio = (df + 1) / 2 * np.log1p(delta / (df + z * z) * (2 * z + delta))
        return np.asarray(np.exp(log_density(z)) * gaussian.js_kernel(ratio))

    def log_size(z: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(terms(z))

    width = min(1.0, math.sqrt(df))
    ends = [graded(log_size, centre, width) for centre in (0.0, -delta)]
    (mean,), _ = integrals(lambda z: terms(z)[None], np.unique(np.concatenate([*ends, [-delta / 2]])))
    if df < 30:  # in closed form where a tail is long
        return float(mean) / math.exp(math.log(df) / 2 + float(special.betaln(0.5, df / 2)))
    (mass,), _ = integrals(lambda z: np.exp(log_density(z))[None], graded(log_density, 0.0, width))
    return float(mean / mass)


def _js_on_a_line(distances: np.ndarray, df: float) -> np.ndarray:
    """Jensen-Shannon divergences of t_df's at ``distances`` on a line, by ``_FINE`` steps and by twice as long ones.

    The mean of ``js_kernel`` under the distribution at 0, the other at -distance; z = min(1, sqrt df) sinh u.
    """
    from scipy import special

    width = min(1.0, math.sqrt(df))
    far = min(float(distances.max()), 1e100) / width
    reach = math.log1p(far) + 1 + 40 / (df + 2) if df < 30 else 4.0 + 40 / df
    u = nodes(-reach, reach, _FINE)
    z = width * np.sinh(u)
    weight = np.exp(-(df + 1) / 2 * np.log1p(z * z / df)) * np.cosh(u) * width
    shifts = distances[:, None]
    with np.errstate(over="ignore"):
        ratio = (df + 1) / 2 * np.log1p(shifts * (2 * z + shifts) / (df + z * z))
    kernel = gaussian.js_kernel(ratio) * weight
    # The mass in closed form if a tail beyond the nodes has some; by the same rule if the Beta function is huge.
    fine_mass, coarse_mass = weight.sum(), 2 * weight[::2].sum()
    if df < 30:
        fine_mass = coarse_mass = math.sqrt(df) * special.beta(0.5, df / 2) / _FINE
    return np.stack([kernel.sum(axis=1) / fine_mass, 2 * kernel[:, ::2].sum(axis=1) / coarse_mass])
