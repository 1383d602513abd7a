"""Exact statements about a proportion or a quantile from independent draws, for any number of them.

``beta`` is the probability that a statement is wrong, so 1 - ``beta`` is its confidence.
"""

import math
from collections.abc import Sequence

from apcli.registry.ranges import ERROR, Numbers


def upper(failures: int, draws: int, beta: float) -> float:
    """The largest probability of failure that ``failures`` in ``draws`` leave possible: Clopper & Pearson, one-sided.

    Args:
        failures: of the draws, which are independent and of one distribution.

    Returns:
        p in (0, 1], such that as few failures have the probability ``beta``; 1 where all draws failed.

    Source: Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404.
    """
    _check(failures, draws, beta)
    return _upper(failures, draws, beta)


def interval(failures: int, draws: int, beta: float) -> tuple[float, float]:
    """The two-sided interval of the probability of failure, ``beta`` / 2 on each side; arguments are ``upper``'s."""
    _check(failures, draws, beta)
    from scipy import special

    low = 0.0 if failures == 0 else float(special.betaincinv(failures, draws - failures + 1, beta / 2))
    return low, _upper(failures, draws, beta / 2)


def draws_for_quantile(delta: float, beta: float) -> int:
    """The least number of draws whose maximum is at least the (1 - ``delta``)-quantile with confidence 1 - ``beta``.

    All of N independent draws are below that quantile with a probability of at most (1 - delta)^N, whatever is drawn.

    Source: Wilks 1941, doi:10.1214/aoms/1177731788.
    """
    ERROR.check(delta=delta, beta=beta)
    return math.ceil(math.log(beta) / math.log1p(-delta))


def number_of_events(probabilities: Sequence[float]) -> list[float]:
    """The probability of each number of events, 0 to n, among n independent ones of these probabilities.

    It is the Poisson binomial distribution, convolved event by event; of equal probabilities, the binomial one.
    """
    shares = [1.0]
    for p in probabilities:
        Numbers(0.0, 1.0).check(probability=p)
        shares = [(1 - p) * none + p * one for none, one in zip([*shares, 0.0], [0.0, *shares], strict=True)]
    return shares


def _upper(failures: int, draws: int, beta: float) -> float:
    from scipy import special

    return 1.0 if failures == draws else float(special.betainccinv(failures + 1, draws - failures, beta))


def _check(failures: int, draws: int, beta: float) -> None:
    Numbers(1).check(draws=draws)
    Numbers(0, draws).check(failures=failures)
    ERROR.check(beta=beta)
