"""Monte Carlo with honest errors: every measure as an average of the log-ratio of two laws over random points.

The points are in ``log_ratios.py``, as few scalars each, and in ``naive.py``, whole vectors.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from apcli.devices import device_of
from apcli.registry.tables import Choice
from apcli.theory.distributions.products import ProductPair
from apcli.theory.measures import NotDefined, Pair, check_order
from apcli.theory.sampling.log_ratios import antithetic, elliptical_parameters

# Log-ratios log(first / second) [n, k] at points of the first law, k antithetic points to a row, ``points`` in all.
_CARRIED = 0.1  # relative error of a mean of exponentials at which about 100 draws carry it
Draws = Callable[[Pair, int], Iterator[torch.Tensor]]


@dataclass(frozen=True)
class Estimate:
    """An average over draws and its standard error, both in the measure's unit.

    The value is NaN, and its error infinite, where so few draws carry the average that nothing can be said of it.
    """

    value: float
    std_error: float


def estimate(pair: Pair, measure: Choice, samples: int, repeats: int, seed: int, device: str) -> Estimate:
    """The measure of the pair by Monte Carlo over the scalars that its log-ratio depends on.

    Args:
        pair: a Gaussian, Student-t or product pair.
        measure: any of the table but w2.
        samples: latent points at which the log-ratio is evaluated, antithetic partners counted; measures that need
            draws from both laws take half of them from each.
        repeats: as many times ``samples``, the draws all different.
        seed: of a generator of its own on ``device``; the same arguments give the same number.
        device: as ``--device`` names it; one with double precision.

    Returns:
        The mean over all draws, and its standard error from the averages of antithetic pairs. An integral that is known
        to be infinite is infinite without error. Where the log-ratio has no variance (KL of a Student-t law of df <= 4
        from a Gaussian) the standard error is too small; so it is for Renyi orders where few draws carry the sum.

    Raises:
        NotDefined: the measure is no average over draws, or the pair's laws are not drawn.
        ValueError: a number is out of range.
    """
    generator = torch.Generator(device_of(device)).manual_seed(seed)
    with _one_thread():
        return from_draws(partial(antithetic, generator=generator), pair, measure, samples * repeats)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Short operations gain little from torch's threads, and lose thirtyfold where a busy machine makes them wait."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def from_draws(draws: Draws, pair: Pair, measure: Choice, points: int) -> Estimate:
    """The measure of the pair from ``points`` log-ratios.

    With L = log p/q, p the dense and q the pruned law, m = (p + q) / 2: KL = E_p L; total variation
    = E_m |tanh(L/2)|; Jensen-Shannon = E_m k(tanh(L/2)), 2 k(r) = (1+r) log(1+r) + (1-r) log(1-r); Renyi
    = log E_p exp((alpha - 1) L) / (alpha - 1), whose error, like that of a root of it, is by the delta method.
    """
    if points < 8:
        raise ValueError(f"{points} points in all: expected at least 8 for a mean with a standard error")
    match measure.name:
        case "kl":
            return _kl(draws, pair, points)
        case "reverse-kl":
            return _kl(draws, pair.reversed(), points)
        case "jeffreys":
            return _sum([_kl(draws, law, points // 2) for law in (pair, pair.reversed())])
        case "tv" | "js":
            bounded = _tv if measure.name == "tv" else _js
            halves = (draws(law, points // 2) for law in (pair, pair.reversed()))
            return _sum([_mean(map(bounded, half)) for half in halves], weight=0.5)
        case "renyi":
            return _renyi(draws, pair, points, float(measure.parameters["alpha"]))
        case "bhattacharyya":
            return _bhattacharyya(draws, pair, points)
        case "hellinger":
            return _hellinger(_bhattacharyya(draws, pair, points))
    raise NotDefined(f"{measure.name} is no average of a density ratio: use --estimator exact")


# ---- measures as averages


def _kl(draws: Draws, pair: Pair, points: int) -> Estimate:
    return Estimate(math.inf, 0.0) if _infinite(pair, 1.0) else _mean(draws(pair, points))


def _tv(ratio: torch.Tensor) -> torch.Tensor:
    return torch.tanh(ratio / 2).abs()


def _js(ratio: torch.Tensor) -> torch.Tensor:
    """k(r) at r = tanh(L/2): (r L + log(1 - r^2)) / 2 while L is small, log 2 less what is left when it is not."""
    size = ratio.abs().clamp(max=1e3)  # beyond 40 it is log 2
    r, small = torch.tanh(size / 2), torch.exp(-size)
    near = (r * size + torch.log1p(-r * r)) / 2
    far = math.log(2) - torch.log1p(small) - size * small / (1 + small)
    return torch.where(size < 1, near, far)


def _renyi(draws: Draws, pair: Pair, points: int, alpha: float) -> Estimate:
    check_order(alpha)
    if _infinite(pair, alpha):
        return Estimate(math.inf, 0.0)
    log_mean = _log_mean_exp((alpha - 1) * ratio for ratio in draws(pair, points))
    return Estimate(log_mean.value / (alpha - 1), log_mean.std_error / abs(alpha - 1))


def _bhattacharyya(draws: Draws, pair: Pair, points: int) -> Estimate:
    half = _renyi(draws, pair, points, 0.5)
    return Estimate(half.value / 2, half.std_error / 2)


def _hellinger(distance: Estimate) -> Estimate:
    """From Bhattacharyya's distance. The error is that of the root one standard error up: it stays finite at 0."""
    if math.isnan(distance.value):
        return distance
    square = max(0.0, -math.expm1(-distance.value))
    error = math.exp(-distance.value) * distance.std_error
    return Estimate(math.sqrt(square), math.sqrt(square + error) - math.sqrt(square))


