"""Bounds on PD, the change of a loss by pruning, as arXiv:2403.00155 states them and as they can be proven.

Losses and risks have one unit throughout (nats for cross-entropy), ``kl`` is in nats, lengths are in units of the
weights. H is the Hessian of the risk by the weights that pruning changes.
"""

import math
from collections.abc import Sequence

from apcli.registry.ranges import NOT_NEGATIVE, POSITIVE, UNBOUNDED
from apcli.theory.bounds import inversions


def lemma_2(*, mean_target: float, curvature: float, kl: float, spread: float) -> float:
    """PD <= E|Y| lambda_max(H) / 2 C sqrt(KL) / (sqrt 2 - sqrt KL), as published for the last layer; not proven.

    It is also the g of Theorem 1, which claims it for the KL of *any one* layer. Known against both: layers other than
    that one may differ too, and their share of PD is not in the bound; the gradient of one sample's loss is not 0, so
    that its first-order term cannot be left out; nor can the remainder of the Taylor series.

    Args:
        mean_target: E|Y| of the paper's linear loss; 1 where H is the Hessian of a real risk.
        curvature: lambda_max(H), >= 0.
        kl: of the layer, nats.
        spread: C of ``inversions.corollary_1``, 2 (tr P + tr Q).

    Returns:
        the bound, infinite for KL >= 2, and 0 for a curvature of 0.

    Source: arXiv:2403.00155, Lemma 2, equations (11)-(18), and Theorem 1, equation (8), as reconstructed.
    """
    return _taylor(mean_target, curvature, inversions.corollary_1(kl, spread))


def corollary_2(*, mean_target: float, curvature: float, kl: float, smallest_precision: float) -> float:
    """PD <= E|Y| lambda_max(H) KL / lambda_min(S^-1) for Gaussians of one covariance S; as published, not proven.

    The inversion is exact and holds for every KL; what is known against ``lemma_2`` stands.

    Args:
        smallest_precision: lambda_min(S^-1), > 0. Others are those of ``lemma_2``.

    Source: arXiv:2403.00155, Corollary 2, equations (9) and (19)-(22), as reconstructed.
    """
    return _taylor(mean_target, curvature, inversions.gaussian_length_at_most(kl, 0.0, smallest_precision))


def _taylor(mean_target: float, curvature: float, squared_length: float) -> float:
    NOT_NEGATIVE.check(mean_target=mean_target, curvature=curvature)
    factor = mean_target * curvature / 2
    return factor * squared_length if factor else 0.0


def lemma_3(*, kl: float, spread: float, ratio: float, density: float) -> float:
    """KL of layer l + 1 <= log(1 + K R C sqrt(KL) / (sqrt 2 - sqrt KL)), KL that of layer l; a diagnostic, false.

    Where layer l stays as it is KL is 0, and pruning layer l + 1 has any divergence nevertheless. Its constant K bounds
    1 / density, which no Gaussian or Student-t distribution on the whole space has.

    Args:
        kl: of layer l, nats; the bound is infinite from 2 on.
        spread: C of layer l, see ``inversions.corollary_1``.
        ratio: R, measured: |w - w~|^2 of layer l + 1 over that of layer l.
        density: K, the paper's unnamed constant: KL of layer l + 1 <= log(1 + K |w - w~|^2 of layer l + 1).

    Source: arXiv:2403.00155, Lemma 3, equations (23)-(35): structure only, as reconstructed.
    """
    NOT_NEGATIVE.check(ratio=ratio, density=density)
    factor = density * ratio
    return math.log1p(factor * inversions.corollary_1(kl, spread)) if factor else 0.0


def corollary_3(
    *, kl: float, ratio: float, covariance_term: float, next_largest_precision: float, smallest_precision: float
) -> float:
    """KL of layer l + 1 <= (C + lambda_max(S'^-1) R 2 KL / lambda_min(S^-1)) / 2; a diagnostic, false like Lemma 3.

    Args:
        kl: of layer l, whose Gaussians have one covariance S.
        ratio: R of ``lemma_3``.
        covariance_term: C of layer l + 1, see ``GaussianPair.covariance_term``.
        next_largest_precision: lambda_max(S'^-1), of layer l + 1.
        smallest_precision: lambda_min(S^-1), of layer l.

    Source: arXiv:2403.00155, Corollary 3, equations (10) and (36)-(41), as reconstructed.
    """
    NOT_NEGATIVE.check(ratio=ratio)
    length = inversions.gaussian_length_at_most(kl, 0.0, smallest_precision)
    next_length = ratio * length if ratio else 0.0
    return inversions.gaussian_kl_at_most(next_length, covariance_term, next_largest_precision)


