"""Rectangles of noise in images: a whole batch at once, on the batch's device."""

import torch
from torch import Generator, Tensor

ATTEMPTS = 64  # one in three fits or so


def random_erasing(
    images: Tensor, size: tuple[int, int], generator: Generator, *, p: float, least: float, most: float, ratio: float
) -> Tensor:
    """With probability ``p``, fill a rectangle of each image with random values, another one for each pixel.

    Its share of the image's area is uniform in [least, most], its height ÷ width in [ratio, 1 / ratio], its corner
    anywhere in the image. The first of 64 draws that lies within the image is taken; if none does, nothing is erased.
    Source: Zhong et al. 2020, arXiv:1708.04896, algorithm 1, which draws until one fits.
    """
    count, _, height, width = images.shape
    area, aspect, x, y = torch.rand(4, count, ATTEMPTS, generator=generator, device=generator.device)
    erased = torch.rand(count, generator=generator, device=generator.device) < p
    noise = torch.randint(0, 256, images.shape, generator=generator, device=generator.device)
    area = height * width * (least + (most - least) * area)
    aspect = ratio + (1 / ratio - ratio) * aspect
    heights, widths = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
    tops, lefts = (y * height).floor(), (x * width).floor()
    fits = (tops + heights <= height) & (lefts + widths <= width)
    first = fits.int().argmax(1, keepdim=True)
    top, left, h, w = (drawn.gather(1, first) for drawn in (tops, lefts, heights, widths))
    rows, columns = (torch.arange(side, device=generator.device) for side in (height, width))
    within = ((rows >= top) & (rows < top + h))[:, :, None] & ((columns >= left) & (columns < left + w))[:, None, :]
    within &= (erased & fits.any(1))[:, None, None]
    return torch.where(within[:, None].to(images.device), noise.to(images.device, images.dtype), images)
