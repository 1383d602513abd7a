"""A dense and a pruned file with their difference, and what is measured on their networks when it is asked for."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from apcli.checkpoints.checkpoint import Checkpoint, not_finite
from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.layers import Layer
from apcli.configs.bounds import BoundsConfig
from apcli.progress import Tell
from apcli.records import POOLED
from apcli.records.bound import Bound
from apcli.stages.bounds.files import Files
from apcli.stages.pairs.epochs import epochs_of
from apcli.stages.pairs.layers import in_dense_shape

if TYPE_CHECKING:  # they import torch
    from apcli.stages.bounds.networks import NetworkPair, Pairs


@dataclass(frozen=True)
class Stated:
    """A bound, and what it is about.

    Attributes:
        layer: ``POOLED`` for all compared layers, or the network.
        evaluated: the images, if it was measured on the networks (``NetworkPair.evaluated``).
    """

    bound: Bound
    layer: str = POOLED
    epoch: int | None = None
    evaluated: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Weights:
    """The weights of one layer, dense and pruned: float64, in the layer's shape."""

    layer: Layer
    dense: np.ndarray
    pruned: np.ndarray

    @cached_property
    def difference(self) -> np.ndarray:
        """D = w - w~."""
        return self.dense - self.pruned

    @cached_property
    def ap2(self) -> float:
        """|w - w~|^2."""
        return float(np.sum(np.square(self.difference)))


class MeasuredPair:
    """A dense checkpoint and a pruned one, with the layers that are compared.

    Attributes:
        networks: gives what builds their networks, when ``on_data`` is first asked for; it loads PyTorch.
        tell: shows a line of progress.
    """

    def __init__(
        self,
        files: Files,
        config: BoundsConfig,
        networks: "Callable[[], Pairs]",
        tell: Tell,
    ) -> None:
        self.files, self.dense, self.pruned, self.layers = files, files.dense, files.pruned, files.layers
        self.config, self.tell, self._networks = config, tell, networks

    @cached_property
    def weights(self) -> tuple[Weights, ...]:
        """The compared layers of the two files as they stand.

        Raises:
            ApcliError: a weight is NaN or Inf.
        """
        return self._weights({layer.tensor: self.pruned.entries[layer.tensor] for layer in self.layers})

    def epochs(self) -> Iterator[tuple[int | None, tuple[Weights, ...]]]:
        """The compared layers as they stand (epoch None), then those that the trace holds of each epoch."""
        yield None, self.weights
        for epoch, after in epochs_of(self.pruned, self.layers)[1:]:
            yield epoch, self._weights(after)

    def _weights(self, after: Mapping[str, Entry]) -> tuple[Weights, ...]:
        found = []
        for layer in self.layers:
            if layer.tensor in after:
                entry = in_dense_shape(self.pruned, layer, after[layer.tensor])
                both = ((self.dense, self.dense.entries[layer.tensor]), (self.pruned, entry))
                found.append(Weights(layer, *(_finite(file, layer, one) for file, one in both)))
        return tuple(found)

    @cached_property
    def on_data(self) -> "NetworkPair":
        """The two networks and the images that they are measured on.

        Raises:
            UsageError: the network or the data is unknown.
        """
        return self._networks().of(self.files)


def _finite(file: Checkpoint, layer: Layer, entry: Entry) -> np.ndarray:
    values: np.ndarray = entry.values.astype(np.float64)
    wrong = int(np.count_nonzero(~np.isfinite(values)))
    if wrong:
        raise not_finite(file.label, layer.tensor, wrong)
    return values
