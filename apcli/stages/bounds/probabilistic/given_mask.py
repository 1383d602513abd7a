"""Theorem A: how close the networks of two files are, whatever the mask, on a ball and on the images."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from apcli.models.copies import copy_of
from apcli.probes.traced.operations import Refusal
from apcli.probes.undisturbed import logits_of, undisturbed
from apcli.progress import Tell
from apcli.records.bound import PROVEN, Bound, Constant
from apcli.stages.bounds.measured import Stated
from apcli.stages.bounds.networks import NetworkPair
from apcli.stages.bounds.probabilistic.maps import Map
from apcli.stages.bounds.probabilistic.subject import PAPER, Description, Subject
from apcli.theory.closeness.propagation import Closeness, Layer
from apcli.words import by

ON_THE_BALL = "sup |F - f|, |x| <= B"
ON_THE_IMAGES = "largest |F - f| on these images"
ROUNDING = 1e-12  # of the largest |F|: above the rounding errors of a network in float64
ZERO = "measured: a network that answers 0 is as close"


def statements(subject: Subject) -> Iterator[Stated]:
    """Theorem A as it is, in its product form, and with what is removed measured on the images."""
    layers = changed_layers(subject.description, subject.data.pruned, subject.pair.tell)
    data, ball = subject.data, subject.ball
    bounds = subject.description.closeness(ball.radius, layers.get)
    images = on_the_images(data, subject.description, layers)
    measured = float(images.apart[ball.inside].max())
    norms = subject.description.norms.values()
    constants = (
        *ball_constants(subject, bounds),
        Constant("largest |F - f| on the images inside", measured, None, "a lower estimate of the supremum"),
        Constant("norms that are upper bounds alone", float(sum(one.method == "bounded" for one in norms)), 0.0),
    )
    for name, value in (("theorem A", bounds.difference), ("theorem A, product form", bounds.by_product)):
        yield Stated(
            Bound.stated(
                name,
                PAPER,
                PROVEN,
                ON_THE_BALL,
                value,
                measured=measured,
                trivial=subject.longest_output,
                constants=constants,
            ),
            evaluated=data.evaluated,
        )
    reached = {one: replace(layer, removed_reach=images.reach.get(one)) for one, layer in layers.items()}
    here = subject.description.closeness(ball.longest, reached.get)
    rounding = ROUNDING * images.longest if layers else 0.0
    yield Stated(
        Bound.stated(
            "theorem A on the images", PAPER, PROVEN, ON_THE_IMAGES, here.difference + rounding,
            measured=float(images.apart.max()), trivial=images.longest,
            constants=(
                Constant("largest |F| on the images", images.longest, 0.0, ZERO),
                Constant("longest image", ball.longest, 0.0, "measured, as normalised"),
                Constant("rounding", rounding, 0.0, f"added to the bound: {ROUNDING:g} of the largest |F|"),
            ),
        ),
        evaluated=data.evaluated,
    )  # fmt: skip


def ball_constants(subject: Subject, bounds: Closeness) -> tuple[Constant, ...]:
    """The ball, and what is known of the dense network alone."""
    given = "given" if subject.settings.radius else "the longest image, as normalised"
    return (
        Constant("B", subject.ball.radius, 0.0, given),
        Constant("largest |F| on the images inside", subject.longest_output, 0.0, ZERO),
        Constant(
            "bound on sup |F| + sup |f|", bounds.trivial if math.isfinite(bounds.trivial) else None, None, "norms"
        ),
    )


def changed_layers(described: Description, pruned: nn.Module, tell: Tell) -> dict[Map, Layer]:
    """The maps that are others in a pruned network, with the norms of what is removed and kept.

    Raises:
        Refusal: the pruned network has other shapes.
    """
    layers: dict[Map, Layer] = {}
    for number, (one, before) in enumerate(described.dense.items()):
        after = one.of(pruned)
        if after.kernel.shape != before.kernel.shape:
            raise Refusal(
                one.layer, f"{by(after.kernel.shape)} in the pruned file, {by(before.kernel.shape)} in the dense"
            )
        if np.array_equal(before.kernel, after.kernel) and np.array_equal(before.bias, after.bias):
            continue
        tell(f"norms of the pruned {one.layer}, {by(after.kernel.shape)}", number / len(described.dense))
        layers[one] = Layer(
            described.norms[one].upper,
            one.norm_of(after.kernel).upper,
            one.norm_of(before.kernel - after.kernel).upper,
            bias=one.length(before.bias),
            pruned_bias=one.length(after.bias),
            bias_change=one.length(before.bias - after.bias),
        )
    return layers


@dataclass(frozen=True)
class OnImages:
    """What copies of both networks in float64 compute on the images.

    Attributes:
        apart: |F - f| of each image, float64 [N].
        longest: the largest |F|.
        reach: the largest |E h| of changed maps, h what the dense network gives the layer; of a transposed convolution,
            or a batch norm by itself, there is none.
    """

    apart: np.ndarray
    longest: float
    reach: Mapping[Map, float]


def on_the_images(data: NetworkPair, described: Description, changed: Collection[Map]) -> OnImages:
    """Run both networks in float64: where one layer alone differs, |F - f| may be as large as the bound."""
    dense, pruned = (copy_of(network).double() for network in (data.dense, data.pruned))
    device = next(dense.parameters()).device
    reach: dict[Map, float] = {}

    def hook(one: Map) -> Callable[..., None]:
        part = torch.from_numpy(described.dense[one].kernel - one.of(data.pruned).kernel).to(device)

        def note(module: object, inputs: tuple[Tensor, ...]) -> None:
            outputs = one.applied(dense, part, inputs[0])
            if outputs is not None:
                reach[one] = max(float(outputs.flatten(1).norm(dim=1).max()), reach.get(one, 0.0))

        return note

    for one in changed:
        dense.get_submodule(one.layer).register_forward_pre_hook(hook(one))
    apart, longest = [], 0.0
    with undisturbed(dense), undisturbed(pruned), torch.inference_mode():
        for images, _ in data.batches():
            logits = logits_of(dense(images.double()))
            apart.append((logits - logits_of(pruned(images.double()))).norm(dim=1).cpu().numpy())
            longest = max(longest, float(logits.norm(dim=1).max()))
    return OnImages(np.concatenate(apart), longest, reach)


def finite(value: float) -> float | None:
    """The value as records have it: None if it is infinite."""
    return value if math.isfinite(value) else None
