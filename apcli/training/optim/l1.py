"""The l1 penalty of a training, lambda sum |w|: a proximal step after each of the optimiser's, or a subgradient."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from apcli.training.optim.parameters import prunable
from apcli.training.recipe import Recipe

_SUMMED = ("weight", "bias")  # how the names end of the parameters that the published penalty sums


class L1Penalty:
    """The part of ``Recipe.l1`` in each step; nothing without it. Nothing here waits for the device.

    *Proximal*: after the optimiser's step, the layers' weights become sign(w) max(|w| - t, 0), so those that the loss
    does not hold against the penalty are exactly zero (Parikh & Boyd 2014, "Proximal algorithms", sections 4.2 and
    6.5.2). The step size is that of the optimiser:

    - For ``sgd``, t = lr lambda / (1 - momentum), by the step's own rate and momentum. Momentum multiplies the effect
      of a constant gradient by 1 / (1 - momentum), so with this t the minimisers of loss + lambda sum |w| stay where
      they are, and lambda means the same as in the other form. ``rmsprop``'s momentum counts alike.
    - An optimiser that scales gradients by their own size (Adam and its like) has no momentum in this sense, and
      t = lr lambda: the usual choice, which leaves its scaling out as AdamW does for weight decay
      (arXiv:1711.05101). lambda is then weighed against scaled gradients, which are about 1, not against the loss's:
      it needs a value of its own.

    *Subgradient*, as published with arXiv:2306.05857: lambda sign(w), with sign(0) = 0, is added to the gradient of
    every learning parameter whose name ends in weight or bias, those of norms included, as autograd does for
    loss + lambda sum |w|. No weight becomes exactly zero.

    The losses that are reported are without the penalty.
    """

    def __init__(self, network: nn.Module, optimiser: Optimizer, recipe: Recipe) -> None:
        self._strength = recipe.l1
        named = network.named_parameters() if recipe.l1_form == "subgradient" else ()
        self._summed = [tensor for name, tensor in named if tensor.requires_grad and name.endswith(_SUMMED)]
        self._shrunk = prunable(network) if recipe.l1_form == "proximal" else {}
        self._chosen = {id(weight) for weight in self._shrunk.values()}
        self._optimiser = optimiser

    @torch.no_grad()
    def after_gradients(self) -> None:
        """Add the subgradient to the gradients of the whole batch; a parameter without one gets it as its gradient."""
        for tensor in self._summed:
            if tensor.grad is None:
                tensor.grad = torch.zeros_like(tensor)
            tensor.grad.add_(tensor.sign(), alpha=self._strength)

    @torch.no_grad()
    def after_step(self) -> None:
        """Take the proximal step."""
        if not self._chosen:
            return
        for group in self._optimiser.param_groups:  # a resumed state replaces the groups
            limit = group["lr"] * (self._strength / (1 - group.get("momentum", 0.0)))
            for weight in group["params"]:
                if id(weight) in self._chosen:
                    weight.sub_(weight.clamp(-limit, limit))  # w - w is exactly +0.0

    @torch.no_grad()
    def hold(self, average: Mapping[str, Tensor]) -> None:
        """Set to zero, in a moving average, the weights that are zero now: their averages would hardly ever be."""
        for name, weight in self._shrunk.items():
            average[name].masked_fill_(weight == 0, 0.0)
