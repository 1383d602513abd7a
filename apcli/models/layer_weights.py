"""The parameters that a network's layers multiply by, found from its modules."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import parametrize

from apcli.checkpoints import network_layers as kinds
from apcli.checkpoints.network_layers import LayerWeight, NetworkLayers
from apcli.checkpoints.tensor_names import Judgement, judge

_THROUGH = {"_WeightNorm": kinds.WEIGHT_NORM, "_SpectralNorm": "spectral norm", "_Orthogonal": "an orthogonal matrix"}
_RECURRENT = ("weight_ih", "weight_hh", "weight_hr")
# By whether their weights have the outputs second (transposed), and whether they are grouped.
_CONVOLUTIONS = {
    (False, False): kinds.CONVOLUTION,
    (False, True): kinds.GROUPED,
    (True, False): kinds.TRANSPOSED,
    (True, True): kinds.GROUPED_TRANSPOSED,
}
_IN_PROJECTIONS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")


def layer_weights(model: nn.Module) -> NetworkLayers:
    """The parameters of ``model`` that its layers multiply by, each listed once, however many names it has.

    Weights belong to torch's Linear, Bilinear, convolutions, attention projections, recurrent layers and embeddings, to
    modules derived from them, and to modules that look like one (``in_features``, or ``in_channels`` and
    ``kernel_size``). In other custom modules, parameters named and shaped like weights count.

    A parametrised weight is represented by the tensor it is computed from whose zeros are zeros of the weight, found by
    trial on random numbers; if there is no such tensor, all of them are listed as refused.
    """
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    weights: dict[int, LayerWeight] = {}
    for prefix, module in model.named_modules(remove_duplicate=False):
        for own, kind in _weights_of(prefix, module):
            for name, parameter, through, refused in _stored(module, own):
                tensor = f"{prefix}.{name}" if prefix else name
                earlier = weights.get(id(parameter))
                # A table shared by an embedding and a linear layer is a factor: the linear layer decides.
                if earlier is None or (earlier.kind == kinds.EMBEDDING and kind != kinds.EMBEDDING):
                    tied = tuple(other for other in names[id(parameter)] if other != tensor)
                    weights[id(parameter)] = LayerWeight(tensor, kind, tied, through, refused)
    order = {name: number for number, (name, _) in enumerate(model.named_parameters(remove_duplicate=False))}
    return NetworkLayers(tuple(sorted(weights.values(), key=lambda weight: order[weight.tensor])))


def _weights_of(prefix: str, module: nn.Module) -> Iterator[tuple[str, str]]:
    """Yield a module's weight attributes and their kinds, parametrised or not."""
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        yield "weight", kinds.EMBEDDING
    elif isinstance(module, nn.MultiheadAttention):
        yield from ((own, kinds.ATTENTION) for own in _IN_PROJECTIONS if list(_stored(module, own)))
    elif isinstance(module, nn.RNNBase | nn.RNNCellBase):
        owned = [*module._parameters, *_parametrised(module)]
        bases = dict.fromkeys(own.removesuffix("_v").removesuffix("_orig") for own in owned)
        yield from ((own, kinds.RECURRENT) for own in bases if own.startswith(_RECURRENT))
    elif _is_convolution(module):
        yield "weight", _CONVOLUTIONS[getattr(module, "transposed", False), getattr(module, "groups", 1) != 1]
    elif isinstance(module, nn.Linear | nn.Bilinear) or hasattr(module, "in_features"):
        yield "weight", kinds.LINEAR
    elif not type(module).__module__.startswith("torch.nn.modules."):
        owned_tensors = {
            f"{prefix}.{own}" if prefix else own: ("F32", tuple(parameter.shape))
            for own, parameter in module.named_parameters(recurse=False)
        }
        for name, verdict in judge(owned_tensors).items():
            if verdict.judgement is Judgement.LAYER:
                yield name.rpartition(".")[2], kinds.OWN


def _is_convolution(module: nn.Module) -> bool:
    looks_like_one = hasattr(module, "in_channels") and hasattr(module, "kernel_size")
    return isinstance(module, nn.modules.conv._ConvNd) or looks_like_one


def _parametrised(module: Any) -> list[str]:
    return list(module.parametrizations) if parametrize.is_parametrized(module) else []


def _stored(module: Any, own: str) -> Iterator[tuple[str, nn.Parameter, str, str]]:
    """Yield the parameters that store the weight ``own``, if any: name, parameter, made through, reason of refusal.

    The weight itself is never accessed, as access alone advances a spectral norm by one step.
    """
    if own in _parametrised(module):
        yield from _made_by(module.parametrizations[own], own)
        return
    for stored, beside, through in (
        (own, "", ""),
        (f"{own}_v", f"{own}_g", kinds.WEIGHT_NORM),
        (f"{own}_orig", f"{own}_u", "spectral norm"),
        (f"{own}_orig", f"{own}_mask", "a mask of torch.nn.utils.prune"),
    ):
        parameter = module._parameters.get(stored)
        if isinstance(parameter, nn.Parameter) and parameter.dim() > 1 and (not beside or hasattr(module, beside)):
            yield stored, parameter, through, ""
            return


def _made_by(made: parametrize.ParametrizationList, own: str) -> Iterator[tuple[str, nn.Parameter, str, str]]:
    """Yield the tensor whose zeros are a parametrised weight's zeros; if there is none, all its tensors, refused."""
    through = " and ".join(_THROUGH.get(type(step).__name__, type(step).__name__) for step in made)
    stored = {name: parameter for name, parameter in made.named_parameters(recurse=False) if parameter.dim() > 1}
    for name, parameter in stored.items():
        if _zeros_stay(made, name):
            yield f"parametrizations.{own}.{name}", parameter, through, ""
            return
    for name, parameter in stored.items():
        yield f"parametrizations.{own}.{name}", parameter, through, f"made into {through}"


def _zeros_stay(made: parametrize.ParametrizationList, name: str) -> bool:
    """Whether zeros of one tensor are zeros of the weight computed from it, at the same positions."""
    draws = torch.Generator().manual_seed(0)

    def numbers(tensor: Tensor) -> Tensor:
        drawn = torch.randn(tensor.shape, generator=draws).to(tensor.dtype)
        return drawn if tensor.is_meta else drawn.to(tensor.device)

    drawn = {other: numbers(parameter) for other, parameter in made.named_parameters(recurse=False)}
    zero = torch.rand(drawn[name].shape, generator=draws) < 0.5
    for dim in range(zero.dim()):  # leave no row all zero: its norm, by which weight norm divides, would be 0
        zero &= ~zero.movedim(dim, 0).flatten(1).all(1).reshape([-1, *[1] * (zero.dim() - 1)]).movedim(0, dim)
    zero = zero.to(drawn[name].device)
    drawn[name] = drawn[name].masked_fill(zero, 0)
    buffers = {name: numbers(old) if old.is_meta else old.clone() for name, old in made.named_buffers()}
    training = made.training
    try:
        made.eval()  # a spectral norm in training mode would take a step
        with torch.no_grad():
            weight = functional_call(made, {**drawn, **buffers}, ())
    finally:
        made.train(training)
    return weight.shape == zero.shape and bool(zero.any() and (weight[zero] == 0).all() and (weight[~zero] != 0).any())
