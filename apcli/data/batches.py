"""Batches as a model takes them, made on the device where the split lies."""

from collections.abc import Iterable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from apcli.data.datasets import Samples
from apcli.errors import UsageError
from apcli.registry.tables import Choice


def batches(
    split: Samples, batch_size: int, *, shape: tuple[int, int, int], mean: Sequence[float], std: Sequence[float]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Every sample of a split once, in the split's own order; the last batch may be smaller. See ``feed``."""
    if batch_size < 1:
        raise UsageError(f"batch size is {batch_size}: expected 1 or more")
    return feed(split, torch.arange(len(split)).split(batch_size), shape=shape, mean=mean, std=std)


def feed(
    split: Samples,
    chunks: Iterable[Tensor],
    *,
    augment: Sequence[Choice] = (),
    draws: Iterator[Generator] | None = None,
    shape: tuple[int, int, int],
    mean: Sequence[float],
    std: Sequence[float],
) -> Iterator[tuple[Tensor, Tensor]]:
    """A batch for each chunk of indices, as (images float32 [B, *shape], labels int64 [B]), on the split's device.

    Args:
        augment: choices of ``AUGMENTATIONS``, applied in order.
        draws: a generator for each batch's augmentations; None: none, as for evaluation.
        shape: channels, height and width that the model takes. Grey images are repeated to three channels; other
            sizes are resized, bilinearly and antialiased.
        mean: subtracted from images scaled to [0, 1], one number or one per channel of the model.
        std: the images are divided by it, likewise.

    Raises:
        UsageError: the images, the mean or the std do not have the model's channels.
    """
    channels, size = shape[0], shape[1:]
    found = split.shape[0]
    if found not in (1, channels):
        raise UsageError(
            f"the images have {found} channels and the model takes {channels}: choose another model or data set"
        )
    if {len(mean), len(std)} - {1, channels}:
        raise UsageError(
            f"mean and std have {len(mean)} and {len(std)} numbers: expected 1 or {channels}, as the model's channels"
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
