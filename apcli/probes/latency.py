"""The time of networks' forward passes on one batch, measured on their device."""

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
