"""What a criterion that runs the network is given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import nn

from apcli.probes.undisturbed import Batches

Scores = dict[str, np.ndarray]  # by tensor name: floats of the weight's shape, larger = keep
Masks = Mapping[str, np.ndarray]  # by tensor name: bool of the weight's shape, True = kept


@dataclass(frozen=True)
class Subject:
    """A network that is to be pruned. A criterion leaves it as it was, bit for bit.

    Args:
        model: on the device where it is to run; a criterion sees to evaluation mode itself (``probes.undisturbed``).
        tensors: the names of the weights in scope, as in the state dict.
        batches: images and labels on the model's device; for a criterion without data, one batch of an image of zeros,
            of the shape that the model takes.
        choose: masks that scores give at a share (0 to 1) of the way to the wanted sparsity: for criteria that prune
            in several steps, at sparsity 1 - (1 - s)^share.
        removed: by tensor, how many of its weights go: for criteria that reconstruct.
        pattern: (n, m) where n of every m consecutive inputs stay, of which each layer has a multiple of m; else None.
    """

    model: nn.Module
    tensors: Sequence[str]
    batches: Batches
    choose: Callable[[Scores, float], Masks]
    removed: Mapping[str, int] = field(default_factory=dict)
    pattern: tuple[int, int] | None = None
