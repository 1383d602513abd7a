"""Theorem 2 over the epochs of a trace, as it can be proven (R4); the final weights stand in the place of w~*."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from apcli.records import POOLED
from apcli.records.bound import PROVEN, Bound, Constant
from apcli.stages.bounds.ap3.latent import Latent, Latents
from apcli.stages.bounds.measured import MeasuredPair, Stated, Weights
from apcli.theory.bounds import loss


@dataclass(frozen=True)
class Epoch:
    """The traced layers after an epoch, and how close they are to the dense and to the final weights.

    Attributes:
        latent: the distributions around the dense weights and those of the epoch.
        gap: eps_t of Definition 5, nats.
        to_final: |w~* - w~t|^2.
        at_most: what Theorem 2 makes of both: at least |w* - w~t|^2.
    """

    number: int
    layers: tuple[Weights, ...]
    latent: Latent
    gap: float
    to_final: float
    at_most: float

    @property
    def ap2(self) -> float:
        """|w* - w~t|^2."""
        return math.fsum(w.ap2 for w in self.layers)

    def constants(self) -> tuple[Constant, ...]:
        """What enters ``at_most``."""
        place = "of the final weights, in the place of w~*"
        return (
            Constant("eps_t of Definition 5", self.gap, 0.0, f"Gaussian, with the AP3 {place}"),
            Constant("|w~* - w~t|^2", self.to_final, 0.0, f"distance {place}"),
            *self.latent.eigenvalues(),
        )


def lengths_of(pair: MeasuredPair, latents: Latents) -> Iterator[Epoch]:
    """The epochs of the trace."""
    final = {w.layer.tensor: w.pruned for w in pair.weights}
    for number, layers in pair.epochs():
        if number is not None:
            left = [final[w.layer.tensor] - w.pruned for w in layers]
            to_final = math.fsum(float(np.sum(np.square(each))) for each in left)
            latent = latents.pooled([latents.of(w) for w in layers])
            after = latents.pooled([latents.between(w, each) for w, each in zip(layers, left, strict=True)])
            gap = loss.definition_5(latent.kl, after.kl)
            at_most = loss.squared_length_of_iteration(
                gap=gap,
                smallest_precision=1 / latent.largest,
                largest_precision=1 / latent.smallest,
                steps_left=1,  # as if one step were left, of the length that is measured
                step=1.0,
                gradient=math.sqrt(to_final),
            )
            yield Epoch(number, layers, latent, gap, to_final, at_most)


def statements(pair: MeasuredPair, latents: Latents) -> Iterator[Stated]:
    """Its first half, which needs no network: how far the weights of an epoch are from the dense ones."""
    for epoch in lengths_of(pair, latents):
        bound = Bound.stated(
            "theorem 2, length", "derived (R4)", PROVEN, "AP2", epoch.at_most,
            measured=epoch.ap2, constants=epoch.constants(),
        )  # fmt: skip
        yield Stated(bound, POOLED, epoch.number)
