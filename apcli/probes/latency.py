"""How long networks take for a batch, measured on the device that they are on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import quantiles
from time import perf_counter

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

    The networks take turns, run by run, so that what slows the machine for a while slows all of them. The first
    ``warmup`` runs of each are not counted: in them memory is had and kernels are chosen. A run ends when the device
    has finished it. Nothing is held back: the network runs in evaluation mode with the kernels that it always has.

    Raises:
        ValueError: ``warmup`` is negative, or ``runs`` is below 2, of which there are no quartiles.
    """
    if warmup < 0 or runs < 2:
        raise ValueError(f"warmup is {warmup} and runs is {runs}: expected 0 or more, and 2 or more")
    seconds: list[list[float]] = [[] for _ in models]
    with _evaluating(models), torch.inference_mode():
        for _ in range(warmup + runs):
            for model, taken in zip(models, seconds, strict=True):
                taken.append(_time(model, example))
    return [_summary(taken[warmup:]) for taken in seconds]


def _time(model: nn.Module, example: Tensor) -> float:
    _finish(example.device)
    start = perf_counter()
    model(example)
    _finish(example.device)
    return perf_counter() - start


def _finish(device: torch.device) -> None:
    """Wait for what the device was given; the CPU is done when a call returns."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def _summary(seconds: list[float]) -> Latency:
    low, median, high = quantiles(seconds, n=4, method="inclusive")
    return Latency(median, low, high, len(seconds))


@contextmanager
def _evaluating(models: Sequence[nn.Module]) -> Iterator[None]:
    """Evaluation mode, with the fused kernels that ``undisturbed`` takes away; afterwards the flags are as before."""
    flags = [(module, module.training) for model in models for module in model.modules()]
    for model in models:
        model.eval()
    try:
        yield
    finally:
        for module, training in flags:
            module.training = training
