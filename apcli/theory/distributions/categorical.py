"""Two networks' predictions: a pair of distributions over the classes for every sample, and mean divergences."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from apcli.registry.tables import Choice, imported
from apcli.theory import MeasureRow, measures
from apcli.theory.measures import NotDefined

_BLOCK = 1 << 20  # elements of the tables processed together: a few times 8 MiB
_NEAR = 0.5  # |log q/p| up to which differences of exponentials are computed as series
_TERMS = 14  # x^16/16! at 0.5 is below rounding
_SUM = 1e-3  # largest deviation of the probabilities' sum from 1: float16 tables are within it


@dataclass(frozen=True, eq=False)
class PerSample:
    """The divergences of p(. | x) from q(. | x) for each of N samples: the numbers of ``Pair`` as float64 [N].

    All functions of ``measures`` work element-wise on this, except ``hellinger``.
    """

    log_p: np.ndarray
    log_q: np.ndarray

    def reversed(self) -> "PerSample":
        """The same distributions, the pruned one first."""
        return PerSample(self.log_q, self.log_p)

    def kl(self) -> np.ndarray:
        """sum_c p log(p/q), as the sum of p (e^t - 1 - t), t = log q/p: no term is negative, so none cancel."""
        return self._sum(lambda p, q: _kl_terms(p, q - p).sum(axis=1))

    def renyi(self, alpha: float) -> np.ndarray:
        """log(sum_c p^alpha q^(1 - alpha)) / (alpha - 1); the sum minus 1 term by term if the two are close."""
        if alpha < 0.5:  # the side with the larger exponent is accurate: van Erven & Harremoes 2014, Prop. 2
            return self.reversed().renyi(1 - alpha) * (alpha / (1 - alpha))
        return self._sum(lambda p, q: _log_affinity(p, q, alpha) / (alpha - 1))

    def tv(self) -> np.ndarray:
        """sum_c |p - q| / 2."""
        return self._sum(lambda p, q: (np.exp(np.maximum(p, q)) * -np.expm1(-np.abs(q - p))).sum(axis=1) / 2)

    def js(self) -> np.ndarray:
        """The mean of KL(p || m) and KL(q || m), m = (p + q)/2."""

        def of(p: np.ndarray, q: np.ndarray) -> np.ndarray:
            t = q - p
            return ((_kl_terms(p, _log_mean(t)) + _kl_terms(q, _log_mean(-t))) / 2).sum(axis=1)

        return self._sum(of)

    def w2(self) -> np.ndarray:
        """Not defined: Wasserstein distances need a distance between classes."""
        raise NotDefined("predictions are distributions over labels, which have no distance from each other")

    def _sum(self, function: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        return np.concatenate([function(p, q) for p, q in _blocks(self.log_p, self.log_q)])


@dataclass(frozen=True, eq=False)
class CategoricalPair:
    """The dense and the pruned network's p(y | x), with x drawn from N samples: a ``measures.Pair``.

    Every divergence is one of the distributions of y given x, averaged over x, so Renyi's is not the divergence of the
    joint distributions of x and y. ``measures.bhattacharyya`` is the mean of -log sum sqrt(p q), and
    ``measures.hellinger`` is that of this mean, sqrt(1 - exp(-mean)): by Jensen's inequality at least the root of the
    mean squared distance.

    Args:
        log_p: log p(y | x) of the dense network; float [N, C], finite, natural logarithm. Sums over classes that
            rounding moved off 1 (in float32 tables, for instance) are corrected.
        log_q: the same for the pruned network, samples and classes being the same.

    Raises:
        ValueError: the tables differ in shape or are empty, or do not hold finite log-probabilities.
    """

    log_p: np.ndarray
    log_q: np.ndarray

    def __post_init__(self) -> None:
        from scipy.special import logsumexp

        shapes = self.log_p.shape, self.log_q.shape
        if shapes[0] != shapes[1] or len(shapes[0]) != 2 or 0 in shapes[0]:
            raise ValueError(f"predictions have shapes {shapes[0]} and {shapes[1]}: expected [samples, classes] twice")
        for table in (self.log_p, self.log_q):
            for (block,) in _slices(table):
                sums = logsumexp(block, axis=1)
                if not (np.isfinite(block).all() and np.all(np.abs(sums) <= _SUM)):
                    raise ValueError("predictions are no log-probabilities: expected finite ones that sum to 1")

    @property
    def dim(self) -> int:
        """The number of classes."""
        return self.log_p.shape[1]

    @property
    def samples(self) -> PerSample:
        """The same divergences before averaging."""
        return PerSample(self.log_p, self.log_q)

    def reversed(self) -> "CategoricalPair":
        """The same predictions, the pruned network's first."""
        return CategoricalPair(self.log_q, self.log_p)

    def kl(self) -> float:
        """The mean of KL(p(y | x) || q(y | x)), nats."""
        return float(self.samples.kl().mean())

    def renyi(self, alpha: float) -> float:
        """The mean of the Renyi divergences of order ``alpha``, nats."""
        return float(self.samples.renyi(alpha).mean())

    def tv(self) -> float:
        """The mean total variation."""
        return float(self.samples.tv().mean())

    def js(self) -> float:
        """The mean Jensen-Shannon divergence, nats."""
        return float(self.samples.js().mean())

    def w2(self) -> float:
        """Not defined: labels have no distance from each other."""
        return float(self.samples.w2().mean())

    def tv_lower(self) -> dict[str, float | None]:
        """None: Lemma 1 is about means and covariances, which labels do not have."""
        return {"lemma_1": None, "lemma_1_best": None}

    def std_error(self, measure: Choice[MeasureRow]) -> float | None:
        """The standard error of the mean over the N samples; None for N = 1.

        Raises:
            NotDefined: the measure does not exist for these distributions.
        """
        if len(self.log_p) == 1:
            return None
        if measure.row.sample_error:
            return float(imported(measure.row.sample_error)(self.samples, **measure.parameters))
        values: Any = measure(self.samples)
        return _error(values)


