"""Theorem 6: the generalisation gap by the information that layers keep about the input, by a Gaussian plug-in."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import nn

from apcli.probes.representations import outputs_of
from apcli.probes.undisturbed import Batches
from apcli.records import POOLED
from apcli.records.bound import ESTIMATE, PUBLISHED, Assumption, Bound, Constant, Standing
from apcli.theory.bounds.information import gaussian_information, generalization_gap

PAPER = "arXiv:2108.08532, theorem 6, as reconstructed"
ONE_LAYER = "Shwartz-Ziv, Painsky & Tishby 2018, as in arXiv:2108.08532, theorem 6"
_ASSUMPTIONS = (
    Assumption("the inputs are an ergodic Markov field, of typical cells", None, "cannot be checked on a sample"),
    Assumption(
        "the plug-in is the information",
        None,
        "the network adds no noise: that of a deterministic network of continuous inputs is infinite",
    ),
)


@dataclass(frozen=True)
class Counts:
    """What enters beside the information: images trained on and images measured on, the noise and delta."""

    trained_on: int
    images: int
    noise: float
    delta: float


def bits(network: nn.Module, names: Mapping[str, str], batches: Batches, noise: float) -> dict[str, float]:
    """I(X; X_i + noise) of each layer's outputs X_i over the images, as of a Gaussian of their covariance, in bits.

    No other distribution of that covariance has more. It is the covariance over the images: of n of them, I is at most
    that of n - 1 directions.

    Args:
        names: layers' names by their tensors.
    """
    found = {}
    for tensor, outputs in outputs_of(network, list(names), batches).items():
        centred = (outputs.double() - outputs.double().mean(dim=0)) / math.sqrt(max(1, len(outputs) - 1))
        found[names[tensor]] = gaussian_information(centred.numpy(), noise=noise).bits
    return found


def gap_of(metrics: Mapping[str, Mapping[str, float | None] | None]) -> float | None:
    """|accuracy on the training images - on the test images|, in [0, 1], as a lineage holds them; None: not there."""
    train, test = ((metrics.get(split) or {}).get("accuracy") for split in ("train", "test"))
    return None if train is None or test is None else abs(train - test) / 100


def statements(
    state: str, informed: Mapping[str, float], counts: Counts, gap: float | None
) -> Iterator[tuple[str, Bound]]:
    """The bound of each layer, the least of them, and the published one, their sum; with the layer.

    Args:
        state: dense or pruned.
        informed: bits by layer.
        gap: the measured one.
    """
    one_by_one = {layer: [value] for layer, value in informed.items()}
    least = min(informed, key=lambda layer: informed[layer])
    share = counts.delta / len(informed)
    rows: list[tuple[str, str, str, Standing, list[float], float]] = [
        *((layer, "one layer", ONE_LAYER, ESTIMATE, one, counts.delta) for layer, one in one_by_one.items()),
        (POOLED, f"least layer ({least})", ONE_LAYER, ESTIMATE, one_by_one[least], share),
        (POOLED, "all layers", PAPER, PUBLISHED, list(informed.values()), counts.delta),
    ]
    for layer, which, source, standing, values, delta in rows:
        constants = (
            Constant("information", sum(values), None, f"bits: Gaussian plug-in on {counts.images} images"),
            Constant("noise", counts.noise, 0.0, "given"),
            Constant("images trained on", float(counts.trained_on), 0.0, "counted"),
            Constant("delta", delta, 0.0, "given" if delta == counts.delta else "given, shared among the layers"),
        )
        yield layer, Bound.stated(
            f"theorem 6, {which}, {state}", source, standing, "|accuracy in training - on new images|",
            math.sqrt(generalization_gap(values, counts.trained_on, delta)), measured=gap, trivial=1.0,
            assumptions=_ASSUMPTIONS, constants=constants,
        )  # fmt: skip
