"""How far sums and means of independent bounded values stray from their expectations, above, with a stated probability.

``delta`` is the probability of straying further; for both sides, or several statements at once, divide it.
"""

import math

from apcli.registry.ranges import INSIDE, NOT_NEGATIVE, POSITIVE, Numbers


def bernstein(variance: float, largest: float, delta: float, dimension: int = 1) -> float:
    """M l / 3 + sqrt((M l / 3)^2 + 2 V l), l = log(dimension / delta), for a sum of independent terms of mean 0.

    Args:
        variance: V, the sum of the terms' variances; of random matrices X, at least the norms of the sums of E[XX'] and
            of E[X'X].
        largest: M, at least the size of each term, or its norm.
        delta: the probability, at most, that the sum, or its norm, is larger.
        dimension: n + m of matrices [n, m].

    Source: Bernstein's inequality, dimension exp(-t^2 / (2 (V + M t / 3))), solved for t (Boucheron, Lugosi & Massart
    2013, section 2.8; of matrices: Tropp 2012, arXiv:1004.4389).
    """
    NOT_NEGATIVE.check(variance=variance, largest=largest)
    INSIDE.check(delta=delta)
    log = math.log(dimension / delta)
    linear = largest * log / 3
    return linear + math.hypot(linear, math.sqrt(2 * variance * log))


def hoeffding(sum_of_squares: float, delta: float) -> float:
    """sqrt(2 log(1 / delta) sum c_i^2), for a sum of independent values of mean 0, each within +- c_i.

    Source: Hoeffding 1963, doi:10.1080/01621459.1963.10500830, theorem 2.
    """
    NOT_NEGATIVE.check(sum_of_squares=sum_of_squares)
    INSIDE.check(delta=delta)
    return math.sqrt(-2 * math.log(delta) * sum_of_squares)


def empirical_bernstein(*, mean: float, variance: float, largest: float, samples: int, delta: float) -> float:
    """An upper bound on an expectation: m + sqrt(2 v l / n) + 7 b l / (3 (n - 1)), l = log(2 / delta).

    Args:
        mean: m, of n independent values in [0, b].
        variance: v, their sample variance, with n - 1 below.
        largest: b, known beforehand, not the largest value seen.
        samples: n, at least 2.
        delta: the probability that the bound is too low, in (0, 1).

    Source: Maurer & Pontil 2009, arXiv:0907.3740, theorem 4.
    """
    NOT_NEGATIVE.check(mean=mean, variance=variance)
    POSITIVE.check(largest=largest)
    Numbers(2).check(samples=samples)
    INSIDE.check(delta=delta)
    log = math.log(2 / delta)
    return mean + math.sqrt(2 * variance * log / samples) + 7 * largest * log / (3 * (samples - 1))
