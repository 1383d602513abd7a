"""What the layers of two networks compute on the same images, compared minibatch by minibatch."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from apcli.errors import UsageError
from apcli.probes.activations import modules_of
from apcli.probes.undisturbed import Batches, undisturbed
from apcli.theory.dependence import FEWEST, Minibatches

MINIBATCH = 128  # images, at most
_HELD = 1 << 27  # numbers of one network's outputs that are held at a time: 512 MiB in float32

Take = Callable[[str, Tensor, Tensor], object]  # a weight's name, and its layer's inputs and outputs [B, ...]


class Range:
    """The least and the largest value of each of a layer's inputs, over images: one that never varies is dead.

    Args:
        channel_axis: of the inputs of one image.
    """

    def __init__(self, channel_axis: int) -> None:
        self.channel_axis = channel_axis
        self._least: Tensor | None = None
        self._largest: Tensor | None = None

    def add(self, values: Tensor) -> None:
        """Add inputs [B, ...]."""
        least, largest = values.amin(dim=0), values.amax(dim=0)
        self._least = least if self._least is None else torch.minimum(self._least, least)
        self._largest = largest if self._largest is None else torch.maximum(self._largest, largest)

    @property
    def dead_units(self) -> float:
        """The share of inputs that are the same for all images."""
        return float(self._dead.double().mean())

    @property
    def dead_channels(self) -> float:
        """The share of channels of which all inputs are dead."""
        by_channel = self._dead.movedim(self.channel_axis, 0)
        return float(by_channel.reshape(len(by_channel), -1).all(dim=1).double().mean())

    @property
    def _dead(self) -> Tensor:
        if self._least is None or self._largest is None:
            raise ValueError("no image was added")
        return self._least == self._largest


class LayerChange:
    """How a layer's outputs differ between two networks, and which of its inputs are dead in each."""

    def __init__(self, channel_axis: int) -> None:
        self.dense, self.pruned = Range(channel_axis), Range(channel_axis)
        self._squares, self._differences = 0.0, 0.0
        self._comparable = True

    def add(self, dense: Tensor, pruned: Tensor) -> None:
        """Add the outputs of both for the same images."""
        self._comparable &= dense.shape == pruned.shape
        if self._comparable:
            self._squares += float(dense.double().square().sum())
            self._differences += float((pruned.double() - dense.double()).square().sum())

    @property
    def relative(self) -> float | None:
        """|pruned - dense| / |dense| over all images; None where outputs were removed or the dense ones are all 0."""
        return (self._differences / self._squares) ** 0.5 if self._comparable and self._squares else None


@dataclass(eq=False)
class Features:
    """The layers of two networks on the same images.

    Attributes:
        layers: by the weight's name, in the order in which the dense network calls them.
        left_out: the other weights, each with the reason.
        size: images of a minibatch, at most.
        images: how many there were.
        minibatches: the dependence of the images, the labels, each dense layer, then each pruned one.
    """

    layers: Mapping[str, LayerChange]
    left_out: Mapping[str, str]
    size: int
    images: int = 0
    minibatches: Minibatches = field(default_factory=Minibatches)


def features(
    dense: nn.Module, pruned: nn.Module, tensors: Sequence[str], batches: Callable[[int], Batches], images: int
) -> Features:
    """Compare the outputs of each weight's layer; one minibatch of the dense network's is held, no more.

    Args:
        tensors: names of weights; those of other modules than ``nn.Linear``, ``nn.Conv1d``, ``nn.Conv2d`` and
            ``nn.Conv3d``, and those that are not called once for an image, are left out.
        batches: gives the same images, so many at a time.
        images: how many there are.

    Raises:
        UsageError: there are fewer than 4 images.
    """
    if images < FEWEST:
        raise UsageError(f"{images} images are too few to compare layers: expected {FEWEST}, or --feature-images 0")
    with undisturbed(dense), undisturbed(pruned), torch.inference_mode():
        some, _ = next(batches(2)())
        sizes, left_out = _sizes(dense, tensors, some)
        most = max(FEWEST, min(MINIBATCH, _HELD // max(1, sum(sizes.values()))))
        modules, _ = modules_of(dense, list(sizes))
        layers = {name: LayerChange(-1 if isinstance(modules[name], nn.Linear) else 0) for name in sizes}
        found = Features(layers, left_out, -(-images // max(1, images // most)))
        for pixels, labels in batches(found.size)():
            if len(pixels) >= FEWEST:
                _add(found, dense, pruned, pixels, labels)
    return found


def _sizes(model: nn.Module, tensors: Sequence[str], images: Tensor) -> tuple[dict[str, int], dict[str, str]]:
    """How many outputs each layer has for an image, in the order of the calls, and why others are left out."""
    modules, refused = modules_of(model, tensors)
    calls: list[tuple[str, int]] = []
    with _hooks(modules, lambda name, inputs, outputs: calls.append((name, outputs.numel() // len(images)))):
        model(images)
    times = Counter(name for name, _ in calls)
    odd = {name: "is not called once for an image" for name in modules if times[name] != 1}
    return {name: size for name, size in calls if name not in odd}, refused | odd


def _add(found: Features, dense: nn.Module, pruned: nn.Module, images: Tensor, labels: Tensor) -> None:
    """Add a minibatch."""
    held: dict[str, Tensor] = {}
    grams = [_gram(images), _gram(nn.functional.one_hot(labels))]
    after: dict[str, np.ndarray] = {}

    def take_dense(name: str, inputs: Tensor, outputs: Tensor) -> None:
        found.layers[name].dense.add(inputs)
        grams.append(_gram(outputs))
        held[name] = outputs.clone()  # the network may change it in place afterwards

    def take_pruned(name: str, inputs: Tensor, outputs: Tensor) -> None:
        found.layers[name].pruned.add(inputs)
        found.layers[name].add(held.pop(name), outputs)
        after[name] = _gram(outputs)

    for model, take in ((dense, take_dense), (pruned, take_pruned)):
        modules, _ = modules_of(model, list(found.layers))
        with _hooks(modules, take):
            model(images)
    found.minibatches.add([*grams, *(after[name] for name in found.layers)])
    found.images += len(images)


@contextmanager
def _hooks(modules: Mapping[str, nn.Module], take: Take) -> Iterator[None]:
    """Call ``take`` whenever one of the modules has run."""
    with ExitStack() as hooks:
        for name, module in modules.items():

            def taken(
                module: nn.Module,
                args: tuple[Tensor, ...],
                kwargs: Mapping[str, Tensor],
                output: Tensor,
                name: str = name,
            ) -> None:
                take(name, args[0] if args else kwargs["input"], output)

            hooks.callback(module.register_forward_hook(taken, with_kwargs=True).remove)
        yield


def _gram(values: Tensor) -> np.ndarray:
    """X X' of features [B, ...], centred first so that a large mean costs no digits: float64 [B, B]."""
    rows = values.flatten(1).float()
    rows = rows - rows.mean(dim=0)
    return np.asarray((rows @ rows.T).double().cpu().numpy())
