"""The zeros of a network that is trained: held after every step, and, by a schedule, ever more of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Growth:
    """Tensors that are ranked together, and how many of their weights are zero from which step on (counted from 0)."""

    tensors: tuple[str, ...]
    zeros: Mapping[int, int]


class Masking:
    """Keeps the removed weights of a network at zero; those of lowest magnitude join them as ``growths`` say.

    A weight that is removed stays so. Nothing here waits for the device.

    Args:
        weights: by name, changed in place.
        removed: bool masks by name, True = zero; those that grow are changed in place.
    """

    def __init__(
        self, weights: Mapping[str, Tensor], removed: Mapping[str, Tensor], growths: Sequence[Growth] = ()
    ) -> None:
        self.removed = removed
        self._weights = {name: weights[name] for name in removed}
        self._growths = growths
        self._step = 0

    def before_step(self) -> None:
        """Remove what the schedule wants removed before the step that comes."""
        for growth in self._growths:
            if self._step in growth.zeros:
                self._grow(growth.tensors, growth.zeros[self._step])
        self._step += 1

    @torch.no_grad()
    def hold(self) -> None:
        """Set the removed weights to +0.0 exactly (a product with 0 would keep NaN and the sign)."""
        for name, mask in self.removed.items():
            self._weights[name].masked_fill_(mask, 0.0)

    @torch.no_grad()
    def _grow(self, tensors: tuple[str, ...], zeros: int) -> None:
        """Remove the ``zeros`` weights of lowest magnitude, those removed before first, ties by index."""
        masks = [self.removed[name] for name in tensors]
        ranks = [self._weights[name].abs().masked_fill(self.removed[name], -1).flatten() for name in tensors]
        lowest = torch.cat(ranks).sort(stable=True).indices[:zeros]
        grown = torch.zeros(sum(mask.numel() for mask in masks), dtype=torch.bool, device=lowest.device)
        grown.index_fill_(0, lowest, True)
        for name, part in zip(tensors, grown.split([mask.numel() for mask in masks]), strict=True):
            self.removed[name].copy_(part.view_as(self.removed[name]))
            self._weights[name].masked_fill_(self.removed[name], 0.0)
