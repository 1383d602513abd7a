"""AP2 from AP3 and AP3 from AP2: what |w - w~|^2 and KL(P_w || P_w~) say about each other.

Throughout, ``squared_length`` is |w - w~|^2 (AP2, in squared units of the weights), ``kl`` is in nats, P_w has the
location w and P_w~ the location w~, and largest and smallest are eigenvalues of covariances, scale matrices or their
inverses, as the arguments say.
"""

import math

from apcli.registry.ranges import NOT_NEGATIVE, POSITIVE, UNBOUNDED
from apcli.theory.bounds.total_variation import pinsker
from apcli.theory.distributions import student_t

_LARGEST_EXPONENT = 700.0


def gaussian_kl_at_most(squared_length: float, covariance_term: float, largest_precision: float) -> float:
    """KL <= (C + lambda_max(S2^-1) |w - w~|^2) / 2 for N(w, S1) and N(w~, S2): AP2 implies AP3.

    Args:
        covariance_term: C of ``GaussianPair.covariance_term``, 0 where S1 = S2.
        largest_precision: the largest eigenvalue of S2^-1.

    Source: arXiv:2403.00155, equation (4), as reconstructed.
    """
    UNBOUNDED.check(squared_length=squared_length)
    NOT_NEGATIVE.check(covariance_term=covariance_term, largest_precision=largest_precision)
    return (covariance_term + (largest_precision * squared_length if largest_precision else 0.0)) / 2


def gaussian_length_at_most(kl: float, covariance_term: float, smallest_precision: float) -> float:
    """|w - w~|^2 <= (2 KL - C) / lambda_min(S2^-1): AP3 implies AP2 (arXiv:2403.00155, equation (5), as reconstructed).

    With the *same* eps this needs a covariance whose largest eigenvalue is at most 1/2. The paper asks for eigenvalues
    of 1 or more, which is the wrong way round: for S = 10 I and |w - w~|^2 = 1 KL is 0.05.

    Returns:
        the bound, 0 where ``kl`` is below C / 2, which no shift has; exact along the last eigenvector of S2^-1.
    """
    UNBOUNDED.check(kl=kl)
    NOT_NEGATIVE.check(covariance_term=covariance_term)
    POSITIVE.check(smallest_precision=smallest_precision)
    return max(0.0, 2 * kl - covariance_term) / smallest_precision


def corollary_1(kl: float, spread: float) -> float:
    """|w - w~|^2 <= C t / (1 - t), t = sqrt(KL / 2): Lemma 1 and Pinsker's inequality, for any two distributions.

    Args:
        kl: nats; from 2 on Pinsker's bound on total variation is 1 and says nothing.
        spread: C such that TV >= |a|^2 / (C + |a|^2): 2 (tr P + tr Q) as published, of covariances, not scale matrices.

    Returns:
        the bound, infinite for KL >= 2 (a limit of Pinsker's inequality: ``bretagnolle_huber`` has none).

    Source: arXiv:2403.00155, Corollary 1, as reconstructed. It goes to 0 like sqrt(KL), the truth like KL.
    """
    NOT_NEGATIVE.check(spread=spread)
    tv = pinsker(kl)
    return math.inf if tv == 1 else spread * tv / (1 - tv)


def bretagnolle_huber(kl: float, spread: float) -> float:
    """|w - w~|^2 <= C t / (1 - t), t = sqrt(1 - exp(-KL)): ``corollary_1`` for every KL, finite up to about 700 nats.

    Derived, with Bretagnolle & Huber 1979 in place of Pinsker's inequality; it is the smaller one above KL = 1.59.
    """
    UNBOUNDED.check(kl=kl)
    NOT_NEGATIVE.check(spread=spread)
    if kl > _LARGEST_EXPONENT:
        return math.inf
    tv = math.sqrt(-math.expm1(-kl))
    return spread * tv * (1 + tv) * math.exp(kl)  # as 1 - t^2 = exp(-KL)


def student_t_length_at_most(kl: float, largest_scale: float, df: float, dim: int) -> float:
    """|w - w~|^2 <= lambda_max(S) delta(KL)^2 for Student-t distributions of one scale matrix S and df: exact.

    Args:
        largest_scale: the largest eigenvalue of S (not of the covariance df / (df - 2) S).
        df: degrees of freedom, > 0; infinity: Gaussians.
        dim: dimension of the whole latent space.

    Derived: KL increases with the Mahalanobis distance, and ``student_t.distance`` inverts it.
    """
    POSITIVE.check(largest_scale=largest_scale)
    delta = student_t.distance(kl, df, dim)
    return largest_scale * delta * delta


def student_t_kl_at_most(squared_length: float, largest_precision: float, df: float, dim: int) -> float:
    """KL <= 1/2 (df + dim) / (df + dim + 2) lambda_max(S^-1) |w - w~|^2, for one scale matrix S and one df.

    Derived (R5), as 1 - (1 + u)^(-df/2) <= df u / 2 in the integral of ``student_t.kl``; so never more than the
    Gaussian's of the same S.

    Args:
        largest_precision: the largest eigenvalue of S^-1.
    """
    NOT_NEGATIVE.check(squared_length=squared_length, largest_precision=largest_precision)
    share = 1.0 if math.isinf(df) else (df + dim) / (df + dim + 2)
    return share * largest_precision * squared_length / 2
