"""Magnitudes weighted by the norms of the adjacent layers' weights."""

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from apcli.channels.flows import flows
from apcli.criteria.subject import Scores, Subject
from apcli.probes.undisturbed import undisturbed

_Side = tuple[str, int, bool]  # a weight, a dimension of it, and whether the layers before it are meant


def lookahead(subject: Subject) -> Scores:
    """Score |w_kj| a_k ||the weights that make input channel j||_F ||the weights that read output channel k||_F.

    a_k = |gamma_k| / sqrt(var_k + eps) if a batch norm reads the layer's output, otherwise 1; the rows of the preceding
    weights are scaled by their own factors. The layers before a weight are those whose outputs reach its input without
    another weight in between; the layers after it are those that read a tensor reached by its output. If there are
    several (the earlier terms of a residual sum, the later readers of the stream), their weights form one matrix. A
    depthwise weight lies between the layers that make its channels and those that read them. Where no layer is known
    the factor is 1: before the first, after the last, beyond attention, on both sides of a grouped convolution.

    Returns:
        float64 scores in the weights' shapes.

    Source: Park et al. 2020, arXiv:2002.04809, equations (4) and (5): the Frobenius norm of the change in the product
    of three consecutive layers when one weight becomes zero; a batch norm belongs to the layer that it follows.
    """
    image = next(iter(subject.batches()))[0][:1]
    weights = {name: weight.detach() for name, weight in subject.model.named_parameters(remove_duplicate=False)}
    scales = _scales(subject.model, image)
    sums: dict[_Side, Tensor] = {}  # of squares; NaN without an adjacent layer
    for flow in flows(subject.model, image):
        made = _squares(weights[flow.maker], flow.maker_dim, scales.get(flow.maker, 1))
        read = _squares(weights[flow.reader], flow.reader_dim, 1)  # its own batch norm comes after the product
        made_at, read_at = (torch.from_numpy(indices).to(made.device) for indices in (flow.made, flow.read))
        _add_(sums, (flow.maker, flow.maker_dim, False), made_at, read[read_at], len(made))
        _add_(sums, (flow.reader, flow.reader_dim, True), read_at, made[made_at], len(read))
    scores = {name: (weights[name].double() * scales.get(name, 1)).abs() for name in subject.tensors}
    for (name, dim, _), total in sums.items():
        if name in scores:
            scores[name].movedim(dim, -1).mul_(total.sqrt().nan_to_num(nan=1.0))
    return {name: score.cpu().numpy() for name, score in scores.items()}


def _squares(weight: Tensor, dim: int, scale: Tensor | float) -> Tensor:
    """The sum of squares at each index along ``dim``, float64."""
    return (weight.double() * scale).square().movedim(dim, 0).flatten(1).sum(dim=1)


def _add_(sums: dict[_Side, Tensor], key: _Side, at: Tensor, terms: Tensor, size: int) -> None:
    """Add ``terms`` at these indices to a sum of ``size`` numbers, which are NaN until something is added."""
    if key not in sums:
        sums[key] = terms.new_full((size,), torch.nan)
    total = sums[key]
    total[at] = total[at].nan_to_num(nan=0.0)
    total.index_add_(0, at, terms)


def _scales(model: nn.Module, image: Tensor) -> dict[str, Tensor]:
    """|gamma| / sqrt(var + eps) of the batch norm that reads a module's output, by the weight's name.

    They are float64 and shaped to multiply the weight.
    """
    outputs: dict[int, tuple[str, Any, Tensor, int]] = {}  # by id, unique while the output is kept
    scales: dict[str, Tensor] = {}

    def made(name: str, module: nn.Module, args: object, output: Tensor) -> None:
        outputs.setdefault(id(output), (name, module, output, output._version))

    def taken(norm: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        given = args[0] if args else kwargs["input"]
        name, module, _, version = outputs.get(id(given), ("", None, None, None))
        if module is None or given._version != version:  # changed in place since, by a sum for example
            return
        scale = (norm.running_var.double() + norm.eps).rsqrt()
        if norm.weight is not None:
            scale = scale * norm.weight.detach().double().abs()
        shape = [1] * module.weight.dim()
        shape[1 if getattr(module, "transposed", False) else 0] = -1
        if module.weight.shape[shape.index(-1)] == len(scale):
            scales.setdefault(name, scale.reshape(shape))

    with undisturbed(model), torch.no_grad(), ExitStack() as hooks:
        for name, module in model.named_modules():
            if isinstance(getattr(module, "running_var", None), Tensor):  # also norms outside nn.BatchNorm
                hook = module.register_forward_pre_hook(taken, with_kwargs=True)
                hooks.callback(hook.remove)
            elif isinstance(getattr(module, "weight", None), Tensor) and module.weight.dim() > 1:
                hook = module.register_forward_hook(partial(made, f"{name}.weight"))
                hooks.callback(hook.remove)
        model(image)
    return scales
