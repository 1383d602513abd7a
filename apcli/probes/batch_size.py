"""How many images a network takes at a time where only speed depends on it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

# From 32 MiB on, malloc takes each tensor from the system and gives it back, and every page of it is faulted in anew;
# below that it still shrinks and grows its heap. A fourth of it also stays in most last-level caches.
_BYTES = 8 << 20
_FEWEST = 32  # the weights are read once a batch


def images_at_once(run: Callable[[Tensor], Any], input_size: Sequence[int], device: torch.device, most: int) -> int:
    """The batch size for a forward pass without gradients, at most ``most``.

    On a CPU, so many images that the network's largest tensor is of a size that memory is kept for; elsewhere ``most``.

    Args:
        run: the forward pass, in evaluation mode; it is called with two images of zeros.
        input_size: channels, height and width.
    """
    if device.type != "cpu" or most <= _FEWEST:
        return most
    with torch.no_grad(), _Largest() as largest:
        run(torch.zeros(2, *input_size))
    return min(most, max(_FEWEST, 2 * _BYTES // largest.bytes))


class _Largest(TorchDispatchMode):
    """Notes the bytes of the largest tensor that an operation makes: no view of a weight, which is there anyway."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 1

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = operation(*args, **(kwargs or {}))
        taken = {_place(tensor) for tensor in args if isinstance(tensor, Tensor)}
        for tensor in found if isinstance(found, tuple | list) else (found,):
            if isinstance(tensor, Tensor) and _place(tensor) not in taken:
                self.bytes = max(self.bytes, tensor.nbytes)
        return found


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