def multi_layer(*, gradient_term: float, curvature: float, squared_lengths: Sequence[float]) -> float:
    """PD <= |grad R(w)' D| + Lambda / 2 sum |D_l|^2, D = w~ - w: a certificate where Lambda holds on the whole segment.

    Derived (R1): Taylor's theorem with the remainder of Lagrange. It is exact about what it needs: *every* layer that
    differs is in the sum. A Lambda from some points of the segment makes it an estimate.

    Args:
        gradient_term: grad R(w)' D over all those layers together, of either sign; 0 where w is stationary.
        curvature: Lambda, at least the spectral norm of H, so the larger of |lambda_min| and |lambda_max|, at every
            point between w and w~.
        squared_lengths: |D_l|^2 of each layer, measured, or ``inversions.gaussian_length_at_most`` of each layer's AP3.
    """
    NOT_NEGATIVE.check(curvature=curvature)
    for square in squared_lengths:
        UNBOUNDED.check(squared_length=square)
    return abs(gradient_term) + _taylor(1.0, curvature, math.fsum(squared_lengths))


def definition_5(kl_dense: float, kl_sparse: float) -> float:
    """|KL(P_w* || P_w~t) - KL(P_w~* || P_w~t)|, nats: the eps_t with which AP3 holds approximately in iteration t.

    Args:
        kl_dense: from the optimal dense weights w* to the sparse ones of iteration t.
        kl_sparse: from the optimal sparse weights w~* to the same. Both are finite.

    Source: arXiv:2403.00155, Definition 5, equation (6), as reconstructed.
    """
    NOT_NEGATIVE.check(kl_dense=kl_dense, kl_sparse=kl_sparse)
    return abs(kl_dense - kl_sparse)


def squared_length_of_iteration(
    *, gap: float, smallest_precision: float, largest_precision: float, steps_left: int, step: float, gradient: float
) -> float:
    """|w* - w~t|^2 <= [2 eps_t + lambda_max(S^-1) ((T - t) eta G)^2] / lambda_min(S^-1), for Gaussians of one S.

    Derived (R4): eps_t bounds the difference of two squared Mahalanobis lengths, each between lambda_min and lambda_max
    times the Euclidean one, and gradient descent has T - t steps of at most eta G left until w~*.

    Args:
        gap: eps_t of ``definition_5``, nats.
        smallest_precision: lambda_min(S^-1), > 0; ``largest_precision`` is lambda_max(S^-1).
        steps_left: T - t, >= 0.
        step: eta, the largest learning rate in those steps.
        gradient: G, the largest Euclidean length of a gradient (of an update, by its learning rate) in them.
    """
    NOT_NEGATIVE.check(gap=gap, steps_left=steps_left, step=step, gradient=gradient)
    POSITIVE.check(smallest_precision=smallest_precision, largest_precision=largest_precision)
    moved = steps_left * step * gradient
    return (2 * gap + largest_precision * moved * moved) / smallest_precision


def theorem_2(*, curvature: float, squared_length: float, gradient_term: float = 0.0) -> float:
    """PD in iteration t <= |grad R(w*)' (w~t - w*)| + Lambda / 2 |w* - w~t|^2: a provable Theorem 2 (R4).

    Args:
        curvature: Lambda of ``multi_layer``, on the segment from w* to w~t.
        squared_length: of ``squared_length_of_iteration``.

    Source: the published statement is arXiv:2403.00155, Theorem 2, equations (42)-(53), of which only the structure is
    known: PD = O(eps_t, T - t).
    """
    return multi_layer(gradient_term=gradient_term, curvature=curvature, squared_lengths=[squared_length])
