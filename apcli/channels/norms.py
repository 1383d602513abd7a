"""A network without the statistics that norms take over channels: nothing else depends on how many there are."""

from collections import Counter
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode


class WithoutNorms(TorchDispatchMode):
    """Replaces norms by a function of each entry, which keeps activations small too, and other statistics by ones.

    Networks with zeros for some channels and without these channels then compute the same, if nothing else differs.

    Args:
        norms: the operations that take statistics: the name, and the number of its occurrence, from 1.
    """

    def __init__(self, norms: Collection[tuple[str, int]]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.norms = norms
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.partition("::")[2]
        self.counts[name] += 1
        result = func(*args, **(kwargs or {}))
        if (name, self.counts[name]) not in self.norms:
            return result
        if isinstance(result, Tensor):
            return torch.ones_like(result)
        given = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False))
        if "input" not in given:
            return tuple(torch.ones_like(each) for each in result)
        images = F.softsign(given["input"])
        shape = [1, -1, *[1] * (images.dim() - 2)] if "normalized_shape" not in given else [-1]
        scale, shift = (None if given.get(key) is None else given[key] * 1 for key in ("weight", "bias"))
        scaled = images if scale is None else images * scale.reshape(shape if scale.dim() == 1 else scale.shape)
        return (
            scaled if shift is None else scaled + shift.reshape(shape if shift.dim() == 1 else shift.shape),
            *result[1:],
        )
