"""The slow, obvious versions that the tests compare with."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import mpmath
import numpy as np
from scipy import integrate, linalg, special, stats

from apcli.theory.distributions.shifts import Shift


def removed_by_sort(scores: Sequence[float], removed: int) -> set[int]:
    """The indices of the ``removed`` lowest scores, by a stable full sort."""
    return set(sorted(range(len(scores)), key=lambda index: scores[index])[:removed])


def student_t_kl_digits(delta: float, df: float, dim: int, digits: int = 30) -> float:
    """The divergence of two shifted Student-t laws by adaptive quadrature with ``digits`` digits.

    The integral is the one in which log(1 + Q/df) is averaged by its Laplace transform,

        KL = a int_0^inf [(1+y)^(-df/2) - (1+y)^(-a) (1 + c y/(1+y)^2)^(-df/2)] dy/y  -  a [psi(a) - psi(df/2)],

    whose two parts cancel: hence the digits. Its integrand is not the one of ``apcli.theory.distributions.student_t``.
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
    """Dimension 1, from the definition: the integral of p log(p / q), p(0) from scipy."""
    constant = float(stats.t(df).logpdf(0))

    def log_density(z: float) -> float:
        return constant - (df + 1) / 2 * math.log1p(z * z / df)

    def integrand(z: float) -> float:
        return math.exp(log_density(z)) * (log_density(z) - log_density(z - delta))

    parts = [(-np.inf, -5), (-5, 0), (0, delta), (delta, delta + 5), (delta + 5, np.inf)]
    return math.fsum(integrate.quad(integrand, *part, epsabs=1e-14, epsrel=1e-11, limit=400)[0] for part in parts)


def student_t_kl_in_the_plane(delta: float, df: float, dim: int, step: float = 0.05) -> float:
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


