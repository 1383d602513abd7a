"""Measure the running statistics of batch and instance norms again."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.parametrize import ParametrizationList

from apcli.data.batches import feed
from apcli.data.datasets import Dataset
from apcli.errors import UsageError
from apcli.training.draws import order_of
from apcli.training.forward import Forward

SETTLING_IMAGES = 4096  # for an average's statistics; evaluation costs more on all but tiny data sets
_ITERATIONS = 15  # as torch takes for a new spectral norm


def recalibrate_(forward: Forward, dataset: Dataset, batch_size: int, seed: int) -> None:
    """Measure the norms' running statistics again, over the whole training split without augmentation.

    Each batch norm gets the mean and the unbiased variance of all its inputs, pooled over batches by their counts, so
    that neither their order nor a smaller last batch shifts them (``torch.optim.swa_utils.update_bn`` averages the
    batches instead); an instance norm gets the means over single images. The norms before it use each batch's own
    statistics, as in training, so images come in an order drawn by the seed, not sorted by class as files are.
    Everything else is in evaluation mode and unchanged. Source: Li et al. 2020, arXiv:2007.02491, section 3.

    Raises:
        UsageError: no layer has running statistics, or a batch is too small for batch norm.
    """
    if not _norms_of(forward.network):
        raise UsageError(
            f"--recalibrate-bn: {forward.spec.name} has no batch norm with running statistics: leave it out"
        )
    try:
        _measure_(forward, dataset, order_of(len(dataset.train), seed, 0).split(batch_size))
    except ValueError as error:  # a batch norm gets a single value per channel
        raise UsageError(f"--recalibrate-bn with --batch-size {batch_size}: {error}: choose another size") from None


def settle_(forward: Forward, dataset: Dataset, batch_size: int, seed: int) -> None:
    """Measure the buffers that averaging weights leaves out of date (see ``recalibrate_``).

    These are the norms' running statistics, and the singular vectors that spectral norms find by power iteration.

    The images are the first ``SETTLING_IMAGES`` of the training split in an order drawn by the seed, in whole batches,
    or all of a smaller split. The statistics so depend on the weights alone and are the same in every process.
    Source: Izmailov et al. 2018, arXiv:1803.05407, section 3.2; the number, Wu & Johnson 2021, arXiv:2105.07576,
    section 3.2: a few thousand images are enough.
    """
    for module in forward.network.modules():
        if isinstance(module, ParametrizationList) and any(isinstance(part, _SpectralNorm) for part in module):
            module.train()  # in training mode each access of the weight is one iteration
            with torch.no_grad():
                for _ in range(_ITERATIONS):
                    module()
            module.eval()
    if _norms_of(forward.network):
        batches = order_of(len(dataset.train), seed, 0).split(batch_size)
        _measure_(forward, dataset, batches[: math.ceil(SETTLING_IMAGES / batch_size)])


def _norms_of(network: nn.Module) -> list[_NormBase]:
    return [module for module in network.modules() if isinstance(module, _NormBase) and module.running_mean is not None]


def _measure_(forward: Forward, dataset: Dataset, batches: Sequence[Tensor]) -> None:
    """Replace the running statistics with those of these batches of the training split."""
    model, norms = forward.network, _norms_of(forward.network)
    moments = [_InstanceMoments() if isinstance(norm, _InstanceNorm) else _Moments() for norm in norms]
    hooks = [norm.register_forward_pre_hook(own) for norm, own in zip(norms, moments, strict=True)]
    model.eval()
    for norm in norms:
        norm.training = True  # train() would also reach a dropout inside it
    try:
        with torch.no_grad():
            for images, _ in feed(dataset.train, batches, forward.spec.scaling):
                forward(images)
    finally:
        for hook in hooks:
            hook.remove()
        model.eval()
    for norm, own in zip(norms, moments, strict=True):
        own.copy_to_(norm)


class _Moments:
    """The mean and the variance of a batch norm's inputs by channel, over all batches; kept on the device."""

    def __init__(self) -> None:
        self.batches = self.count = 0
        self.sums = self.squares = torch.zeros(())

    def __call__(self, norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        features = inputs[0].float()
        others = [dim for dim in range(features.dim()) if dim != 1]
        variance, mean = (moment.double() for moment in torch.var_mean(features, others, correction=0))
        count = features.numel() // features.shape[1]
        self.batches += 1
        self.count += count
        self.sums = count * mean + self.sums  # a 0-dimensional tensor on the CPU combines with any device
        self.squares = count * (variance + mean.square()) + self.squares

    @torch.no_grad()
    def copy_to_(self, norm: _NormBase) -> None:
        """Set the norm's running statistics; a layer without inputs keeps its own."""
        if not self.batches:
            return
        mean, variance = self._statistics()
        norm.get_buffer("running_mean").copy_(mean)
        norm.get_buffer("running_var").copy_(variance)
        norm.get_buffer("num_batches_tracked").fill_(self.batches)

    def _statistics(self) -> tuple[Tensor, Tensor]:
        mean = self.sums / self.count
        deviations = (self.squares - self.count * mean.square()).clamp(min=0)
        return mean, deviations / (self.count - 1)


class _InstanceMoments(_Moments):
    """The means over images of each image's own mean and unbiased variance, by channel, as instance norms keep them."""

    def __call__(self, norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        features = inputs[0].float().flatten(2)
        variance, mean = (moment.double().sum(0) for moment in torch.var_mean(features, 2))
        self.batches += 1
        self.count += len(features)
        self.sums = mean + self.sums
        self.squares = variance + self.squares

    def _statistics(self) -> tuple[Tensor, Tensor]:
        return self.sums / self.count, self.squares / self.count
