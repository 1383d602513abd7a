"""The certificate by simulation: random masks are drawn, and the largest difference found bounds a quantile (Wilks)."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from apcli.models.copies import copy_of
from apcli.records.bound import PROVEN, Assumption, Bound, Constant
from apcli.stages.bounds.measured import MeasuredPair, Stated
from apcli.stages.bounds.probabilistic.given_mask import ZERO, ball_constants, finite
from apcli.stages.bounds.probabilistic.subject import Ball, Settings, Subject, counts_of
from apcli.theory.closeness.propagation import Closeness
from apcli.theory.statistics import proportions

WILKS = "Wilks 1941, doi:10.1214/aoms/1177731788"

Masks = Mapping[str, np.ndarray]  # by tensor of a compared layer, where weights are removed


@dataclass(frozen=True)
class Draws:
    """What random masks did.

    Attributes:
        apart: largest |F - f| on the images, one of each draw.
        bounds: Theorem A of each draw, up to the first that says nothing; none if the network is not described.
    """

    apart: np.ndarray
    bounds: Sequence[Closeness]


def statements(pair: MeasuredPair, settings: Settings, ball: Ball, subject: Subject | None) -> Iterator[Stated]:
    """The quantile of |F - f| on the images, the share of masks that are eps-close there, and the supremum's quantile.

    Args:
        subject: the pair with its description, if the network has one.
    """
    draws = _draws(pair, settings, ball, subject)
    number, data = len(draws.apart), pair.on_data
    zero = ball.largest(data.dense_outputs.logits)
    needed = proportions.draws_for_quantile(settings.delta, settings.beta)
    enough = Assumption(f"{needed} draws or more", number >= needed, f"{number} draws")
    quantile = float(np.quantile(draws.apart, 1 - settings.delta, method="inverted_cdf"))
    removed, of = sum(counts_of(pair).values()), sum(w.dense.size for w in pair.weights)
    constants = (
        Constant("draws", float(number), 0.0, f"random masks, seed {pair.config.seed}"),
        Constant("weights removed", removed / of, 0.0, "of each layer as many as in the file"),
        Constant("delta", settings.delta, 0.0, "given: probability over masks"),
        Constant("beta", settings.beta, 0.0, "given: 1 - beta is the confidence"),
    )
    name = f"{1 - settings.delta:g} quantile over random masks of"
    yield Stated(
        Bound.stated(
            "simulation", WILKS, PROVEN, f"{name} |F - f| on these images", float(draws.apart.max()),
            measured=quantile, trivial=zero if removed else None, assumptions=(enough,), by_construction=True,
            constants=(
                *constants,
                Constant("largest |F| on the images inside", zero, 0.0, ZERO),
            ),
        ),
        evaluated=data.evaluated,
    )  # fmt: skip
    far = int((draws.apart > settings.eps).sum())
    yield Stated(
        Bound.stated(
            "simulation, eps-close", "Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404", PROVEN,
            "share of random masks with |F - f| > eps on an image", proportions.upper(far, number, settings.beta),
            measured=far / number, trivial=1.0, by_construction=True,
            constants=(Constant("eps", settings.eps, 0.0, "given"), *constants),
        ),
        evaluated=data.evaluated,
    )  # fmt: skip
    if subject is not None and draws.bounds:
        largest = max(draws.bounds, key=lambda one: one.difference)
        vacuous = draws.bounds[-1].difference >= zero
        yield Stated(
            Bound.stated(
                "simulation of theorem A", WILKS, PROVEN, f"{name} sup |F - f|, |x| <= B",
                math.inf if vacuous else largest.difference,
                measured=quantile, trivial=zero if removed else None, assumptions=(enough,),
                constants=(
                    *ball_constants(subject, largest),
                    Constant("largest bound", finite(largest.difference), 0.0, "Theorem A, of the masks bounded"),
                    Constant("masks bounded", float(len(draws.bounds)), 0.0, "up to the first that is vacuous"),
                    *constants,
                ),
            ),
            evaluated=data.evaluated,
        )  # fmt: skip


def _draws(pair: MeasuredPair, settings: Settings, ball: Ball, subject: Subject | None) -> Draws:
    """Draw masks, run the dense network with each, and bound it while that says anything."""
    data, number = pair.on_data, settings.draws or proportions.draws_for_quantile(settings.delta, settings.beta)
    generator = np.random.default_rng(pair.config.seed)
    network = copy_of(data.dense)
    parameters = dict(network.named_parameters(remove_duplicate=False))
    originals = {w.layer.tensor: parameters[w.layer.tensor].detach().clone() for w in pair.weights}
    counts, dense = counts_of(pair), data.dense_outputs.logits
    zero = ball.largest(dense)
    apart: list[float] = []
    bounds: list[Closeness] = []
    for draw in range(number):
        masks = drawn(originals, counts, generator)
        pair.tell(f"random masks of {data.files.dense.label}", draw / number)
        with torch.no_grad():
            for tensor, mask in masks.items():
                gone = torch.from_numpy(mask).to(originals[tensor].device)
                parameters[tensor].copy_(originals[tensor].masked_fill(gone, 0))
        outputs = data.outputs_of(network, f"random mask {draw + 1} of {number}")
        apart.append(ball.largest(dense - outputs.logits))
        if subject is not None and not (bounds and bounds[-1].difference >= zero):
            bounds.append(bounded(subject, masks))
    return Draws(np.array(apart), bounds)


def drawn(shapes: Mapping[str, torch.Tensor], counts: Mapping[str, int], generator: np.random.Generator) -> Masks:
    """A mask of each tensor that removes exactly ``counts`` of its weights, all choices being as likely."""
    masks = {}
    for tensor, weight in shapes.items():
        mask = np.zeros(weight.numel(), bool)
        mask[generator.choice(mask.size, counts[tensor], replace=False, shuffle=False)] = True
        masks[tensor] = mask.reshape(tuple(weight.shape))
    return masks


def bounded(subject: Subject, masks: Masks) -> Closeness:
    """Theorem A of the dense network under masks, by the norms of what they remove and keep."""
    described, layers = subject.description, {}
    for tensor, mask in masks.items():
        for one in subject.maps[tensor]:
            kernel = described.dense[one].kernel
            removed = one.norm_of(np.where(mask, kernel, 0)).upper
            layers[one] = described.layer(one, removed, one.norm_of(np.where(mask, 0, kernel)).upper)
    return described.closeness(subject.ball.radius, layers.get)
