"""A lower bound on KL between any two distributions on a line, from means and standard deviations alone.

Some pair of distributions reaches it (Nishiyama 2022, arXiv:2212.05820; the bound on total variation is
``total_variation.lemma_1_line``). In more dimensions it holds along every line, so along the shift of the means.
"""

import math

from apcli.registry.ranges import NOT_NEGATIVE
from apcli.theory.distributions.gaussian import excess_over_log


def kl(length: float, sd_p: float, sd_q: float) -> float:
    """KL(P || Q), nats, is at least the integral over x in (0, 1) of x / ((1 - x) R_P^2 + x R_Q^2 + x (1 - x)).

    R_P = s_P / |a| and R_Q = s_Q / |a|. The denominator is (p - x) (x + n) with p > 1 and n > 0, so that the integral
    is [n log(n / (n + 1)) + p log(p / (p - 1))] / (p + n), here with 1 added to one term and subtracted from the other.

    Args:
        length: |a|, the distance of the means, >= 0.
        sd_p: standard deviation of P, >= 0.
        sd_q: the same of Q; where it is 0 the divergence is infinite.
    """
    NOT_NEGATIVE.check(length=length, sd_p=sd_p, sd_q=sd_q)
    if length == 0:
        return 0.0
    if sd_q == 0:
        return math.inf
    square_p, square_q = (ratio * ratio for ratio in (sd_p / length, sd_q / length))
    if math.isinf(square_p + square_q):  # the means are equal in floats: any number >= 0 is a bound
        return 0.0
    half = (1 + square_q - square_p) / 2
    root = math.hypot(half, math.sqrt(square_p))
    p = half + root if half >= 0 else square_p / (root - half)
    n = square_p / p
    above = p * float(excess_over_log(-1 / p)) if p > 2 else p * math.log(p * (1 + n) / square_q) - 1
    below = n * float(excess_over_log(1 / n)) if n > 0 else 1.0
    return (above + below) / (p + n)
