"""torch's optimisers, fused into one kernel where they can be, and fit for a CUDA graph."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from apcli.errors import UsageError
from apcli.training.recipe import Recipe


def optimiser_of(network: nn.Module, recipe: Recipe, *, captured: bool) -> tuple[Optimizer, bool]:
    """The optimiser of the parameters that learn, and whether its step can be captured as is wished.

    A captured step reads its rate from a tensor on the device. With ``decay`` weights, only parameters of two or more
    dimensions decay: no biases, and no scales of norms.

    Raises:
        UsageError: the optimiser does not take these numbers.
    """
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    needs = recipe.opt.row.needs
    fused = "fused" in needs and all(parameter.is_floating_point() for parameter in learning)
    captures = captured and ("capturable" in needs or fused)
    options: dict[str, Any] = {"fused": True} if fused else {}
    if recipe.momentum is not None:
        options["momentum"] = recipe.momentum
    if captures and "capturable" in needs:
        options["capturable"] = True
    groups: Any = learning
    if recipe.decay == "weights":
        flat = [parameter for parameter in learning if parameter.dim() < 2]
        groups = [{"params": [parameter for parameter in learning if parameter.dim() >= 2]}]
        groups += [{"params": flat, "weight_decay": 0.0}] if flat else []
    rate = torch.tensor(recipe.lr, device=learning[0].device) if captures else recipe.lr
    try:
        optimiser: Optimizer = recipe.opt(groups, lr=rate, weight_decay=recipe.weight_decay, **options)
    except ValueError as error:
        raise UsageError(f"--opt {recipe.opt.spec} with --lr {recipe.lr:g}: {error}") from None
    for group in optimiser.param_groups:
        if "nesterov" in group:
            group["nesterov"] = bool(group["nesterov"])  # a table's row holds a number, the fused kernel takes none
    return optimiser, captures


def restore_rates_(optimiser: Optimizer, device: torch.device) -> None:
    """Bring rates that were saved as tensors back to the device."""
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"] = group["lr"].to(device)
