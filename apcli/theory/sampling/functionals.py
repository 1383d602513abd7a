"""Measures as averages of the log-ratio of two distributions over draws: the ``drawn`` functions of ``MEASURES``.

L = log p/q, with p the dense and q the pruned distribution. A functional takes ``draws``, which yields log-ratios
log(first / second) [n, k] at points of the first distribution, k antithetic points per row; the pair; the total number
of ``points``; and the measure's parameters.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from apcli.theory.distributions.products import ProductPair
from apcli.theory.measures import Pair, check_order
from apcli.theory.sampling.log_ratios import elliptical_parameters

_CARRIED = 0.1  # relative error of a mean of exponentials at which about 100 draws dominate it
Draws = Callable[[Pair, int], Iterator[torch.Tensor]]


@dataclass(frozen=True)
class Estimate:
    """An average over draws and its standard error, both in the measure's unit.

    The value is NaN, and its error infinite, if so few draws dominate the average that it is meaningless.
    """

    value: float
    std_error: float


def kl(draws: Draws, pair: Pair, points: int) -> Estimate:
    """E_p L."""
    return Estimate(math.inf, 0.0) if _infinite(pair, 1.0) else _mean(draws(pair, points))


def reverse_kl(draws: Draws, pair: Pair, points: int) -> Estimate:
    """E_q -L."""
    return kl(draws, pair.reversed(), points)


def jeffreys(draws: Draws, pair: Pair, points: int) -> Estimate:
    """E_p L + E_q -L, half of the points each."""
    return _sum([kl(draws, either, points // 2) for either in (pair, pair.reversed())])


def tv(draws: Draws, pair: Pair, points: int) -> Estimate:
    """E_m |tanh(L/2)|, m = (p + q) / 2, half of the points each."""
    return _of_mixture(lambda ratio: torch.tanh(ratio / 2).abs(), draws, pair, points)


def js(draws: Draws, pair: Pair, points: int) -> Estimate:
    """E_m k(tanh(L/2)), 2 k(r) = (1+r) log(1+r) + (1-r) log(1-r), half of the points each."""
    return _of_mixture(_js_kernel, draws, pair, points)


def renyi(draws: Draws, pair: Pair, points: int, *, alpha: float) -> Estimate:
    """log E_p exp((alpha - 1) L) / (alpha - 1); the error is by the delta method."""
    check_order(alpha)
    if _infinite(pair, alpha):
        return Estimate(math.inf, 0.0)
    log_mean = _log_mean_exp((alpha - 1) * ratio for ratio in draws(pair, points))
    return Estimate(log_mean.value / (alpha - 1), log_mean.std_error / abs(alpha - 1))


def bhattacharyya(draws: Draws, pair: Pair, points: int) -> Estimate:
    """Half the Renyi divergence of order 1/2."""
    half = renyi(draws, pair, points, alpha=0.5)
    return Estimate(half.value / 2, half.std_error / 2)


def hellinger(draws: Draws, pair: Pair, points: int) -> Estimate:
    """From Bhattacharyya's distance. The error is that of the root one standard error up: it stays finite at 0."""
    distance = bhattacharyya(draws, pair, points)
    if math.isnan(distance.value):
        return distance
    square = max(0.0, -math.expm1(-distance.value))
    error = math.exp(-distance.value) * distance.std_error
    return Estimate(math.sqrt(square), math.sqrt(square + error) - math.sqrt(square))


def _of_mixture(kernel: Callable[[torch.Tensor], torch.Tensor], draws: Draws, pair: Pair, points: int) -> Estimate:
    """The mean of ``kernel`` over the even mixture of both distributions."""
    halves = (draws(either, points // 2) for either in (pair, pair.reversed()))
    return _sum([_mean(map(kernel, half)) for half in halves], weight=0.5)


def _js_kernel(ratio: torch.Tensor) -> torch.Tensor:
    """k(r) at r = tanh(L/2): (r L + log(1 - r^2)) / 2 for small L, otherwise log 2 minus the remainder."""
    size = ratio.abs().clamp(max=1e3)  # beyond 40 it is log 2
    r, small = torch.tanh(size / 2), torch.exp(-size)
    near = (r * size + torch.log1p(-r * r)) / 2
    far = math.log(2) - torch.log1p(small) - size * small / (1 + small)
    return torch.where(size < 1, near, far)


def _infinite(pair: Pair, order: float) -> bool:
    """Whether int p^order q^(1 - order) is known to diverge in the tails; order 1 stands for KL."""
    if order < 1:
        return False
    if isinstance(pair, ProductPair):
        return pair.diverges(order)
    shift, df, other_df = elliptical_parameters(pair)
    if math.isinf(df) and math.isinf(other_df):
        return bool(np.any(order + (1 - order) * shift.eigenvalues <= 0))
    if math.isinf(other_df):
        return order > 1 or df <= 2
    return not math.isinf(df) and order * df + (1 - order) * other_df <= 0


# ---- averages


def _mean(blocks: Iterator[torch.Tensor]) -> Estimate:
    """The mean of all draws, and its standard error from the means of the rows."""
    counts, means, squares = _moments(blocks)
    mean = float(np.average(means, weights=counts))
    return Estimate(mean, _error(counts, means, squares, mean))


def _log_mean_exp(blocks: Iterator[torch.Tensor]) -> Estimate:
    """Log of the mean of exp, each block relative to its largest value: no overflow, and accurate near 0."""
    tops: list[float] = []

    def scaled() -> Iterator[torch.Tensor]:
        for block in blocks:
            tops.append(float(block.max()))
            yield torch.expm1(block - tops[-1])

    counts, means, squares = _moments(scaled())
    top = max(tops)
    smaller = np.array(tops) - top
    means, squares = np.expm1(smaller) + np.exp(smaller) * means, np.exp(2 * smaller) * squares
    mean = float(np.average(means, weights=counts))
    error = _error(counts, means, squares, mean) / (1 + mean)
    if error > _CARRIED:  # a few draws dominate the sum: neither it nor its error is known
        return Estimate(math.nan, math.inf)
    return Estimate(top + math.log1p(mean), error)


def _moments(blocks: Iterator[torch.Tensor]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each block: number of rows, mean, and sum of squares of the rows' means about it."""
    rows = (block.mean(1) for block in blocks)
    moments = ((len(row), float(row.mean()), float((row - row.mean()).square().sum())) for row in rows)
    counts, means, squares = np.fromiter(moments, dtype=(float, 3)).T
    return counts, means, squares


def _error(counts: np.ndarray, means: np.ndarray, squares: np.ndarray, mean: float) -> float:
    total = counts.sum()
    return math.sqrt((squares.sum() + counts @ (means - mean) ** 2) / (total - 1) / total)


def _sum(terms: list[Estimate], weight: float = 1.0) -> Estimate:
    """The sum of independent estimates, times a weight. An infinite one has no error."""
    value = weight * sum(term.value for term in terms)
    return Estimate(value, 0.0 if math.isinf(value) else weight * math.hypot(*(term.std_error for term in terms)))
