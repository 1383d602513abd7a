"""The zeros of a network during training: kept after every step and, along a sparsity ramp, more and more of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam

from apcli.training.optim.optimisers import load_


@dataclass(frozen=True)
class Ramp:
    """Tensors ranked together, and the number of zeros among their weights by the step (from 0) where it starts."""

    tensors: tuple[str, ...]
    zeros: Mapping[int, int]


class Masking:
    """Keeps the removed weights of a network at zero, and removes those of lowest magnitude or score along ``ramps``.

    By magnitude, a removed weight stays removed. By scores, weights removed along a ramp can return until its last
    step: their values at removal are kept beside the network, and the gradient at their position keeps updating their
    score. Weights removed before training stay removed either way. Nothing here waits for the device.

    Args:
        weights: by name, changed in place.
        removed: bool masks by name, True = zero; those on a ramp are changed in place.
        learn: the loss's gradient with respect to the scores, from the weights and their gradient (of a criterion that
            needs ``training``); Adam descends it, so that no single steep step dominates. None: rank by |w|.
    """

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        removed: Mapping[str, Tensor],
        ramps: Sequence[Ramp] = (),
        learn: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> None:
        self.removed = removed
        self._weights = {name: weights[name] for name in removed}
        self._ramps = ramps
        self._learn = learn
        ramped = [name for ramp in ramps for name in ramp.tensors] if learn else []
        self._scores = {name: _no_scores(weights[name]) for name in ramped}
        self._values = {name: weights[name].detach().clone() for name in ramped}
        self._first = {name: removed[name].clone() for name in ramped}
        on_cuda = any(scores.is_cuda for scores in self._scores.values())
        self._descent = Adam(self._scores.values(), capturable=on_cuda) if ramped else None  # any rate ranks alike
        self._step = 0

    def before_step(self) -> None:
        """Remove the weights that the ramps want removed before the coming step."""
        for ramp in self._ramps:
            if self._step in ramp.zeros:
                self._remove(ramp.tensors, ramp.zeros[self._step])
        self._step += 1

    @torch.no_grad()
    def after_gradients(self) -> None:
        """Update the scores from the gradients, then set the gradients of removed weights to zero.

        Quantities that couple weights, such as a norm to clip by or a trust ratio, then ignore the removed ones.
        """
        if self._learn is not None and self._descent is not None:
            for name, scores in self._scores.items():
                gradient = self._weights[name].grad
                if gradient is not None:
                    scores.grad = self._learn(self._whole(name), gradient.to(scores.dtype))
            self._descent.step()
        for name, mask in self.removed.items():
            gradient = self._weights[name].grad
            if gradient is not None:
                gradient.masked_fill_(mask, 0.0)

    @torch.no_grad()
    def hold(self, weights: Mapping[str, Tensor] | None = None) -> None:
        """Set the removed weights, here or in a copy, to exactly +0.0; a product with 0 would keep NaN and the sign."""
        for name, mask in self.removed.items():
            (weights or self._weights)[name].masked_fill_(mask, 0.0)

    @torch.no_grad()
    def _remove(self, tensors: tuple[str, ...], zeros: int) -> None:
        """Remove the ``zeros`` weights of lowest magnitude or score: first those that stay removed; ties by index."""
        for name in self._values.keys() & set(tensors):
            self._values[name].copy_(self._whole(name))
        stays = [self._first.get(name, self.removed[name]) for name in tensors]
        scores = [self._scores[name] if self._scores else self._weights[name].abs() for name in tensors]
        finite = [s.clamp(min=torch.finfo(s.dtype).min) for s in scores]  # -inf is for weights that stay removed
        ranks = [s.masked_fill(mask, -torch.inf).flatten() for s, mask in zip(finite, stays, strict=True)]
        lowest = torch.cat(ranks).sort(stable=True).indices[:zeros]
        removed = torch.zeros(sum(mask.numel() for mask in stays), dtype=torch.bool, device=lowest.device)
        removed.index_fill_(0, lowest, True)
        for name, part in zip(tensors, removed.split([mask.numel() for mask in stays]), strict=True):
            self.removed[name].copy_(part.view_as(self.removed[name]))
            if name in self._values:
                self._weights[name].copy_(self._values[name])
            self._weights[name].masked_fill_(self.removed[name], 0.0)

    def state_dict(self) -> dict[str, Any]:
        """Everything, besides the weights, that later steps depend on."""
        state = {"removed": dict(self.removed), "scores": self._scores, "values": self._values, "first": self._first}
        return {**state, "step": self._step, "descent": self._descent and self._descent.state_dict()}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        parts = {"removed": self.removed, "scores": self._scores, "values": self._values, "first": self._first}
        for part, tensors in parts.items():
            for name, tensor in tensors.items():
                tensor.copy_(state[part][name])
        self._step = state["step"]
        if self._descent is not None:
            load_(self._descent, state["descent"])

    def _whole(self, name: str) -> Tensor:
        """The weights, the removed ones with their values at removal."""
        return torch.where(self.removed[name], self._values[name], self._weights[name])


def _no_scores(weight: Tensor) -> Tensor:
    """Zero scores in float32 or wider: half precision would lose most of the single steps' increments."""
    return torch.zeros_like(weight, dtype=torch.promote_types(weight.dtype, torch.float32), requires_grad=False)
