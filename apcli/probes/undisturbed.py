"""What all probes share: batches, a network that runs in evaluation mode and is left as it was, and its logits.

A *metric* computes the squared Mahalanobis length of a difference of weights, for the layers that it was measured on.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from apcli.errors import ApcliError

# Each call starts from the beginning: images [B, ...] as the network takes them, on its device, and labels int64 [B].
Batches = Callable[[], Iterator[tuple[Tensor, Tensor]]]


class Metric(Protocol):
    """A positive semi-definite quadratic form over weights."""

    def squared(self, difference: Mapping[str, np.ndarray]) -> float:
        """D' P D, >= 0, for D = w - w~ by tensor name (float64, the weights' shapes); missing tensors do not differ.

        All tensors form one vector, so cross terms between layers count if the metric has them.
        """


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Set evaluation mode; restore training flags, buffers and what modules remember afterwards.

    Attention uses plain operations meanwhile: the fused kernels run no hooks and have no forward derivatives.
    """
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH), memory_restored(model):
            model.eval()
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for buffer, before in buffers:
            buffer.detach().copy_(before)


_MEMORIES = (dict, OrderedDict, defaultdict)  # classes derived from them may refuse to change


@contextmanager
def memory_restored(model: nn.Module) -> Iterator[None]:
    """Restore modules' attributes afterwards, and the dictionaries among them: some keep there what weights gave."""
    attributes = [vars(module) for module in model.modules()]
    remembered = [value for own in attributes for value in own.values() if type(value) in _MEMORIES]
    before = [(memory, memory.copy()) for memory in (*attributes, *remembered)]
    try:
        yield
    finally:
        for memory, contents in before:
            memory.clear()
            memory.update(contents)


def logits_of(output: object) -> Tensor:
    """The logits [B, C] in a network's output: the output itself, or the first of several.

    Raises:
        ApcliError: the output is no row of two or more classes for each sample.
    """
    logits = output[0] if isinstance(output, tuple) else output
    if not isinstance(logits, Tensor) or logits.dim() != 2 or logits.shape[1] < 2:
        actual = f"shape {list(logits.shape)}" if isinstance(logits, Tensor) else f"type {type(logits).__name__}"
        raise ApcliError(f"the network's output has {actual}: expected logits [images, 2 or more classes]")
    return logits
