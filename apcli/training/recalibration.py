"""Batch norm's running statistics, measured anew."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from apcli.data.batches import feed
from apcli.data.datasets import Dataset
from apcli.errors import UsageError
from apcli.training.draws import order_of
from apcli.training.forward import Forward


def recalibrate_(forward: Forward, dataset: Dataset, batch_size: int, seed: int) -> None:
    """Measure batch norm's running statistics anew, over the whole training split without augmentation.

    Each layer gets the mean and the unbiased variance of all that reaches it, batches pooled by their counts: neither
    the order nor a smaller last batch shifts them. What reaches it went through the norms before it, which take each
    batch's own statistics, as in training: so images come in an order drawn by the seed, not sorted by class as files
    are. All else is in evaluation mode and stays as it is. Source: Li et al. 2020, arXiv:2007.02491, section 3.

    Raises:
        UsageError: no layer has running statistics, or a batch is too small for batch norm.
    """
    model, spec = forward.network, forward.spec
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.running_mean is not None]
    if not norms:
        raise UsageError(f"--recalibrate-bn: {spec.name} has no batch norm with running statistics: leave it out")
    moments = [_Moments() for _ in norms]
    hooks = [norm.register_forward_pre_hook(found) for norm, found in zip(norms, moments, strict=True)]
    model.eval()
    for norm in norms:
        norm.training = True  # train() would reach a dropout that stands inside
    try:
        with torch.no_grad():
            order = order_of(len(dataset.train), seed, 0).split(batch_size)
            for images, _ in feed(dataset.train, order, **spec.scaling):
                forward(images)
    except ValueError as error:  # a batch norm that sees one value a channel
        raise UsageError(f"--recalibrate-bn with --batch-size {batch_size}: {error}: choose another size") from None
    finally:
        for hook in hooks:
            hook.remove()
        model.eval()
    for norm, found in zip(norms, moments, strict=True):
        found.give_(norm)


class _Moments:
    """The mean and the variance of what reaches a batch norm, by channel, over all batches; kept on the device."""

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
        self.sums = count * mean + self.sums  # a zero of the CPU goes with any device
        self.squares = count * (variance + mean.square()) + self.squares

    @torch.no_grad()
    def give_(self, norm: _BatchNorm) -> None:
        """Make them the running statistics; a layer that nothing reached keeps its own."""
        if not self.batches:
            return
        mean = self.sums / self.count
        deviations = (self.squares - self.count * mean.square()).clamp(min=0)
        norm.get_buffer("running_mean").copy_(mean)
        norm.get_buffer("running_var").copy_(deviations / (self.count - 1))
        norm.get_buffer("num_batches_tracked").fill_(self.batches)
