"""Lemma 3 and Corollary 3, in which a layer's AP3 bounds that of the next one: diagnostics, for they are false (W3)."""

import math
from collections.abc import Iterator
from itertools import pairwise

from apcli.records.bound import DIAGNOSTIC, Assumption, Bound, Constant
from apcli.stages.bounds.ap3.assumptions import below_2
from apcli.stages.bounds.ap3.latent import Latents
from apcli.stages.bounds.measured import MeasuredPair, Stated, Weights
from apcli.theory.bounds import inversions, loss

_PAPER = "arXiv:2403.00155"
_W3 = "W3: the next layer is pruned freely, whatever this one's AP3 is"


def statements(pair: MeasuredPair, latents: Latents) -> Iterator[Stated]:
    """Both for every compared layer and the one before it."""
    for before, after in pairwise(pair.weights):
        for bound in _bounds(before, after, latents):
            yield Stated(bound, after.layer.name)


def _bounds(before: Weights, after: Weights, latents: Latents) -> Iterator[Bound]:
    latent, next_latent = latents.of(before), latents.of(after)
    kl, next_kl, spread = latent.kl, next_latent.kl, latent.spread
    ratio = after.ap2 / before.ap2 if before.ap2 else math.inf if after.ap2 else 0.0
    factor = ratio if math.isfinite(ratio) else 0.0  # where this layer stays, AP2 is 0, and so is R AP2 for any R
    # The paper's own step: 1 + chi2 <= 1 + K |D|^2. For Gaussians of one covariance chi2 is exp(2 KL) - 1.
    density = _expm1(2 * next_kl) / after.ap2 if after.ap2 else 0.0
    lemma = math.inf if factor else 0.0
    if math.isfinite(density):
        lemma = loss.lemma_3(kl=kl, spread=spread, ratio=factor, density=density)
    corollary = loss.corollary_3(
        kl=kl,
        ratio=factor,
        covariance_term=0.0,
        next_largest_precision=1 / next_latent.smallest,
        smallest_precision=1 / latent.largest,
    )
    quantity = latent.gaussians
    names = before.layer.name, after.layer.name
    free = Assumption(
        "AP2 is at most R times that of the layer before", False,
        f"{_W3}; from {names[0]} to {names[1]} R is {ratio:.4g}, of this pair of files alone",
    )  # fmt: skip
    bounded = Assumption("1 / density is bounded", False, "W3: no Gaussian or Student-t density is bounded from below")
    length = factor * inversions.corollary_1(kl, spread)
    needed = _expm1(next_kl) / length if 0 < length < math.inf else math.inf
    constants = (
        Constant(f"AP3 of {names[0]}", kl, 0.0, "exact"),
        Constant("R", _known(ratio), 0.0, "measured: the ratio of the two layers' AP2"),
    )
    k = (
        Constant("K", _known(density), 0.0, "chi2 / |D|^2 of the layer, as in the proof"),
        Constant("K that is needed", _known(needed), 0.0, "the least with which the statement holds here"),
    )
    yield Bound.stated(
        "lemma 3", _PAPER, DIAGNOSTIC, quantity, lemma,
        unit="nats", measured=next_kl, assumptions=(free, bounded, below_2(kl)), constants=(*constants, *k),
    )  # fmt: skip
    yield Bound.stated(
        "corollary 3", _PAPER, DIAGNOSTIC, quantity, corollary,
        unit="nats", measured=next_kl, assumptions=(free,), constants=constants,
    )  # fmt: skip


def _expm1(exponent: float) -> float:
    try:
        return math.expm1(exponent)
    except OverflowError:
        return math.inf


def _known(number: float) -> float | None:
    return number if math.isfinite(number) else None
