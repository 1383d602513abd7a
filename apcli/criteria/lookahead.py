"""The criterion that looks at the layers before and behind a weight."""

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from apcli.channels.flows import flows
from apcli.criteria.subject import Scores, Subject
from apcli.probes.undisturbed import undisturbed

_Side = tuple[str, int, bool]  # a weight, a dimension of it, and whether what stands before it is meant


def lookahead(subject: Subject) -> Scores:
    """Score |w_kj| a_k ||the weights that make input channel j||_F ||the weights that read output channel k||_F.

    a_k = |gamma_k| / sqrt(var_k + eps) where a batch norm takes the layer's output, else 1; the rows of the weights
    before are scaled by their own. Before a weight stand the layers whose outputs reach the tensor that it reads, with
    no other weight between; behind it, those that read a tensor which its output has reached. Where they are several
    (the terms of a residual sum so far, the readers of the stream from there on), theirs are one matrix. A depthwise
    weight stands between those that make its channels and those that read them. Where no layer is known the factor is
    1: before the first, behind the last, beyond attention, on both sides of a grouped convolution.

    Returns:
        float64 scores of the weights' shapes.

    Source: Park et al. 2020, arXiv:2002.04809, equations (4) and (5): the Frobenius norm of the change of the product
    of three consecutive layers when one weight becomes zero; batch norms are part of the layers that they follow.
    """
    image = next(iter(subject.batches()))[0][:1]
    weights = {name: weight.detach() for name, weight in subject.model.named_parameters(remove_duplicate=False)}
    scales = _scales(subject.model, image)
    sums: dict[_Side, Tensor] = {}  # of squares; NaN where nothing stands
    for flow in flows(subject.model, image):
        made = _squares(weights[flow.maker], flow.maker_dim, scales.get(flow.maker, 1))
        read = _squares(weights[flow.reader], flow.reader_dim, 1)  # a batch norm behind it comes after the product
        made_at, read_at = (torch.from_numpy(indices).to(made.device) for indices in (flow.made, flow.read))
        _add_(sums, (flow.maker, flow.maker_dim, False), made_at, read[read_at], len(made))
        _add_(sums, (flow.reader, flow.reader_dim, True), read_at, made[made_at], len(read))
    scores = {name: (weights[name].double() * scales.get(name, 1)).abs() for name in subject.tensors}
    for (name, dim, _), total in sums.items():
        if name in scores:
            scores[name].movedim(dim, -1).mul_(total.sqrt().nan_to_num(nan=1.0))
    return {name: score.cpu().numpy() for name, score in scores.items()}


def _squares(weight: Tensor, dim: int, scale: Any) -> Tensor:
    """The sum of squares at each index along ``dim``, float64."""
    return (weight.double() * scale).square().movedim(dim, 0).flatten(1).sum(dim=1)


def _add_(sums: dict[_Side, Tensor], key: _Side, at: Tensor, terms: Tensor, size: int) -> None:
    """Add ``terms`` at these indices to a sum of ``size`` numbers, which are NaN where nothing was added yet."""
    if key not in sums:
        sums[key] = terms.new_full((size,), torch.nan)
    total = sums[key]
    total[at] = total[at].nan_to_num(nan=0.0)
    total.index_add_(0, at, terms)


def _scales(model: nn.Module, image: Tensor) -> dict[str, Tensor]:
    """|gamma| / sqrt(var + eps) of the batch norm that takes a module's output, by the weight's name.

    They are float64 and shaped to multiply the weight.
    """
    outputs: dict[int, tuple[str, Any, Tensor, int]] = {}  # by identity, which is its own while the output is held
    scales: dict[str, Tensor] = {}

    def made(name: str, module: nn.Module, args: Any, output: Tensor) -> None:
        outputs.setdefault(id(output), (name, module, output, output._version))

    def taken(norm: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        given = args[0] if args else kwargs["input"]
        name, module, _, version = outputs.get(id(given), ("", None, None, None))
        if module is None or given._version != version:  # a sum, say, that was made in place
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
            if isinstance(getattr(module, "running_var", None), Tensor):  # also those that are no nn.BatchNorm
                hook = module.register_forward_pre_hook(taken, with_kwargs=True)
                hooks.callback(hook.remove)
            elif isinstance(getattr(module, "weight", None), Tensor) and module.weight.dim() > 1:
                hook = module.register_forward_hook(partial(made, f"{name}.weight"))
                hooks.callback(hook.remove)
        model(image)
    return scales
