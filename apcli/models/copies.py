"""Copies of networks, with their numbers or without: structure alone takes no memory, and a file can fill it."""

import copy
from typing import Any

import torch
from torch import Tensor, nn


def copy_of(network: nn.Module, shared: dict[int, Any] | None = None) -> nn.Module:
    """A deep copy of ``network``; a copied module computes the same.

    Old weight norm and the hooks of ``torch.nn.utils.prune`` keep the weight they computed last beside what it is
    computed from: a tensor with a history, which cannot be copied, and need not be, as the next call makes it anew.

    Args:
        shared: by ``id``, what stands in the copy as it is.
    """
    memo = dict(shared or {})
    for module in network.modules():
        for value in vars(module).values():
            if isinstance(value, Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    return copy.deepcopy(network, memo)


def emptied(model: nn.Module, device: str) -> nn.Module:
    """A copy of a network whose tensors hold no numbers: floats of one or more dimensions that its state dict names.

    Everything else (single numbers, tables of indices, buffers that no file brings) is copied with its numbers. Tensors
    that are one in ``model`` are one in the copy.

    Args:
        device: ``meta``, on which tensors take no memory, or ``cpu``, where they are to be filled.
    """
    copies: dict[int, Any] = {}
    for tensor in model.state_dict(keep_vars=True).values():
        if isinstance(tensor, Tensor) and holds_numbers(tensor):
            empty = torch.empty_like(tensor, device=device, requires_grad=False)
            is_parameter = isinstance(tensor, nn.Parameter)
            copies[id(tensor)] = nn.Parameter(empty, tensor.requires_grad) if is_parameter else empty
    return copy_of(model, copies)


def holds_numbers(tensor: Tensor) -> bool:
    """Whether an outline leaves a tensor's numbers out."""
    return tensor.is_floating_point() and tensor.dim() > 0
