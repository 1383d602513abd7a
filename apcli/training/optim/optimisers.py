"""torch's optimisers, fused into one kernel where possible, and fit for a CUDA graph."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from apcli.errors import UsageError
from apcli.training.optim.depth import scales_by_depth
from apcli.training.optim.parameters import decaying
from apcli.training.recipe import Recipe

_BUILT = ("capturable", "foreach", "fused")  # flags of the implementation, not restored from a saved state
_COUNTS = {"step", "mu_product"}  # numbers in the state, on the device for some of these flags, otherwise on the CPU


def optimiser_of(network: nn.Module, recipe: Recipe, *, captured: bool) -> tuple[Optimizer, bool]:
    """The optimiser of the learning parameters, and whether its step can be captured, if ``captured`` asks for it.

    A captured step reads its learning rate from a tensor on the device; all other numbers of the optimiser are fixed at
    capture, see ``Recipe.obstacle``. For ``decay`` = weights see ``parameters.decaying``.

    Raises:
        UsageError: the optimiser refuses these numbers.
    """
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    row = recipe.opt.row
    fused = row.is_fused and all(parameter.is_floating_point() for parameter in learning)
    captures = captured and (row.is_capturable or fused) and recipe.obstacle is None
    options: dict[str, Any] = {"fused": True} if fused else {}
    if row.has_momentum:
        options["momentum"] = 0.95 if recipe.momentum is None else recipe.momentum  # None: ``Rates`` moves it
    if captures and row.is_capturable:
        options["capturable"] = True
    groups: Any = learning if recipe.decay == "all" and recipe.layer_decay is None else _groups(network, recipe)
    try:
        optimiser: Optimizer = recipe.opt(groups, lr=recipe.lr, weight_decay=recipe.weight_decay, **options)
    except ValueError as error:
        raise UsageError(f"--opt {recipe.opt.spec} with --lr {recipe.lr:g}: {error}") from None
    for group in optimiser.param_groups:
        if captures:
            group["lr"] = torch.tensor(recipe.lr, device=learning[0].device)
        if "nesterov" in group:
            group["nesterov"] = bool(group["nesterov"])  # a number in the table, which the fused kernel refuses
    return optimiser, captures


def _groups(network: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """The learning parameters by whether they decay, and by the ``scale`` of their learning rate."""
    decays = {id(parameter) for parameter in decaying(network)}
    scales = {} if recipe.layer_decay is None else scales_by_depth(network, recipe.layer_decay)
    members: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        if parameter.requires_grad:
            spared = recipe.decay == "weights" and id(parameter) not in decays
            members.setdefault((spared, scales.get(id(parameter), 1.0)), []).append(parameter)
    return [
        {"params": parameters, "scale": scale, **({"weight_decay": 0.0} if spared else {})}
        for (spared, scale), parameters in sorted(members.items(), key=lambda item: item[0])
    ]


def load_(optimiser: Optimizer, state: Mapping[str, Any]) -> None:
    """Load a saved state but keep the optimiser's own flags, whether or not the saved run's steps were captured.

    ``load_state_dict`` alone would replace the optimiser's flags and its kind of rate by the saved run's: a captured
    step would keep a constant rate, and capturable states do not run on a CPU.
    """
    groups = []
    for own, saved in zip(optimiser.param_groups, state["param_groups"], strict=True):
        rate = float(saved["lr"])
        built = {key: own[key] for key in _BUILT if key in own}
        built["lr"] = torch.full_like(own["lr"], rate) if isinstance(own["lr"], Tensor) else rate
        groups.append({**saved, **built})
    optimiser.load_state_dict({**state, "param_groups": groups})
    for group in optimiser.param_groups:
        on_device = group.get("capturable") or group.get("fused")
        for parameter in group["params"]:
            own_state = optimiser.state.get(parameter, {})
            for key in _COUNTS & own_state.keys():
                if isinstance(own_state[key], Tensor):
                    own_state[key] = own_state[key].to(parameter.device if on_device else "cpu", torch.float32)
