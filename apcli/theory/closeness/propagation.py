"""Theorem A: how far a network can be from its pruned copy, on all inputs of a ball, by norms of its layers.

Derived, in the spirit of Qian & Klabjan, arXiv:2105.10065. Lengths are Euclidean, and norms of maps spectral.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Closeness:
    """Upper bounds on what the dense network F and the pruned network f have computed, over all |x| <= radius.

    Attributes:
        difference: of sup |F - f|, Theorem A.
        by_product: of the same, weaker: B [prod (s + e) - prod s], without the norms of the pruned layers.
        dense: of sup |F|.
        pruned: of sup |f|.
    """

    difference: float
    by_product: float
    dense: float
    pruned: float

    @property
    def trivial(self) -> float:
        """The bound sup |F| + sup |f|, which holds for any two networks."""
        return self.dense + self.pruned


@dataclass(frozen=True)
class Layer:
    """An affine map in its dense and its pruned form, x -> W x + b, and a function of one number behind it.

    Every norm may be an upper bound. A layer of a convolution and the batch norm behind it is bounded best as one: its
    kernel with every output channel multiplied by that channel's factor.

    Attributes:
        norm: s = |W|.
        pruned: t = |W~| of what is kept.
        removed: e = |W - W~|.
        lipschitz: Lipschitz constant of the function.
        bias: |b| over all outputs: of a convolution, the length over channels times the root of its output pixels.
        pruned_bias: |b~|; None if it is that of the dense layer.
        bias_change: |b - b~|.
        at_zero: length of what the function makes of zeros: 0 for ReLU, sqrt(n) / 2 for n sigmoids.
        removed_reach: largest |(W - W~) h(x)| on a sample, h(x) what the dense network gives this layer, if measured;
            the difference then holds on that sample only.

    Raises:
        ValueError: a number is negative or not finite.
    """

    norm: float
    pruned: float
    removed: float
    lipschitz: float = 1.0
    bias: float = 0.0
    pruned_bias: float | None = None
    bias_change: float = 0.0
    at_zero: float = 0.0
    removed_reach: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not (value >= 0 and math.isfinite(value)):
                raise ValueError(f"a layer's {field.name} is {value:g}: expected a finite number >= 0")

    @classmethod
    def fixed(cls, factor: float, shift: float = 0.0) -> "Layer":
        """An affine map that is the same in both networks: its norm, and the length of its bias."""
        return cls(factor, factor, 0.0, bias=shift)

    def after(self, before: Closeness) -> Closeness:
        """The bounds behind this layer, of those before it.

        Proof: W~h~ - Wh = W~(h~ - h) - Eh = W(h~ - h) - Eh~ with E = W - W~; take norms.
        """
        kept = min(self.pruned, self.norm + self.removed)
        reach = _product(self.removed, before.dense) if self.removed_reach is None else self.removed_reach
        difference = min(
            _product(kept, before.difference) + reach,
            _product(self.norm, before.difference) + _product(self.removed, before.pruned),
        )
        by_product = _product(self.norm + self.removed, before.by_product) + _product(self.removed, before.dense)
        pruned_bias = self.bias if self.pruned_bias is None else self.pruned_bias
        lipschitz, after = self.lipschitz, _product(self.lipschitz, difference + self.bias_change)
        dense = _product(lipschitz, _product(self.norm, before.dense) + self.bias) + self.at_zero
        pruned = _product(lipschitz, _product(kept, before.pruned) + pruned_bias) + self.at_zero
        return Closeness(
            after, _product(lipschitz, by_product + self.bias_change), dense, _within(pruned, dense, after)
        )


@dataclass(frozen=True)
class Sum:
    """The sum of what earlier steps computed, as behind a residual block; of one, going on from there.

    Attributes:
        places: of the terms: 0 is the network's input, i the output of its i-th step.
        joined: whether the terms are laid side by side, not added: lengths are then the roots of sums of squares.
    """

    places: tuple[int, ...]
    joined: bool = False

    def after(self, terms: Sequence[Closeness]) -> Closeness:
        """The bounds behind the sum, of those of its terms."""
        difference, by_product, dense, pruned = (
            (math.hypot if self.joined else _added)(*(getattr(term, field.name) for term in terms))
            for field in fields(Closeness)
        )
        return Closeness(difference, by_product, dense, _within(pruned, dense, difference))


Network = Sequence[Layer | Sum]


def propagate(network: Network, radius: float) -> Closeness:
    """Bound |F - f|, |F| and |f| over all inputs of Euclidean length ``radius`` or less.

    Args:
        network: the layers, each of which takes what the step before it gives, and sums, in the order in which they are
            computed.
        radius: B >= 0, over all of an input's numbers; of an image, over its pixels and channels as normalised.

    Raises:
        ValueError: the radius is negative or not finite.
    """
    if not (radius >= 0 and math.isfinite(radius)):
        raise ValueError(f"the radius is {radius:g}: expected a finite number >= 0")
    bounds = [Closeness(0.0, 0.0, radius, radius)]
    for step in network:
        bounds.append(
            step.after(bounds[-1]) if isinstance(step, Layer) else step.after([bounds[place] for place in step.places])
        )
    return bounds[-1]


def _added(*numbers: float) -> float:
    return sum(numbers)


def _within(pruned: float, dense: float, difference: float) -> float:
    """A bound on |f|, which is at most |F| + |F - f|."""
    return min(pruned, dense + difference)


def _product(a: float, b: float) -> float:
    """The product; 0 of 0 and what has overflowed to infinity."""
    return 0.0 if a == 0 or b == 0 else a * b
