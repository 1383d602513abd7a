"""Batches as a model takes them, made on the device where the split lies."""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from apcli.data.datasets import Split
from apcli.errors import UsageError
from apcli.registry import Choice


def batches(
    split: Split,
    batch_size: int,
    *,
    augment: Sequence[Choice] = (),
    generator: Generator | None = None,
    shape: tuple[int, int, int],
    mean: Sequence[float],
    std: Sequence[float],
) -> Iterator[tuple[Tensor, Tensor]]:
    """Every sample of a split once, as (images float32 [B, *shape], labels int64 [B]); the last batch may be smaller.

    Args:
        augment: choices of ``AUGMENTATIONS``, applied in order.
        generator: gives a fresh order and fresh augmentations with each call; None means the split's own order and no
            augmentation, as for evaluation. It may live on another device than the split.
        shape: channels, height and width that the model takes. Grey images are repeated to three channels; other
            sizes are resized, bilinearly and antialiased.
        mean: subtracted from images scaled to [0, 1], one number or one per channel of the model.
        std: the images are divided by it, likewise.

    Raises:
        UsageError: the images, the mean or the std do not have the model's channels.
    """
    if batch_size < 1:
        raise UsageError(f"batch size is {batch_size}: expected 1 or more")
    channels, size = shape[0], shape[1:]
    found = split.images.shape[1]
    if found not in (1, channels):
        raise UsageError(
            f"the images have {found} channels and the model takes {channels}: choose another model or data set"
        )
    if {len(mean), len(std)} - {1, channels}:
        raise UsageError(
            f"mean and std have {len(mean)} and {len(std)} numbers: expected 1 or {channels}, as the model's channels"
        )
    device = split.images.device
    shift, scale = (255 * torch.tensor(list(numbers), device=device).view(-1, 1, 1) for numbers in (mean, std))
    if generator is None:
        order = torch.arange(len(split), device=device)
    else:
        order = torch.randperm(len(split), generator=generator, device=generator.device).to(device)
    for chosen in order.split(batch_size):
        images = split.images[chosen].float()
        if generator is not None:
            for choice in augment:
                images = choice(images, size, generator)
        if images.shape[2:] != size:
            images = F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)
        yield ((images - shift) / scale).expand(-1, channels, -1, -1).contiguous(), split.labels[chosen]


def evenly(split: Split, images: int) -> Split:
    """So many images of a split, evenly spaced: a set may be sorted. 0, or more than there are: all."""
    if not 0 < images < len(split):
        return split
    chosen = torch.linspace(0, len(split) - 1, images, dtype=torch.float64).round().long()
    return Split(split.images[chosen], split.labels[chosen])
