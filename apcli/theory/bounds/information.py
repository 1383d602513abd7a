"""Bounds and a diagnostic from mutual information, after the appendix of ITPruner (arXiv:2108.08532), reconstructed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from apcli.registry.ranges import INSIDE, ONE_OR_MORE, POSITIVE, UNBOUNDED


def generalization_gap(bits: Sequence[float], samples: int, delta: float) -> float:
    """e^2 with |R - R_n| <= e but for a probability delta: sum_i (log 2 * 2^I_i + log(2 / delta)) / (2 n); 0-1 loss.

    One representation alone is a bound already (Shwartz-Ziv, Painsky & Tishby 2018), and several are a weaker one, so
    the least I by itself is the tightest. A loss of 0 or 1 is never more than 1 away from its mean: an e^2 of 1 or more
    says nothing, as from 17.138 bits on with 50,000 samples at delta = 0.05. That a binary labelling of 2^I typical
    cells is all that is learnt assumes inputs of an ergodic Markov field; a deterministic network of continuous inputs
    has infinite I, and a finite one is a plug-in's.

    Args:
        bits: I(X; X_i) of each representation, in bits (not nats), >= 0 and one at least.
        samples: n, of the training set.
        delta: the probability that the bound fails, in (0, 1).

    Source: arXiv:2108.08532, Theorem 6 (= 1), as reconstructed: Hoeffding's inequality and a union over 2^(2^I)
    hypotheses.
    """
    if not len(bits):
        raise ValueError("bits is empty: expected the information of one representation or more")
    for value in bits:
        UNBOUNDED.check(bits=value)
    ONE_OR_MORE.check(samples=samples)
    INSIDE.check(delta=delta)
    with np.errstate(over="ignore"):
        hypotheses = math.log(2) * float(np.exp2(np.asarray(bits, dtype=float)).sum())
    return (hypotheses + len(bits) * math.log(2 / delta)) / (2 * samples)


@dataclass(frozen=True)
class GaussianInformation:
    """I(X; Y) of a Gaussian X and Y = W'X + noise.

    Attributes:
        nats: the information.
        first_order: nats, its first-order term in W W', which is at least as large: |W|_F^2 / (2 s^2) for S_X = 1.
    """

    nats: float
    first_order: float

    @property
    def bits(self) -> float:
        return self.nats / math.log(2)


def gaussian_information(weight: np.ndarray, *, noise: float = 1.0) -> GaussianInformation:
    """I = 1/2 log det(1 + W' W / s^2) of white inputs, beside the |W|_F^2 to which the paper says it is proportional.

    Without noise I is infinite; with it the two are proportional only to first order in W.

    Args:
        weight: W, float [inputs, outputs]: a layer's weight matrix transposed.
        noise: s, the standard deviation of independent noise on each output, > 0.

    Source: arXiv:2108.08532, Theorem 5, as reconstructed and corrected.
    """
    POSITIVE.check(noise=noise)
    if weight.ndim != 2:
        raise ValueError(f"weight has the shape {weight.shape}: expected a matrix [inputs, outputs]")
    scaled = np.asarray(weight, dtype=float) / noise
    gram = (
        scaled @ scaled.T if len(scaled) < scaled.shape[1] else scaled.T @ scaled
    )  # the smaller: both have one log det
    squares = np.maximum(np.linalg.eigvalsh(gram), 0.0)
    return GaussianInformation(float(np.log1p(squares).sum()) / 2, float(np.sum(scaled * scaled)) / 2)
