"""Copies of networks, with or without their numbers: the structure alone takes no memory, and a file can fill it."""

import copy
from typing import Any

import torch
from torch import Tensor, nn


def copy_of(network: nn.Module, shared: dict[int, Any] | None = None) -> nn.Module:
    """A deep copy of ``network``, which computes the same.

    The old weight norm and the hooks of ``torch.nn.utils.prune`` keep the last computed weight beside its sources: a
    tensor with an autograd history, which cannot be deep-copied. A detached copy will do: the next call recomputes it.

    Args:
        shared: objects by ``id`` to use in the copy without copying them.
    """
    memo = dict(shared or {})
    for module in network.modules():
        for value in vars(module).values():
            if isinstance(value, Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    return copy.deepcopy(network, memo)


def emptied(model: nn.Module, device: str) -> nn.Module:
    """A copy of a network without the numbers of its tensors: floats of 1+ dimensions that its state dict names.

    Everything else (single numbers, tables of indices, buffers that no file stores) is copied with its numbers. Tensors
    shared in ``model`` are shared in the copy.

    Args:
        device: ``meta``, where tensors take no memory, or ``cpu``, to fill them.
    """
    copies: dict[int, Any] = {}
    for tensor in model.state_dict(keep_vars=True).values():
        if isinstance(tensor, Tensor) and holds_numbers(tensor):
            empty = torch.empty_like(tensor, device=device, requires_grad=False)
            is_parameter = isinstance(tensor, nn.Parameter)
            copies[id(tensor)] = nn.Parameter(empty, tensor.requires_grad) if is_parameter else empty
    return copy_of(model, copies)


def holds_numbers(tensor: Tensor) -> bool:
    """Whether ``emptied`` leaves a tensor's numbers out."""
    return tensor.is_floating_point() and tensor.dim() > 0