def _infinite(pair: Pair, order: float) -> bool:
    """Whether int p^order q^(1 - order) is known to diverge in the tails; order 1 stands for KL."""
    if order < 1:
        return False
    if isinstance(pair, ProductPair):  # Cauchy tails are alike whatever the scales
        heavier = order / pair.scale + (1 - order) / pair.pruned_scale <= 0
        return pair.family == "laplace" and bool(heavier)
    shift, df, other_df = elliptical_parameters(pair)
    if math.isinf(df) and math.isinf(other_df):
        return bool(np.any(order + (1 - order) * shift.eigenvalues <= 0))
    if math.isinf(other_df):
        return order > 1 or df <= 2
    return not math.isinf(df) and order * df + (1 - order) * other_df <= 0


# ---- averages


def _mean(blocks: Iterator[torch.Tensor]) -> Estimate:
    """Mean of all, and its standard error from the means of the rows."""
    counts, means, squares = _moments(blocks)
    mean = float(np.average(means, weights=counts))
    return Estimate(mean, _error(counts, means, squares, mean))


def _log_mean_exp(blocks: Iterator[torch.Tensor]) -> Estimate:
    """Log of the mean of exp, each block relative to its own largest value: no overflow, and digits near 0 stay."""
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
    if error > _CARRIED:  # a few draws carry the sum: neither it nor its error is known
        return Estimate(math.nan, math.inf)
    return Estimate(top + math.log1p(mean), error)


def _moments(blocks: Iterator[torch.Tensor]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each block: number of rows, mean, and sum of squares of the rows' means about it."""
    rows = (block.mean(1) for block in blocks)
    moments = ((len(row), float(row.mean()), float((row - row.mean()).square().sum())) for row in rows)
    counts, means, squares = np.fromiter(moments, dtype=(float, 3)).T
    return counts, means, squares


def _error(counts: np.ndarray, means: np.ndarray, squares: np.ndarray, mean: float) -> float:
    total = counts.sum()
    return math.sqrt((squares.sum() + counts @ (means - mean) ** 2) / (total - 1) / total)


def _sum(terms: list[Estimate], weight: float = 1.0) -> Estimate:
    """Of independent estimates, times a weight. What is infinite is so without error."""
    value = weight * sum(term.value for term in terms)
    return Estimate(value, 0.0 if math.isinf(value) else weight * math.hypot(*(term.std_error for term in terms)))
