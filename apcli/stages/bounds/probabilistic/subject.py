"""What all statements about a pair need: its settings, the images, and the dense network's maps with their norms."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from apcli.errors import UsageError
from apcli.probes.traced.operations import Refusal, check, operations
from apcli.progress import Tell
from apcli.stages.bounds.measured import MeasuredPair, Weights
from apcli.stages.bounds.networks import NetworkPair
from apcli.stages.bounds.probabilistic.maps import Affine, Map
from apcli.stages.bounds.probabilistic.network import Step, steps_of
from apcli.theory.closeness.norms import SpectralNorm
from apcli.theory.closeness.propagation import Closeness, Layer, Network, propagate
from apcli.theory.closeness.random_masks import Entries
from apcli.words import by

PAPER = "derived, in the spirit of arXiv:2105.10065"


@dataclass(frozen=True)
class Settings:
    """The parameters of the theory, as its function names them."""

    eps: float
    delta: float
    beta: float
    draws: int
    radius: float
    shuffles: int


@dataclass(frozen=True)
class Ball:
    """The inputs that are spoken of, |x| <= radius, and which of the images, one at least, are.

    Attributes:
        longest: length of the longest image.
        inside: bool [images].
    """

    radius: float
    longest: float
    inside: np.ndarray

    def largest(self, outputs: np.ndarray) -> float:
        """The largest length of a row [images, classes] of the images inside."""
        return float(np.linalg.norm(outputs[self.inside], axis=1).max())


@dataclass(frozen=True)
class Description:
    """The dense network: its steps, and what it has in the places of its maps.

    Attributes:
        norms: of the dense kernels' maps.
        entries: what Theorem C needs of the maps whose weights are compared.
    """

    steps: tuple[Step, ...]
    dense: Mapping[Map, Affine]
    norms: Mapping[Map, SpectralNorm]
    entries: Mapping[Map, Entries]

    def closeness(self, radius: float, layer: Callable[[Map], Layer | None]) -> Closeness:
        """The bounds if the maps are these layers; None: the map is the same in both networks."""
        network: Network = [
            step if not isinstance(step, Map) else layer(step) or self.unpruned(step) for step in self.steps
        ]
        return propagate(network, radius)

    def unpruned(self, one: Map) -> Layer:
        """The map as it is in the dense network."""
        return self.layer(one, 0.0)

    def layer(self, one: Map, removed: float, kept: float | None = None) -> Layer:
        """The map with weights removed from it, of bounds on the norms of what is removed and kept; the bias stays."""
        norm = self.norms[one].upper
        return Layer(norm, norm + removed if kept is None else kept, removed, bias=one.length(self.dense[one].bias))


@dataclass(frozen=True)
class Subject:
    """A pair with all that statements about its networks need.

    Attributes:
        maps: by tensor of a compared layer, the places in which the network has it.
        counts: by tensor, how many of its weights the file has lost.
    """

    pair: MeasuredPair
    settings: Settings
    ball: Ball
    description: Description
    maps: Mapping[str, tuple[Map, ...]]
    counts: Mapping[str, int]

    @property
    def data(self) -> NetworkPair:
        """The networks and the images."""
        return self.pair.on_data

    @property
    def longest_output(self) -> float:
        """How close a network that answers 0 is on the images inside: their largest |F|."""
        return self.ball.largest(self.data.dense_outputs.logits)

    @property
    def pruned_places(self) -> int:
        """The number of places in which weights are compared."""
        return sum(len(places) for places in self.maps.values())


def subject(pair: MeasuredPair, settings: Settings, ball: Ball) -> Subject:
    """Describe a pair's network, of which the dense part is kept for the next pair.

    Raises:
        Refusal: the network has a part of which no bound is known.
    """
    compared = tuple(weights.layer.tensor for weights in pair.weights)
    data = pair.on_data
    description = data.once(
        ("description", compared),
        lambda: described(data.dense, next(iter(data.batches()))[0][:1], compared, pair.tell),
    )
    places: dict[str, tuple[Map, ...]] = {}
    for weights in pair.weights:
        tensor = weights.layer.tensor
        places[tensor] = tuple(one for one in description.dense if one.weight == tensor)
        if not places[tensor]:
            raise Refusal(weights.layer.name, "no layer multiplies by this tensor as it is")
    return Subject(pair, settings, ball, description, places, counts_of(pair))


def removed_from(weights: Weights) -> np.ndarray:
    """Where the pruned file has lost a weight of a layer: bool of its shape."""
    removed: np.ndarray = (weights.pruned == 0) & (weights.dense != 0)
    return removed


def counts_of(pair: MeasuredPair) -> dict[str, int]:
    """By tensor of a compared layer, how many weights the pruned file has lost."""
    return {weights.layer.tensor: int(removed_from(weights).sum()) for weights in pair.weights}


def ball_of(data: NetworkPair, radius: float) -> Ball:
    """The ball of a radius; 0: that of the longest image.

    Raises:
        UsageError: no image is inside.
    """

    def measured() -> np.ndarray:
        return np.concatenate([_lengths(images) for images, _ in data.batches()])

    lengths: np.ndarray = data.once("lengths", measured)
    longest, shortest = float(lengths.max()), float(lengths.min())
    if radius and shortest > radius:
        raise UsageError(
            f"theory parameter probabilistic:radius is {radius:g}, and the {len(lengths)} images, as normalised, are "
            f"longer: expected 0 (the longest, {longest:g}) or at least {shortest:g}"
        )
    return Ball(radius or longest, longest, lengths <= (radius or longest))


def _lengths(images: Tensor) -> np.ndarray:
    found: np.ndarray = images.double().flatten(1).norm(dim=1).cpu().numpy()
    return found


def described(network: nn.Module, example: Tensor, compared: Collection[str], tell: Tell) -> Description:
    """Describe a network and compute the norms of its maps.

    Args:
        example: one image [1, ...] as the network takes it; only its shape matters.
        compared: the tensors whose weights may be removed.

    Raises:
        Refusal: a part of the network has no bound that is known here.
    """
    found = operations(network, example)
    steps = steps_of(found)
    check(found, network, example)
    maps = tuple(dict.fromkeys(step for step in steps if isinstance(step, Map)))
    dense: dict[Map, Affine] = {}
    norms: dict[Map, SpectralNorm] = {}
    entries: dict[Map, Entries] = {}
    for number, one in enumerate(maps):
        dense[one] = one.of(network)
        tell(f"norm of {one.layer}, {by(dense[one].kernel.shape)}", number / len(maps))
        norms[one] = one.norm_of(dense[one].kernel)
        if one.weight in compared:
            entries[one] = one.entries_of(dense[one].kernel, norms[one])
    return Description(steps, dense, norms, entries)
