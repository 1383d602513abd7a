"""Measurements on the dense network: metrics for differences of its weights, and its predictions.

A probe runs the network on batches and leaves it as it was: parameters, buffers and training flags. A *metric* tells
the squared Mahalanobis length of a difference of weights; it knows the layers that it was measured for.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from apcli.errors import ApcliError

# Each call begins anew: images [B, ...] as the network takes them, on its device, and labels int64 [B].
Batches = Callable[[], Iterator[tuple[Tensor, Tensor]]]


class Metric(Protocol):
    """A positive semi-definite quadratic form over weights."""

    def squared(self, difference: Mapping[str, np.ndarray]) -> float:
        """D' P D, >= 0, for D = w - w~ by tensor name (float64, the weights' shapes); tensors left out do not differ.

        Several tensors are one vector: where the metric has cross terms between layers, they count.
        """


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; afterwards training flags and buffers are what they were.

    Inside, attention is made of plain operations: the fused kernels run no hooks and have no forward derivatives.
    """
    flags = [(module, module.training) for module in model.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    fast = torch.backends.mha.get_fastpath_enabled()
    model.eval()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for module, training in flags:
            module.training = training
        for buffer, before in buffers:
            buffer.detach().copy_(before)


def logits_of(output: Any) -> Tensor:
    """The logits [B, C] among what a network returns: the output, or the first of several.

    Raises:
        ApcliError: they are not a row of two or more classes for each sample.
    """
    logits = output[0] if isinstance(output, tuple) else output
    if not isinstance(logits, Tensor) or logits.dim() != 2 or logits.shape[1] < 2:
        found = f"shape {list(logits.shape)}" if isinstance(logits, Tensor) else f"type {type(logits).__name__}"
        raise ApcliError(f"the network's output is of {found}: expected logits [images, 2 or more classes]")
    return logits
