"""The last linear layer as a network of its own, in float64: logits z = W h + b of fixed activations h."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.errors import UsageError
from apcli.probes.activations import Inputs, inputs
from apcli.probes.outputs import Outputs
from apcli.stages.bounds.networks import NetworkPair

_AGREES = 1e-3  # of the largest logit: more than single precision and TF32 differ


@dataclass(frozen=True)
class Head:
    """The last layer of a pair of files.

    Attributes:
        tensor: the name of its weight in the files; ``bias`` is that of its bias.
        h: activations of the dense network, float64 [N, J].
        dense: W [K, J] and b [K] of the dense file, float64; ``pruned``: of the pruned one.
        labels: int64 [N].
    """

    tensor: str
    h: Tensor
    dense: tuple[np.ndarray, np.ndarray]
    pruned: tuple[np.ndarray, np.ndarray]
    labels: np.ndarray

    @property
    def bias(self) -> str:
        """The name that the bias has, if there is one."""
        return _bias(self.tensor)

    @cached_property
    def module(self) -> nn.Linear:
        """The dense layer; it takes activations as images."""
        weight, bias = map(torch.from_numpy, self.dense)
        layer = nn.Linear(weight.shape[1], weight.shape[0], dtype=torch.float64)
        layer.load_state_dict({"weight": weight, "bias": bias})
        return layer

    def batches(self) -> list[tuple[Tensor, Tensor]]:
        """All activations and labels, as the one batch of ``module``."""
        return [(self.h, torch.from_numpy(self.labels))]

    def outputs(self, weight: np.ndarray, bias: np.ndarray) -> Outputs:
        """What the layer gives for the activations, with this W and b."""
        return Outputs(self.h.numpy() @ weight.T + bias, self.labels)

    @cached_property
    def changes(self) -> Mapping[str, np.ndarray]:
        """D = W~ - W and, where it differs, that of b, by the names of ``module``."""
        weight, bias = (after - before for before, after in zip(self.dense, self.pruned, strict=True))
        return {"weight": weight, **({"bias": bias} if bias.any() else {})}

    @cached_property
    def activations(self) -> np.ndarray:
        """h float64 [N, J], or (h, 1) [N, J + 1] where the bias differs."""
        h = self.h.numpy()
        return np.column_stack([h, np.ones(len(h))]) if "bias" in self.changes else h

    @cached_property
    def moved(self) -> np.ndarray:
        """|D h|, the length of each image's change of logits: float64 [N]."""
        change = self.h.numpy() @ self.changes["weight"].T + self.changes.get("bias", 0.0)
        return np.asarray(np.linalg.norm(change, axis=1))

    @cached_property
    def largest_moment(self) -> float:
        """lambda_max(E h h'), from the smaller of h'h and hh'."""
        h = self.activations
        gram = h.T @ h if h.shape[1] <= len(h) else h @ h.T
        return max(0.0, float(np.linalg.eigvalsh(gram)[-1])) / len(h)


def head_of(network: NetworkPair, tensor: str) -> Head | None:
    """The last layer ``tensor``; None where logits are not a linear function of its inputs, one row an image."""
    owner, _, attribute = tensor.rpartition(".")
    if attribute != "weight" or not isinstance(_module(network.dense, owner), nn.Linear):
        return None
    outputs = network.dense_outputs
    try:
        taken = inputs(network.dense, [tensor], network.batches, Inputs)[tensor]
    except UsageError:  # it computes something else
        return None
    if taken.count != len(outputs.labels):
        return None
    files = network.files
    before, after = (_layer(file, tensor) for file in (files.dense, files.pruned))
    if before[0].shape != after[0].shape:
        return None
    found = Head(tensor, taken.rows[0], before, after, outputs.labels)
    return found if _agree(found.outputs(*before), outputs) else None


def is_all(head: Head, network: NetworkPair) -> bool:
    """Whether the pruned network too is the changed head on the same activations."""
    return _agree(head.outputs(*head.pruned), network.pruned_outputs)


def _agree(head: Outputs, network: Outputs) -> bool:
    if head.logits.shape != network.logits.shape:
        return False
    return bool(np.abs(head.logits - network.logits).max() <= _AGREES * np.abs(network.logits).max())


def _module(network: nn.Module, name: str) -> nn.Module | None:
    return dict(network.named_modules()).get(name)


def _layer(file: Checkpoint, tensor: str) -> tuple[np.ndarray, np.ndarray]:
    """W and b in float64; b is 0 where the layer has none."""
    weight = file.entries[tensor].values.astype(np.float64)
    bias = file.entries.get(_bias(tensor))
    return weight, np.zeros(len(weight)) if bias is None else bias.values.astype(np.float64)


def _bias(tensor: str) -> str:
    return f"{tensor.removesuffix('weight')}bias"
