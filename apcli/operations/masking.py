"""The zeros of a network that is trained: held after every step, and, by a schedule, ever more of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Growth:
    """Tensors that are ranked together, and how many of their weights are zero from which step on (counted from 0)."""

    tensors: tuple[str, ...]
    zeros: Mapping[int, int]


class Masking:
    """Keeps the removed weights of a network at zero; those of lowest magnitude or score join them as ``growths`` say.

    A weight that is removed stays so. Nothing here waits for the device.

    Args:
        weights: by name, changed in place.
        removed: bool masks by name, True = zero; those that grow are changed in place.
        learn: adds what a step teaches to the scores (of a criterion that needs ``training``); None: |w| is the score.
    """

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        removed: Mapping[str, Tensor],
        growths: Sequence[Growth] = (),
        learn: Callable[[Tensor, Tensor, Tensor, float], None] | None = None,
    ) -> None:
        self.removed = removed
        self._weights = {name: weights[name] for name in removed}
        self._growths = growths
        self._learn = learn
        grown = [name for growth in growths for name in growth.tensors] if learn else []
        self._scores = {name: _no_scores(weights[name]) for name in grown}
        self._step = 0

    def before_step(self) -> None:
        """Remove what the schedule wants removed before the step that comes."""
        for growth in self._growths:
            if self._step in growth.zeros:
                self._grow(growth.tensors, growth.zeros[self._step])
        self._step += 1

    @torch.no_grad()
    def after_gradients(self, lr: float) -> None:
        """Take what the gradients teach of which weights matter, before the step that uses them up."""
        for name, scores in self._scores.items():
            weight = self._weights[name]
            if self._learn is not None and weight.grad is not None:
                self._learn(scores, weight, weight.grad, lr)

    @torch.no_grad()
    def hold(self) -> None:
        """Set the removed weights to +0.0 exactly (a product with 0 would keep NaN and the sign)."""
        for name, mask in self.removed.items():
            self._weights[name].masked_fill_(mask, 0.0)

    @torch.no_grad()
    def _grow(self, tensors: tuple[str, ...], zeros: int) -> None:
        """Remove the ``zeros`` weights of lowest magnitude or score, those removed before first, ties by index."""
        masks = [self.removed[name] for name in tensors]
        scores = [self._scores[name] if self._scores else self._weights[name].abs() for name in tensors]
        finite = [s.clamp(min=torch.finfo(s.dtype).min) for s in scores]  # only what was removed before ranks at -inf
        ranks = [s.masked_fill(mask, -torch.inf).flatten() for s, mask in zip(finite, masks, strict=True)]
        lowest = torch.cat(ranks).sort(stable=True).indices[:zeros]
        grown = torch.zeros(sum(mask.numel() for mask in masks), dtype=torch.bool, device=lowest.device)
        grown.index_fill_(0, lowest, True)
        for name, part in zip(tensors, grown.split([mask.numel() for mask in masks]), strict=True):
            self.removed[name].copy_(part.view_as(self.removed[name]))
            self._weights[name].masked_fill_(self.removed[name], 0.0)


def _no_scores(weight: Tensor) -> Tensor:
    """Scores of zero, in float32 or wider: half precision would lose most of what single steps add."""
    return torch.zeros_like(weight, dtype=torch.promote_types(weight.dtype, torch.float32), requires_grad=False)
