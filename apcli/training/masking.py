"""The zeros of a network that is trained: held after every step, and, by a schedule, ever more of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam

from apcli.training.optim.optimisers import load_


@dataclass(frozen=True)
class Growth:
    """Tensors that are ranked together, and how many of their weights are zero from which step on (counted from 0)."""

    tensors: tuple[str, ...]
    zeros: Mapping[int, int]


class Masking:
    """Keeps the removed weights of a network at zero; those of lowest magnitude or score join them as ``growths`` say.

    By magnitude, a weight that is removed stays so. By scores, those of ``growths`` can come back until the last
    growth: their values at removal are kept beside the network, and the gradient that reaches their place goes on
    scoring them. What was removed before training stays so in both. Nothing here waits for the device.

    Args:
        weights: by name, changed in place.
        removed: bool masks by name, True = zero; those that grow are changed in place.
        learn: the loss's gradient with respect to the scores, from the weights' (of a criterion that needs
            ``training``); Adam descends it, so that a steep moment does not outweigh all others. None: |w| ranks.
    """

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        removed: Mapping[str, Tensor],
        growths: Sequence[Growth] = (),
        learn: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> None:
        self.removed = removed
        self._weights = {name: weights[name] for name in removed}
        self._growths = growths
        self._learn = learn
        grown = [name for growth in growths for name in growth.tensors] if learn else []
        self._scores = {name: _no_scores(weights[name]) for name in grown}
        self._values = {name: weights[name].detach().clone() for name in grown}
        self._first = {name: removed[name].clone() for name in grown}
        on_cuda = any(scores.is_cuda for scores in self._scores.values())
        self._descent = Adam(self._scores.values(), capturable=on_cuda) if grown else None  # any rate ranks alike
        self._step = 0

    def before_step(self) -> None:
        """Remove what the schedule wants removed before the step that comes."""
        for growth in self._growths:
            if self._step in growth.zeros:
                self._grow(growth.tensors, growth.zeros[self._step])
        self._step += 1

    @torch.no_grad()
    def after_gradients(self) -> None:
        """Take what the gradients teach of which weights matter, then leave only those of weights that are trained.

        So nothing that couples weights, a norm to clip by or a trust ratio, counts what is removed.
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
        """Set the removed weights, here or in a copy, to +0.0 exactly; a product with 0 would keep NaN and sign."""
        for name, mask in self.removed.items():
            (weights or self._weights)[name].masked_fill_(mask, 0.0)

    @torch.no_grad()
    def _grow(self, tensors: tuple[str, ...], zeros: int) -> None:
        """Remove the ``zeros`` weights of lowest magnitude or score, those that stay removed first, ties by index."""
        for name in self._values.keys() & set(tensors):
            self._values[name].copy_(self._whole(name))
        stays = [self._first.get(name, self.removed[name]) for name in tensors]
        scores = [self._scores[name] if self._scores else self._weights[name].abs() for name in tensors]
        finite = [s.clamp(min=torch.finfo(s.dtype).min) for s in scores]  # only what stays removed ranks at -inf
        ranks = [s.masked_fill(mask, -torch.inf).flatten() for s, mask in zip(finite, stays, strict=True)]
        lowest = torch.cat(ranks).sort(stable=True).indices[:zeros]
        grown = torch.zeros(sum(mask.numel() for mask in stays), dtype=torch.bool, device=lowest.device)
        grown.index_fill_(0, lowest, True)
        for name, part in zip(tensors, grown.split([mask.numel() for mask in stays]), strict=True):
            self.removed[name].copy_(part.view_as(self.removed[name]))
            if name in self._values:
                self._weights[name].copy_(self._values[name])
            self._weights[name].masked_fill_(self.removed[name], 0.0)

    def state_dict(self) -> dict[str, Any]:
        """All that the steps to come depend on, beside the weights."""
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
        """The weights, with the values that the removed ones had."""
        return torch.where(self.removed[name], self._values[name], self._weights[name])


def _no_scores(weight: Tensor) -> Tensor:
    """Scores of zero, in float32 or wider: half precision would lose most of what single steps add."""
    return torch.zeros_like(weight, dtype=torch.promote_types(weight.dtype, torch.float32), requires_grad=False)