def hellinger_error(samples: PerSample) -> float:
    """The standard error of ``measures.hellinger``, a function of the mean m of Bhattacharyya's distances.

    By the delta method: its derivative with respect to m is exp(-m) / (2 hellinger).
    """
    view: Any = samples
    values: Any = measures.bhattacharyya(view)
    error = _error(values)
    if error == 0:
        return error
    mean = float(values.mean())
    return error * math.exp(-mean) / (2 * math.sqrt(-math.expm1(-mean)))


def _error(values: np.ndarray) -> float:
    """The standard error of the mean."""
    return float(values.std(ddof=1)) / math.sqrt(len(values))


def _slices(*tables: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    step = max(1, _BLOCK // tables[0].shape[1])
    for start in range(0, len(tables[0]), step):
        yield tuple(table[start : start + step].astype(np.float64) for table in tables)


def _blocks(*tables: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Rows of the tables together, float64, as log-probabilities whose sums are 1."""
    from scipy.special import log_softmax

    for parts in _slices(*tables):
        yield tuple(log_softmax(part, axis=1) for part in parts)


def _excess(x: np.ndarray) -> np.ndarray:
    """e^x - 1 - x, >= 0, accurate also for x near 0."""
    series = np.zeros_like(x)
    for k in range(_TERMS, 1, -1):  # x^2/2 (1 + x/3 (1 + x/4 (...)))
        series = (1 + series) * x / k
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(np.abs(x) < _NEAR, series * x, np.expm1(x) - x)


def _kl_terms(log_p: np.ndarray, t: np.ndarray) -> np.ndarray:
    """p (e^t - 1 - t) with p e^t <= 1: each class's term of KL(p || p e^t)."""
    p = np.exp(log_p)
    with np.errstate(invalid="ignore"):  # 0 times infinity, in elements not used
        return np.where(np.abs(t) < _NEAR, p * _excess(t), np.exp(log_p + t) - p - p * t)


def _log_mean(t: np.ndarray) -> np.ndarray:
    """log((1 + e^t) / 2)."""
    with np.errstate(over="ignore"):
        return np.where(np.abs(t) < _NEAR, np.log1p(np.expm1(t) / 2), np.logaddexp(0, t) - math.log(2))


def _log_affinity(log_p: np.ndarray, log_q: np.ndarray, alpha: float) -> np.ndarray:
    """log sum_c p^alpha q^(1 - alpha) for each row.

    As both sum to 1, the sum minus 1 is that of p^alpha q^(1 - alpha) - alpha p - (1 - alpha) q, all of one sign.
    """
    from scipy.special import logsumexp

    t, mixed, p = log_q - log_p, alpha * log_p + (1 - alpha) * log_q, np.exp(log_p)
    u = (1 - alpha) * t
    with np.errstate(all="ignore"):  # in elements not used
        near = p * (_excess(u) - (1 - alpha) * _excess(t))
        moved = np.where(np.abs(u) < _NEAR, p * np.expm1(u), np.exp(mixed) - p)  # alpha may be near 1
        less = np.where(np.abs(t) < _NEAR, near, moved - (1 - alpha) * (np.exp(log_q) - p)).sum(axis=1)
        return np.where(np.abs(less) < 0.5, np.log1p(less), logsumexp(mixed, axis=1))
