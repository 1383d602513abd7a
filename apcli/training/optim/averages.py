"""A moving average of a network's weights."""

import torch
from torch import Tensor, nn

from apcli.models.copies import copy_of


class Average:
    """The exponential moving average of a network's parameters, as a separate network; buffers are copied.

    Copied running statistics belong to other weights, so ``recalibration.settle_`` measures the average's own before
    it is used. Unlike ``torch.optim.swa_utils.AveragedModel``, an update does not wait for the device.

    average = decay average + (1 - decay) weights after each step, from the first weights on
    (Polyak & Juditsky 1992; with a fixed decay, Tarvainen & Valpola 2017, arXiv:1703.01780, equation 1).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy_of(network).requires_grad_(False)
        self._weights: tuple[list[Tensor], list[Tensor]] = list(self.network.parameters()), list(network.parameters())
        self._buffers = list(self.network.buffers()), list(network.buffers())
        self._rest = 1 - decay

    @torch.no_grad()
    def update(self) -> None:
        mine, theirs = self._weights
        torch._foreach_lerp_(mine, theirs, self._rest)
        for own, other in zip(*self._buffers, strict=True):
            own.copy_(other)
