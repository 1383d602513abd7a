"""The number of images per forward pass, where only speed depends on it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from apcli.errors import is_out_of_memory

log = logging.getLogger("apcli")

T = TypeVar("T")

# From 32 MiB on, malloc requests each tensor from the system and returns it, so every page faults in again; below that
# it still shrinks and grows its heap. A quarter of that also fits into most last-level caches.
_BYTES = 8 << 20
_FEWEST = 32  # amortises reading the weights once per batch


def images_at_once(run: Callable[[Tensor], Any], input_size: Sequence[int], device: torch.device, most: int) -> int:
    """The batch size for a forward pass without gradients, at most ``most``.

    On a CPU, as many images as keep the network's largest tensor at a size whose memory malloc reuses; else ``most``.

    Args:
        run: the forward pass, in evaluation mode; called with two images of zeros.
        input_size: channels, height and width.
    """
    if device.type != "cpu" or most <= _FEWEST:
        return most
    with torch.no_grad(), _Largest() as largest:
        run(torch.zeros(2, *input_size))
    return min(most, max(_FEWEST, 2 * _BYTES // largest.bytes))


def halved_if_needed(work: Callable[[int], T], batch_size: int) -> T:
    """The result of ``work``, which no batch size changes, for this one or, if memory runs out, once for half of it.

    That is said.
    """
    try:
        return work(batch_size)
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if batch_size < 2 or not is_out_of_memory(error):
            raise
    half = batch_size // 2  # outside the handler, which holds on to the tensors of the failed one
    torch.cuda.empty_cache()  # does nothing where there is no GPU in use
    log.warning("memory ran out with %d images at a time: they are measured again, %d at a time", batch_size, half)
    return work(half)


class _Largest(TorchDispatchMode):
    """Records the bytes of the largest tensor that an operation allocates; views of its operands do not count."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 1

    def __torch_dispatch__(
        self,
        operation: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = operation(*args, **(kwargs or {}))
        taken = {_place(tensor) for tensor in args if isinstance(tensor, Tensor)}
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, Tensor) and _place(tensor) not in taken:
                self.bytes = max(self.bytes, tensor.nbytes)
        return result


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
