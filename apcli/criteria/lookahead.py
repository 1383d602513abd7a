"""The criterion that looks at the layers before and behind a weight."""

from collections.abc import Container, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from apcli.criteria.subject import Scores, Subject
from apcli.models.channels import ChannelGroup, Part, channel_groups
from apcli.probes import undisturbed

Tensors = Mapping[str, Tensor]


def lookahead(subject: Subject) -> Scores:
    """Score |w_kj| a_k ||the weights that make input channel j||_F ||the weights that read output channel k||_F.

    a_k = |gamma_k| / sqrt(var_k + eps) where a batch norm takes the layer's output, else 1; the rows of the weights
    before are scaled by their own. Where several layers make a channel (a residual sum) or read it, theirs are one
    matrix. A depthwise weight stands between those that make its channels and those that read them. Where no layer is
    known the factor is 1: before the first, behind the last, beyond attention, on both sides of a grouped convolution.

    Returns:
        float64 scores of the weights' shapes.

    Source: Park et al. 2020, arXiv:2002.04809, equations (4) and (5): the Frobenius norm of the change of the product
    of three consecutive layers when one weight becomes zero; batch norms are part of the layers that they follow.
    """
    image = next(iter(subject.batches()))[0][:1]
    weights = {name: weight.detach() for name, weight in subject.model.named_parameters(remove_duplicate=False)}
    scales = _scales(subject.model, image)
    grouped = {f"{name}.weight" for name, m in subject.model.named_modules() if getattr(m, "groups", 1) != 1}
    scores = {name: (weights[name].double() * scales.get(name, 1)).abs() for name in subject.tensors}
    for group in channel_groups(subject.model, image):
        for makers, readers in pairwise(_layers(group, weights, grouped)):
            made = _norms(makers, weights, scales)
            read = _norms(readers, weights, {})  # a batch norm behind them comes after the product
            for part in makers:
                _multiply_(scores, part, read)
            for part in readers:
                _multiply_(scores, part, made)
    return {name: score.cpu().numpy() for name, score in scores.items()}


def _layers(group: ChannelGroup, weights: Tensors, grouped: Container[str]) -> list[Sequence[Part]]:
    """The parts that make the group's channels, weigh each by itself, and read them; without those that are none."""
    depthwise = [p for p in group.others if p.dim == 0 and p.tensor in weights and weights[p.tensor].dim() > 1]
    readers = [p for p in group.consumers if p.tensor not in grouped]  # whose columns belong to several channels each
    return [parts for parts in (group.producers, depthwise, readers) if parts]


def _norms(parts: Sequence[Part], weights: Tensors, scales: Tensors) -> Tensor:
    """Each channel's Frobenius norm over all of ``parts``, float64 [channels]."""
    squares = []
    for part in parts:
        weight = weights[part.tensor].double() * scales.get(part.tensor, 1)
        along = weight.square().movedim(part.dim, 0).flatten(1).sum(dim=1)
        squares.append(along[_positions(part, along)].sum(dim=1))
    return torch.stack(squares).sum(dim=0).sqrt()


def _multiply_(scores: dict[str, Tensor], part: Part, factors: Tensor) -> None:
    """Multiply what belongs to each channel by the channel's factor."""
    if part.tensor in scores:
        along = scores[part.tensor].movedim(part.dim, -1)
        positions = _positions(part, along)
        along[..., positions] *= factors.unsqueeze(1)


def _positions(part: Part, like: Tensor) -> Tensor:
    return torch.from_numpy(part.positions).to(like.device)


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
