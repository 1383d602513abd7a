"""Convert between torch's state dicts and a checkpoint's entries."""

from collections.abc import Mapping

import torch
from torch import Tensor

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import TORCH_TYPES, Entry, Stored
from apcli.checkpoints.files.pickles import bytes_of
from apcli.errors import ApcliError

_DTYPES: dict[torch.dtype, str] = {getattr(torch, name): dtype for name, dtype in TORCH_TYPES.items()}
_DTYPES_BY_NAME = {name: dtype for dtype, name in _DTYPES.items()}


def load_tensors(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Copies of the checkpoint's tensors on the CPU.

    Raises:
        ApcliError: a tensor has a type that models do not hold, or a file was changed while it was read.
    """
    tensors = {name: tensor_of(entry) for name, entry in checkpoint.entries.items()}
    checkpoint.check_unchanged()
    return tensors


def load_outline(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """The tensors without numbers: floats of one or more dimensions are on the device ``meta``.

    Raises:
        ApcliError: a tensor has a type that models do not hold.
    """
    return {
        name: torch.empty(entry.shape, dtype=_DTYPES_BY_NAME[entry.dtype], device="meta")
        if entry.is_float and entry.shape
        else tensor_of(entry)
        for name, entry in checkpoint.entries.items()
    }


def tensor_of(entry: Entry) -> Tensor:
    """A copy of an entry as a tensor on the CPU.

    Raises:
        ApcliError: the entry has a type that models do not hold.
    """
    if entry.dtype not in _DTYPES_BY_NAME:
        known = ", ".join(_DTYPES_BY_NAME)
        raise ApcliError(f"a tensor of the file has type {entry.dtype}: expected one of {known}")
    data = entry.data if isinstance(entry, Stored) else entry.data.copy()
    return torch.from_numpy(data).view(_DTYPES_BY_NAME[entry.dtype]).reshape(entry.shape)


def entries_of(state_dict: Mapping[str, Tensor]) -> dict[str, Entry]:
    """The tensors' bytes, copied to the CPU, in the order of the state dict.

    Raises:
        ApcliError: a tensor holds NaN or Inf, which checkpoints must not.
    """
    for name, tensor in state_dict.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ApcliError(f"tensor {name} became NaN or Inf: nothing was written; try a smaller --lr")
    return {name: entry_of(tensor) for name, tensor in state_dict.items()}


def entry_of(tensor: Tensor) -> Entry:
    """A copy of a tensor's bytes.

    Raises:
        ApcliError: the tensor has a type that checkpoints do not hold.
    """
    if tensor.dtype not in _DTYPES:
        known = ", ".join(str(dtype).removeprefix("torch.") for dtype in _DTYPES)
        raise ApcliError(f"a tensor of the model has type {tensor.dtype}: expected one of {known}")
    return Entry(_DTYPES[tensor.dtype], tuple(tensor.shape), bytes_of(tensor.detach().to("cpu", copy=True)))
