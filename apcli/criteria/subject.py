"""The input of a criterion that runs the network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import nn

from apcli.probes.undisturbed import Batches

Scores = dict[str, np.ndarray]  # by tensor name: floats of the weight's shape, larger = keep
Masks = Mapping[str, np.ndarray]  # by tensor name: bool of the weight's shape, True = kept


@dataclass(frozen=True)
class Subject:
    """A network to be pruned. A criterion leaves it unchanged, bit for bit.

    Args:
        model: on its device; a criterion sets evaluation mode itself (``probes.undisturbed``).
        tensors: the names of the weights in scope, as in the state dict.
        batches: images and labels on the model's device; for a criterion without data, one batch with an image of
            zeros, in the shape that the model takes.
        choose: makes masks from scores at a share (0 to 1) of the way to the target sparsity s, that is at sparsity
            1 - (1 - s)^share, for criteria that prune in several steps.
        removed: the number of weights to remove, by tensor, for criteria that reconstruct.
        pattern: (n, m) to keep n of every m consecutive inputs, a multiple of m in each layer. None: no pattern.
    """

    model: nn.Module
    tensors: Sequence[str]
    batches: Batches
    choose: Callable[[Scores, float], Masks]
    removed: Mapping[str, int] = field(default_factory=dict)
    pattern: tuple[int, int] | None = None
