"""Certificates for a softmax network of which only the last layer's weight matrix changes, from W to W + D.

Logits are z = W h + b with the last hidden activations h, so a sample's logits change by D h. Nothing is expanded in a
series that is cut off, and W need not be stationary. Derived (R2, R3).
"""

import math
from dataclasses import dataclass

import numpy as np

from apcli.registry.ranges import NOT_NEGATIVE


@dataclass(frozen=True)
class LossChange:
    """Bounds on R(W + D) - R(W), the change of the mean cross-entropy R in nats, with its sign.

    Attributes:
        lower: the gradient term, by convexity.
        upper: with the mean squared change of the logits.
        crude_upper: with lambda_max(E h h') |D|^2 in place of that mean square: never below ``upper``.
        size: of the change without its sign, sqrt 2 E|D h|.
    """

    lower: float
    upper: float
    crude_upper: float
    size: float

    @property
    def pd(self) -> float:
        """The bound on PD = |R(W + D) - R(W)|: the tightest that these give."""
        return min(self.size, max(self.upper, -self.lower))


def loss_change(
    *,
    gradient_term: float,
    mean_change: float,
    mean_squared_change: float,
    largest_moment: float,
    squared_length: float,
) -> LossChange:
    """Bound the change of the mean cross-entropy over samples (or in expectation, all five of one distribution).

    A sample's Hessian by its logits, diag(p) - p p', lies between 0 and I / 2: hence convexity below, and a quarter of
    the mean square above. Its gradient by them, p - y, is at most sqrt 2 long.

    Args:
        gradient_term: <grad R(W), D>, the sum over all weights, of either sign, nats.
        mean_change: E|D h|, the mean Euclidean length of a sample's change of logits.
        mean_squared_change: E|D h|^2.
        largest_moment: lambda_max(E h h'), of the second moments (not centred) of the activations.
        squared_length: |D|^2, the squared Frobenius norm (AP2 of the layer).
    """
    NOT_NEGATIVE.check(
        mean_change=mean_change,
        mean_squared_change=mean_squared_change,
        largest_moment=largest_moment,
        squared_length=squared_length,
    )
    return LossChange(
        gradient_term,
        gradient_term + mean_squared_change / 4,
        gradient_term + largest_moment * squared_length / 4,
        math.sqrt(2) * mean_change,
    )


def curvature(largest_moment: float) -> float:
    """lambda_max(H) <= lambda_max(E h h') / 2 for the Hessian H by W, at every W: a Lambda for ``loss.multi_layer``."""
    NOT_NEGATIVE.check(largest_moment=largest_moment)
    return largest_moment / 2


def accuracy_change(margins: np.ndarray, changes: np.ndarray) -> float:
    """|acc(W) - acc(W + D)| <= the share of samples with |m| <= sqrt 2 |D h|, in [0, 1].

    Two logits' difference changes by at most sqrt 2 |D h|, so other predictions stay right, or wrong.

    Args:
        margins: float [n], m = z_y - the largest other logit, before the change; negative where the class is wrong.
        changes: float [n], |D h| of the same samples. NaN in either counts as a prediction that may change.

    Raises:
        ValueError: no samples, or two different numbers of them.
    """
    if not (margins.ndim == 1 and margins.shape == changes.shape and len(margins)):
        raise ValueError(f"margins {margins.shape}, changes {changes.shape}: expected one number each for every sample")
    keeps = np.abs(margins) > math.sqrt(2) * changes
    return 1 - float(np.count_nonzero(keeps)) / len(margins)
