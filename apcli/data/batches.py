"""Batches in the shape and scale that a model takes, made on the split's device."""

from collections.abc import Iterable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from apcli.data.datasets import Samples
from apcli.data.image_spec import Scaling
from apcli.errors import UsageError
from apcli.registry.tables import Choice, Row


def batches(split: Samples, batch_size: int, scaling: Scaling) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield every sample of a split once, in the split's own order; the last batch may be smaller. See ``feed``."""
    if batch_size < 1:
        raise UsageError(f"batch size is {batch_size}: expected 1 or more")
    return feed(split, torch.arange(len(split)).split(batch_size), scaling)


def feed(
    split: Samples,
    chunks: Iterable[Tensor],
    scaling: Scaling,
    *,
    augment: Sequence[Choice[Row]] = (),
    draws: Iterator[Generator] | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield a batch for each chunk of indices, images float32 [B, C, H, W] and labels int64 [B] on the split's device.

    Args:
        augment: choices of ``AUGMENTATIONS``, applied in order.
        draws: a generator for each batch's augmentations; None: no augmentation, as for evaluation.

    Raises:
        UsageError: the images, the mean or the std do not match the model's number of channels.
    """
    channels, size = scaling.shape[0], scaling.shape[1:]
    mean, std = scaling.mean, scaling.std
    image_channels = split.shape[0]
    if image_channels not in (1, channels):
        raise UsageError(
            f"the images have {image_channels} channels and the model takes {channels}: "
            "choose another model or data set"
        )
    if {len(mean), len(std)} - {1, channels}:
        raise UsageError(
            f"mean and std have {len(mean)} and {len(std)} numbers: expected 1, or {channels}, one for each channel"
        )
    shift, scale = (255 * torch.tensor(list(numbers), device=split.device).view(-1, 1, 1) for numbers in (mean, std))
    for pixels, labels in split.read(chunks):
        images = pixels.float()
        if draws is not None:
            generator = next(draws)
            for choice in augment:
                images = choice(images, size, generator)
        if images.shape[2:] != size:
            images = F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)
        yield ((images - shift) / scale).expand(-1, channels, -1, -1).contiguous(), labels
