"""The time of networks' forward passes on one batch, and of their layers alone, measured on their device."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import quantiles
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Latency:
    """Seconds of one forward pass: the median of ``runs``, and the quartiles ``low`` and ``high`` around it."""

    median: float
    low: float
    high: float
    runs: int


def latency(models: Sequence[nn.Module], example: Tensor, *, warmup: int, runs: int) -> list[Latency]:
    """Time each network's forward pass on the batch ``example`` [B, ...]; all are on one device.

    The networks take turns, run by run, so that a slow phase of the machine affects all of them. The first ``warmup``
    runs of each are not counted: they allocate memory and choose kernels. A run ends when the device has finished it.
    Networks run in evaluation mode with their usual kernels.

    Raises:
        ValueError: ``warmup`` is negative, or ``runs`` is below 2, too few for quartiles.
    """
    if warmup < 0 or runs < 2:
        raise ValueError(f"warmup is {warmup} and runs is {runs}: expected 0 or more, and 2 or more")
    seconds: list[list[float]] = [[] for _ in models]
    with _evaluating(models), torch.inference_mode():
        for _ in range(warmup + runs):
            for model, taken in zip(models, seconds, strict=True):
                taken.append(_time(model, example))
    return [_summary(taken[warmup:]) for taken in seconds]


@dataclass(frozen=True)
class LayerRuns:
    """The time of a layer alone, at some numbers of rows and columns of its weight: seconds of all its calls."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    seconds: tuple[float, ...]


_SHARES = (0.25, 0.5, 0.75, 1.0)  # of a layer's outputs and inputs, at which it is timed


def layer_latencies(model: nn.Module, example: Tensor, *, warmup: int, runs: int) -> dict[str, LayerRuns]:
    """Time each linear layer and convolution alone, with what it is given for ``example`` [B, ...], at several widths.

    A layer with groups has as many of them as its width allows; its weight's columns stay. Its weights are drawn anew,
    and only the layer itself is timed: norms, activations and sums are not.

    Returns:
        by weight, in the order of the modules; layers that are not called are left out.
    """
    names = {module: f"{name}.weight" if name else "weight" for name, module in model.named_modules()}
    given: dict[nn.Module, tuple[Tensor, int]] = {}

    def keep(module: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor], output: Tensor) -> None:
        inputs, calls = given.get(module, (None, 0))
        given[module] = (args[0] if args else kwargs["input"]) if inputs is None else inputs, calls + 1

    with _evaluating([model]), torch.inference_mode(), ExitStack() as hooks:
        for module in names:
            if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
                hooks.callback(module.register_forward_hook(keep, with_kwargs=True).remove)
        model(example)
    return {names[module]: _timed(module, *given[module], warmup, runs) for module in names if module in given}


def _timed(module: nn.Module, inputs: Tensor, calls: int, warmup: int, runs: int) -> LayerRuns:
    shapes, seconds = [], []
    for made, read in _widths(module):
        small = _narrowed(module, made, read).to(inputs)
        axis = inputs.dim() - 1 if isinstance(module, nn.Linear) else 1
        (taken,) = latency([small], inputs.narrow(axis, 0, read).contiguous(), warmup=warmup, runs=runs)
        shapes.append(small.weight.shape[:2])
        seconds.append(calls * taken.median)
    return LayerRuns(tuple(rows for rows, _ in shapes), tuple(columns for _, columns in shapes), tuple(seconds))


def _widths(module: Any) -> list[tuple[int, int]]:
    """The numbers of outputs and inputs to time a layer with."""
    if isinstance(module, nn.Linear):
        sizes = module.out_features, module.in_features
    else:
        sizes = module.out_channels, module.in_channels
        if module.groups > 1:
            groups = sorted({max(2, round(share * module.groups)) for share in _SHARES})
            return [(sizes[0] // module.groups * n, sizes[1] // module.groups * n) for n in groups]
    outputs, inputs = (sorted({max(1, round(share * size)) for share in _SHARES}) for size in sizes)
    return [(made, read) for made in outputs for read in inputs]


def _narrowed(module: Any, made: int, read: int) -> Any:
    if isinstance(module, nn.Linear):
        return nn.Linear(read, made, module.bias is not None)
    return type(module)(
        read,
        made,
        module.kernel_size,
        module.stride,
        module.padding,
        module.dilation,
        groups=1 if module.groups == 1 else read * module.groups // module.in_channels,
        bias=module.bias is not None,
        padding_mode=module.padding_mode,
    )


def _time(model: nn.Module, example: Tensor) -> float:
    _finish(example.device)
    start = perf_counter()
    model(example)
    _finish(example.device)
    return perf_counter() - start


def _finish(device: torch.device) -> None:
    """Wait until the device has finished its work; on the CPU a call returns only then."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def _summary(seconds: list[float]) -> Latency:
    low, median, high = quantiles(seconds, n=4, method="inclusive")
    return Latency(median, low, high, len(seconds))


@contextmanager
def _evaluating(models: Sequence[nn.Module]) -> Iterator[None]:
    """Set evaluation mode, keeping the fused kernels that ``undisturbed`` turns off; restore the flags afterwards."""
    flags = [(module, module.training) for model in models for module in model.modules()]
    for model in models:
        model.eval()
    try:
        yield
    finally:
        for module, training in flags:
            module.training = training