def shift_of(difference: Sequence[float], first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> Shift:
    """What two elliptical laws differ by, from whole scale matrices, by the definitions."""
    a, s1, s2 = (np.array(given, dtype=float) for given in (difference, first, second))
    inverse = np.linalg.inv(np.linalg.cholesky(s2))
    excess, basis = np.linalg.eigh(inverse @ (s1 - s2) @ inverse.T)
    root = linalg.sqrtm(s2).real
    bures2 = float(np.trace(s1 + s2 - 2 * linalg.sqrtm(root @ s1 @ root).real))
    traces = float(np.trace(s1)), float(np.trace(s2))
    distance = np.abs(basis.T @ inverse @ a)
    return Shift(np.log1p(excess), np.ones(len(a), dtype=int), distance, float(np.linalg.norm(a)), traces, bures2)


def column_variances(weight: np.ndarray) -> np.ndarray:
    """The variances of a layer's columns as ``row_samples`` documents them, in plain loops."""
    count = len(weight)
    squares = [sum((x - sum(column) / count) ** 2 for x in column) for column in weight.T.tolist()]
    mean = sum(square / (count - 1) for square in squares) / len(squares)
    return np.array([(square + mean) / count for square in squares])


def _on_the_line(integrand: Callable[[mpmath.mpf], mpmath.mpf], low: mpmath.mpf, high: mpmath.mpf, digits: int):
    step = mpmath.mpf(3.2) / (digits + 15)
    return step * mpmath.fsum(integrand(low + step * k) for k in range(int((high - low) / step) + 1))


def general_student_t_kl_digits(shift: Shift, df: float, other_df: float, digits: int = 30) -> float:
    """The divergence of two Student-t laws of any scales and degrees of freedom, both finite.

    The mean of log(1 + Q / other_df) by its Laplace transform, in terms whose sum cancels: hence the digits.
    """
    with mpmath.workdps(digits + 25):
        n1, n2, dim = mpmath.mpf(df), mpmath.mpf(other_df), mpmath.mpf(shift.dim)
        lengths, counts = [mpmath.mpf(float(d)) ** 2 for d in shift.distance], [int(m) for m in shift.multiplicity]
        scales = [mpmath.exp(mpmath.mpf(float(log))) for log in shift.log_eigenvalues]
        ratios = [scale * n1 / n2 for scale in scales]

        def integrand(t: mpmath.mpf) -> mpmath.mpf:
            y = mpmath.exp(t)
            grown = mpmath.fsum(m * mpmath.log1p(k * y) for m, k in zip(counts, ratios, strict=True)) / 2
            square = mpmath.fsum(d / (1 + k * y) for d, k in zip(lengths, ratios, strict=True))
            grown += n1 / 2 * mpmath.log1p(y / (n2 * (1 + y)) * square)
            return (1 + y) ** (-n1 / 2) * -mpmath.expm1(-grown)

        tail = (digits + 15) * mpmath.log(10)
        low = -tail - mpmath.log(max([1, *ratios]) * dim * max(1, sum(lengths) / n2))
        mean = _on_the_line(integrand, low, 2 * tail / n1 + 3, digits)
        log_det = mpmath.fsum(m * mpmath.log(scale) for m, scale in zip(counts, scales, strict=True))
        a1, a2, gamma = (n1 + dim) / 2, (n2 + dim) / 2, mpmath.loggamma
        entropy = a1 * (mpmath.digamma(a1) - mpmath.digamma(n1 / 2))
        constant = gamma(a1) - gamma(n1 / 2) - gamma(a2) + gamma(n2 / 2) + dim / 2 * mpmath.log(n2 / n1)
        return float(constant - log_det / 2 + a2 * mean - entropy)


def general_student_t_renyi_digits(shift: Shift, df: float, other_df: float, alpha: float, digits: int = 30) -> float:
    """The same for the Renyi divergence of order ``alpha`` below 1: two powers joined by Feynman's parameter w."""
    with mpmath.workdps(digits + 25):
        n1, n2, dim, al = mpmath.mpf(df), mpmath.mpf(other_df), mpmath.mpf(shift.dim), mpmath.mpf(alpha)
        lengths, counts = [mpmath.mpf(float(d)) ** 2 for d in shift.distance], [int(m) for m in shift.multiplicity]
        scales = [mpmath.exp(mpmath.mpf(float(log))) for log in shift.log_eigenvalues]
        a, b = al * (n1 + dim) / 2, (1 - al) * (n2 + dim) / 2

        def integrand(t: mpmath.mpf) -> mpmath.mpf:
            w, v = 1 / (1 + mpmath.exp(-t)), 1 / (1 + mpmath.exp(t))
            mixed = [w / (n1 * scale) + v / n2 for scale in scales]
            far = zip(scales, mixed, lengths, strict=True)
            square = 1 + mpmath.fsum(w * v / (n1 * scale * n2 * m) * d for scale, m, d in far)
            log_det = mpmath.fsum(k * mpmath.log(m) for k, m in zip(counts, mixed, strict=True))
            return mpmath.exp(
                a * mpmath.log(w) + b * mpmath.log(v) - log_det / 2 - (a + b - dim / 2) * mpmath.log(square)
            )

        tail, gamma = (digits + 15) * mpmath.log(10), mpmath.loggamma
        spread = mpmath.log(max(1, *scales) / min(1, *scales) * max(n1 / n2, n2 / n1) * max(1, sum(lengths)))
        total = _on_the_line(integrand, -tail / min(b, 1) - spread, tail / min(a, 1) + spread, digits)
        log_det = mpmath.fsum(m * mpmath.log(scale) for m, scale in zip(counts, scales, strict=True))
        k1 = gamma((n1 + dim) / 2) - gamma(n1 / 2) - dim / 2 * mpmath.log(n1 * mpmath.pi) - log_det / 2
        k2 = gamma((n2 + dim) / 2) - gamma(n2 / 2) - dim / 2 * mpmath.log(n2 * mpmath.pi)
        constant = dim / 2 * mpmath.log(mpmath.pi) + gamma(a + b - dim / 2) - gamma(a) - gamma(b)
        return float((al * k1 + (1 - al) * k2 + constant + mpmath.log(total)) / (al - 1))


def radial_digits(
    df: float, other_df: float, dim: int, scale: float, what: str | float, digits: int = 40
) -> mpmath.mpf:
    """Two Student-t laws about one centre, from their densities: integrals over log |z| on intervals that double.

    Args:
        df: of the first law, of size ``scale``; the second has ``other_df`` and the size 1; infinity is the Gaussian.
        what: ``kl``, ``tv`` or the order of a Renyi divergence.
    """
    with mpmath.workdps(digits):
        n1, n2, d, s = (mpmath.mpf(number) for number in (df, other_df, dim, scale))

        def log_density(n: mpmath.mpf, square: mpmath.mpf) -> mpmath.mpf:
            if n == mpmath.inf:
                return -d / 2 * mpmath.log(2 * mpmath.pi) - square / 2
            constant = mpmath.loggamma((n + d) / 2) - mpmath.loggamma(n / 2) - d / 2 * mpmath.log(n * mpmath.pi)
            return constant - (n + d) / 2 * mpmath.log1p(square / n)

        log_area = mpmath.log(2) + d / 2 * mpmath.log(mpmath.pi) - mpmath.loggamma(d / 2)

        def integrand(t: mpmath.mpf) -> mpmath.mpf:
            square, log_volume = mpmath.exp(2 * t), log_area + d * t
            log_p, log_q = log_density(n1, square / s**2) - d * mpmath.log(s), log_density(n2, square)
            if what == "kl":
                return mpmath.exp(log_p + log_volume) * (log_p - log_q)
            if what == "tv":
                return abs(mpmath.exp(log_p + log_volume) - mpmath.exp(log_q + log_volume)) / 2
            return mpmath.exp(what * log_p + (1 - what) * log_q + log_volume)

        most = max((n for n in (n1, n2) if n != mpmath.inf), default=d)
        reach = 500 / min(n1, n2, 1)
        ends = set()
        for centre in (mpmath.log(d) / 2, mpmath.log(d) / 2 + mpmath.log(s)):
            length = mpmath.sqrt(1 / d + 1 / most)
            while length < reach:
                ends |= {centre, centre + length, *([centre - length] if length < 450 / d + 60 else [])}
                length *= 2
        parts = [mpmath.quad(integrand, part, method="gauss-legendre") for part in pairwise(sorted(ends))]
        total = mpmath.fsum(parts)
        return total if isinstance(what, str) else mpmath.log(total) / (what - 1)


def on_the_line(log_p: Callable[[float], float], log_q: Callable[[float], float], points: Sequence[float]):
    """KL, total variation, Jensen-Shannon and Bhattacharyya of two densities on a line, by adaptive quadrature."""

    def terms(z: float) -> tuple[float, float, float, float]:
        p, q = math.exp(log_p(z)), math.exp(log_q(z))
        mean = (p + q) / 2
        apart = sum(f * math.log(f / mean) for f in (p, q) if f > 0) / 2
        return p * (log_p(z) - log_q(z)), abs(p - q) / 2, apart, math.sqrt(p * q)

    ends = [-np.inf, *points, np.inf]

    def integral(which: int) -> float:
        parts = (integrate.quad(lambda z: terms(z)[which], *ends, epsabs=1e-14, epsrel=1e-11, limit=400)
                 for ends in pairwise(ends))  # fmt: skip
        return math.fsum(part[0] for part in parts)

    kl, tv, js, affinity = (integral(which) for which in range(4))
    return {"kl": kl, "tv": tv, "js": js, "bhattacharyya": -math.log(affinity)}


def line_integral(
    integrand: Callable[[float, float], float],
    log_p: Callable[[float], float],
    log_q: Callable[[float], float],
    x: float,
    reach: float,
) -> float:
    """The integral of ``integrand(log p(t), log q(t - x))`` over |t| < sinh(``reach``), in parts between 0 and x."""

    def of(s: float) -> float:
        t = math.sinh(s)
        return integrand(log_p(t), log_q(t - x)) * math.cosh(s)

    ends = [-reach, 0.0, math.asinh(x), reach]
    parts = [part for part in pairwise(ends) if part[0] < part[1]]
    return math.fsum(integrate.quad(of, *part, epsabs=0, epsrel=1e-12, limit=400)[0] for part in parts)


@dataclass(frozen=True)
class SoftmaxRegression:
    """Multinomial regression without bias, by the definitions: h float64 [N, J], classes y [N]; weights [K, J]."""

    h: np.ndarray
    y: np.ndarray

    def logits(self, weights: np.ndarray) -> np.ndarray:
        return self.h @ weights.T

    def losses(self, weights: np.ndarray) -> np.ndarray:
        """The cross-entropy of each sample, nats."""
        return special.logsumexp(self.logits(weights), axis=1) - self.logits(weights)[np.arange(len(self.y)), self.y]

    def risk(self, weights: np.ndarray) -> float:
        return float(self.losses(weights).mean())

    def gradient(self, weights: np.ndarray) -> np.ndarray:
        """Of the risk, [K, J]."""
        excess = special.softmax(self.logits(weights), axis=1) - np.eye(len(weights))[self.y]
        return excess.T @ self.h / len(self.y)

    def hessian(self, weights: np.ndarray) -> np.ndarray:
        """Of the risk, [K J, K J]: the mean of (diag(p) - p p') (x) h h'."""
        p = special.softmax(self.logits(weights), axis=1)
        parts = [np.kron(np.diag(a) - np.outer(a, a), np.outer(b, b)) for a, b in zip(p, self.h, strict=True)]
        return np.mean(parts, axis=0)

    def margins(self, weights: np.ndarray) -> np.ndarray:
        """z_y - the largest other logit, [N]."""
        logits = self.logits(weights)
        own = np.eye(logits.shape[1], dtype=bool)[self.y]
        return logits[own] - np.where(own, -np.inf, logits).max(axis=1)

    def accuracy(self, weights: np.ndarray) -> float:
        return float(np.mean(self.logits(weights).argmax(axis=1) == self.y))

    @property
    def largest_moment(self) -> float:
        """lambda_max(E h h')."""
        return float(np.linalg.eigvalsh(self.h.T @ self.h / len(self.h)).max())


_N = np.arange(12)
REFERENCE = SoftmaxRegression(np.sin(1.3 * _N[:, None] + 0.7 * np.arange(4) + 0.2), _N % 3)
REFERENCE_WEIGHTS = np.cos(0.9 * np.arange(3)[:, None] + 0.4 * np.arange(4))


def smallest_removed(count: int) -> np.ndarray:
    """``REFERENCE_WEIGHTS`` with as many of the smallest set to 0."""
    pruned = REFERENCE_WEIGHTS.ravel().copy()
    pruned[np.argsort(np.abs(pruned), kind="stable")[:count]] = 0
    return pruned.reshape(REFERENCE_WEIGHTS.shape)


def softmax_regressions(count: int, seed: int = 0) -> Iterator[tuple[SoftmaxRegression, np.ndarray, np.ndarray]]:
    """Random problems of 3 classes, each with weights and a change of them, small or large."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        samples, inputs = rng.integers(1, 20), rng.integers(1, 6)
        problem = SoftmaxRegression(
            rng.normal(size=(samples, inputs)) * rng.exponential(), rng.integers(3, size=samples)
        )
        weights = rng.normal(size=(3, inputs)) * 10 ** rng.uniform(-2, 1)
        change = rng.normal(size=weights.shape) * 10 ** rng.uniform(-3, 1)
        if rng.random() < 0.3:
            change = -weights * (rng.random(weights.shape) < 0.5)  # pruned
        yield problem, weights, change
