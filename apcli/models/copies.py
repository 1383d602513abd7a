"""Copies of networks."""

import copy
from typing import Any

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
