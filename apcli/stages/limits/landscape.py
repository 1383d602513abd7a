"""The loss of a trained network on fixed images, as a function of the weights that may be removed or adjusted."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn

from apcli.models.copies import copy_of
from apcli.probes.outputs import Outputs
from apcli.probes.products import Curvature, gauss_newton, hessian
from apcli.probes.undisturbed import Batches
from apcli.theory.limit.magnitudes import Magnitudes, magnitudes

CURVATURES: Mapping[str, Callable[..., Curvature]] = {"gauss-newton": gauss_newton, "hessian": hessian}


@dataclass(frozen=True)
class Trained:
    """A trained network, and the images of its loss.

    Attributes:
        label: names the network in messages.
        layers: the tensors whose weights may be removed.
        masked: those tensors whose zeros are a mask.
        batches: the images, for curvature.
        outputs_of: runs a network, called by its label in messages, on these images.
        outputs: what the network itself computes on them.
    """

    network: nn.Module
    label: str
    layers: tuple[str, ...]
    masked: Collection[str]
    batches: Batches
    outputs_of: Callable[[nn.Module, str], Outputs]
    outputs: Outputs


class Landscape:
    """The loss around the trained network; points are float64 [size].

    They hold the weights of its layers, and the biases of these layers, which are never removed. Weights that a mask
    has lost already are left out: they stay 0. All else in the network, such as batch norms, is fixed.

    Attributes:
        trained: the network's own point.
        order: its weights by magnitude; biases are fixed.
        lost: number of weights that the network has lost already.
        loss: the network's, nats.
        biases: names of the biases among the parameters.
    """

    def __init__(self, subject: Trained, kind: str) -> None:
        self._subject = subject
        known = dict(subject.network.named_parameters(remove_duplicate=False))
        self.biases = [
            bias for bias in (f"{tensor.rpartition('.')[0]}.bias" for tensor in subject.layers) if bias in known
        ]
        self._curvature = CURVATURES[kind](subject.network, [*subject.layers, *self.biases], subject.batches)
        self._all = self._curvature.flat(self._curvature.weights)
        removable, masked = (
            self._curvature.flat(
                {name: np.full(weight.shape, float(name in chosen)) for name, weight in self._curvature.weights.items()}
            ).astype(bool)
            for chosen in (subject.layers, subject.masked)
        )
        self._free = ~(masked & (self._all == 0))
        self.trained = self._all[self._free]
        self.order: Magnitudes = magnitudes(self.trained, removable[self._free])
        self.lost = int((removable & ~self._free).sum())
        self.loss = subject.outputs.loss

    @property
    def removable(self) -> int:
        """How many weights the compared layers have, those that are lost already included."""
        return self.lost + len(self.order.order)

    def product(self, vector: np.ndarray) -> np.ndarray:
        """The curvature times a vector [size]."""
        return self._curvature.matvec(self._whole(vector))[self._free]

    @cached_property
    def gradient(self) -> np.ndarray:
        """Of the mean loss, at the trained network."""
        return self._curvature.gradient()[self._free]

    def removed(self, k: int) -> np.ndarray:
        """x, the weights that go when the k largest are kept; 0 elsewhere."""
        return np.where(self.order.kept(k), 0.0, self.trained)

    def rise(self, point: np.ndarray) -> float:
        """The loss at a point minus the trained network's, by running the network.

        Raises:
            ApcliError: a logit there is NaN or Inf.
        """
        network = copy_of(self._subject.network)
        tensors = dict(network.named_parameters(remove_duplicate=False))
        with torch.no_grad():
            for name, part in self.tensors(point).items():
                tensors[name].copy_(torch.as_tensor(part))
        kept = np.count_nonzero(point[self.order.order])
        label = f"{self._subject.label} with {kept} weights"
        return self._subject.outputs_of(network, label).loss - self.loss

    def point(self, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
        """The point of these values of all tensors, layers' weights and biases, by name."""
        return self._curvature.flat(tensors)[self._free]

    def tensors(self, point: np.ndarray) -> dict[str, np.ndarray]:
        """The values of all tensors at a point, by name, in their shapes."""
        return self._curvature.split(self._whole(point))

    def _whole(self, vector: np.ndarray) -> np.ndarray:
        whole = np.zeros_like(self._all)
        whole[self._free] = vector
        return whole
