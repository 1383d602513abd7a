"""Budgets of single weights: the parameters that are left, and the multiply-adds of weights that are not zero."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from apcli.allocations.budgets import Allowance, Costs
from apcli.allocations.units import Resource
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import Layer, every_layer
from apcli.checkpoints.sizes import counted, sizes, weights_of
from apcli.errors import UsageError
from apcli.stages.prune.requests import Remaining
from apcli.theory.widths.costs import WidthCost
from apcli.words import few

if TYPE_CHECKING:  # it imports torch
    from apcli.probes.costs import Costs as MultiplyAdds


def compression(source: Checkpoint, layers: Sequence[Layer], ratio: float) -> Allowance:
    """The budget of a model with ``ratio`` times as many parameters as are left.

    Raises:
        UsageError: the layers cannot give that compression.
    """
    total = sizes(counted(source, source.entries), weights_of(source)).parameters
    budget = _parameters(source, layers, round(total / ratio), f"--compression {ratio:g}", ratio=True)
    return replace(budget, nearest=True)


def remaining(
    source: Checkpoint,
    layers: Sequence[Layer],
    amount: Remaining,
    multiply_adds: "Callable[[], MultiplyAdds] | None" = None,
) -> Allowance:
    """The budget of ``--budget`` for the layers' weights.

    Args:
        multiply_adds: counts those of the network, if the amount is of them.

    Raises:
        UsageError: the layers cannot give what is asked for.
    """
    if amount.resource is Resource.PARAMETERS:
        total = sizes(counted(source, source.entries), weights_of(source)).parameters
        return _parameters(source, layers, int(Fraction(str(amount.left)) * total), amount.option)
    if multiply_adds is None:
        raise ValueError(f"{amount.option} counts the multiply-adds of the network: pass what counts them")
    return _multiply_adds(source, layers, amount, multiply_adds())


def _parameters(
    source: Checkpoint, layers: Sequence[Layer], left: int, option: str, *, ratio: bool = False
) -> Allowance:
    """The budget of a model of which ``left`` parameters are not removed: that of the layers' weights alone.

    Args:
        ratio: whether the option is a ratio of sizes, else a share.
    """
    model = sizes(counted(source, source.entries), weights_of(source))
    total, scope = model.parameters, sum(layer.size for layer in layers)
    outside = model.removed - sum(source.entries[layer.tensor].zeros for layer in layers)
    wanted = total - left - outside
    if not 0 <= wanted < scope:
        least = max(1, total - outside - scope + 1)
        ends = (
            f"at most {total / least:.4g}: choose less"
            if ratio
            else f"at least {least / total:.4g} remains: choose more"
        )
        raise UsageError(
            f"{option} cannot be reached: the chosen layers of {source.label} have {scope} of its "
            f"{total} parameters, so {ends}, or more layers"
        )
    return Allowance(_costs(Resource.PARAMETERS, layers, [1.0] * len(layers), 0.0), scope - wanted)


def _multiply_adds(source: Checkpoint, layers: Sequence[Layer], amount: Remaining, counts: "MultiplyAdds") -> Allowance:
    """The budget of a network whose weights that are not zero make so many multiply-adds.

    Each weight of a layer is used equally often, and zeros save their part of the layer's.
    """
    each = {layer.tensor: sum(counts.weights.get(name, 0) for name in layer.tensors) for layer in every_layer(source)}
    unused = [layer.name for layer in layers if not each.get(layer.tensor)]
    if len(unused) == len(layers):
        raise UsageError(
            f"{source.label}: {amount.option}: the zeros of {few(unused)} save no multiply-adds: expected layers whose "
            "weights are operands of a product, or --budget params=S"
        )
    rates = [each[layer.tensor] / layer.size if layer.size else 0.0 for layer in layers]
    chosen = {layer.tensor for layer in layers}
    saved = sum(
        count * source.entries[tensor].zeros / source.entries[tensor].size
        for tensor, count in each.items()
        if count and tensor not in chosen
    )
    own = sum(rate * layer.size for rate, layer in zip(rates, layers, strict=True))
    constant = counts.total - own - saved
    left = amount.left * counts.total
    if left < constant:
        raise UsageError(
            f"{amount.option} cannot be reached: all other layers of {source.label} have {constant:,.0f} of its "
            f"{counts.total:,} multiply-adds, so at least {constant / counts.total:.4g} remains: choose more, or more "
            "layers"
        )
    return Allowance(_costs(Resource.MACS, layers, rates, constant), left)


def _costs(resource: Resource, layers: Sequence[Layer], each: Sequence[float], constant: float) -> Costs:
    nothing = np.zeros((len(layers), len(layers)))
    by_width = WidthCost(constant, np.array(each, float), nothing)
    return Costs(resource, {layer.name: layer.size for layer in layers}, by_width)
