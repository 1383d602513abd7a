"""Windows of images, and mirrored images: a whole batch at once, on the batch's device."""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

ATTEMPTS = 10


def crop(images: Tensor, size: tuple[int, int], generator: Generator, *, padding: int) -> Tensor:
    """Pad each side with ``padding`` zeros and cut out a window of the image's size at a random position per image."""
    height, width = images.shape[2:]
    windows = F.pad(images, [padding] * 4).unfold(2, height, 1).unfold(3, width, 1)
    shape = (2, len(images))
    top, left = torch.randint(0, 2 * padding + 1, shape, generator=generator, device=generator.device).to(images.device)
    return windows[torch.arange(len(images), device=images.device), :, top, left]


def flip(images: Tensor, size: tuple[int, int], generator: Generator) -> Tensor:
    """Mirror each image left and right with probability one half."""
    mirrored = torch.rand(len(images), generator=generator, device=generator.device) < 0.5
    return torch.where(mirrored.to(images.device)[:, None, None, None], images.flip(3), images)


def random_resized_crop(
    images: Tensor, size: tuple[int, int], generator: Generator, *, scale: float, ratio: float
) -> Tensor:
    """Cut a rectangle out of each image and resize it to ``size``, bilinearly.

    Its share of the image's area is uniform in [scale, 1], the logarithm of its width ÷ height uniform in ±log(ratio),
    its position uniform. As in torchvision, the first of ten draws that fits into the image is taken; if none fits,
    the last is shrunk until it does. Where images shrink, each new pixel averages several samples.
    """
    count, channels, height, width = images.shape
    draws = torch.rand(2, count, ATTEMPTS, generator=generator, device=generator.device)
    places = torch.rand(2, count, generator=generator, device=generator.device)
    area = scale + (1 - scale) * draws[0]
    aspect = torch.exp((2 * draws[1] - 1) * math.log(ratio)) * height / width
    widths, heights = (area * aspect).sqrt(), (area / aspect).sqrt()  # shares of the image's sides
    fits = (widths <= 1) & (heights <= 1)
    fits[:, -1] = True
    first = fits.int().argmax(1, keepdim=True)
    w, h = (sides.gather(1, first).squeeze(1) for sides in (widths, heights))
    w, h = w / torch.maximum(w, h).clamp(min=1), h / torch.maximum(w, h).clamp(min=1)
    x, y = (1 - w) * (2 * places[0] - 1), (1 - h) * (2 * places[1] - 1)  # centres, with the image spanning [-1, 1]
    zero = torch.zeros_like(w)
    affine = torch.stack([w, zero, x, zero, h, y], 1).view(count, 2, 3).to(images.device)
    finer = max(1, round(max(height / size[0], width / size[1])))
    grid = F.affine_grid(affine, [count, channels, finer * size[0], finer * size[1]], align_corners=False)
    sampled = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return F.avg_pool2d(sampled, finer) if finer > 1 else sampled
