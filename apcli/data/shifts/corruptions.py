"""Corruptions of images, as strong as those of the benchmark: of CIFAR-10-C for small images, else of ImageNet-C.

Source: Hendrycks & Dietterich 2019, arXiv:1903.12261. The numbers are the benchmark's; noise is drawn anew, the blur is
torchvision's, and images keep their size, so results are near those on the published images, not equal to them.
"""

import math
from io import BytesIO
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from apcli.libraries import library

_SMALL = 64  # pixels a side, at most
# For each severity: of small images, then of others.
_NOISE = (0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38)  # standard deviation, of images in [0, 1]
_BLUR = (0.4, 0.6, 0.7, 0.8, 1.0), (1.0, 2.0, 3.0, 4.0, 6.0)  # standard deviation, pixels
_CONTRAST = (0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05)  # factor
_JPEG = (80, 65, 58, 50, 40), (25, 18, 15, 10, 7)  # quality
_BRIGHTNESS = (0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5)  # added, to images in [0, 1]
_REACH = 4  # standard deviations of a blur's kernel


def noise(images: Tensor, size: tuple[int, int], generator: Generator, *, severity: int) -> Tensor:
    """Add normal noise."""
    drawn = torch.randn(images.shape, generator=generator).to(images.device)
    return _whole(images + 255 * _strength(_NOISE, images, severity) * drawn)


def blur(images: Tensor, size: tuple[int, int], generator: Generator, *, severity: int) -> Tensor:
    """Blur by a normal kernel."""
    sigma = _strength(_BLUR, images, severity)
    radius = min(math.ceil(_REACH * sigma), *(side - 1 for side in images.shape[2:]))
    functions: Any = library("torchvision.transforms.v2.functional")
    return _whole(functions.gaussian_blur(images, [2 * radius + 1] * 2, [sigma] * 2))


def contrast(images: Tensor, size: tuple[int, int], generator: Generator, *, severity: int) -> Tensor:
    """Bring each channel of an image nearer to its mean."""
    mean = images.mean(dim=(2, 3), keepdim=True)
    return _whole(mean + _strength(_CONTRAST, images, severity) * (images - mean))


def jpeg(images: Tensor, size: tuple[int, int], generator: Generator, *, severity: int) -> Tensor:
    """Compress as JPEG, and decompress."""
    quality = int(_strength(_JPEG, images, severity))
    pixels = images.permute(0, 2, 3, 1).byte().cpu().numpy()
    arrays = np.stack([_recompressed(array.squeeze(2) if array.shape[2] == 1 else array, quality) for array in pixels])
    found = torch.from_numpy(arrays).to(images.device, images.dtype)
    return found[:, None] if found.dim() == 3 else found.permute(0, 3, 1, 2).contiguous()


def _recompressed(array: np.ndarray, quality: int) -> np.ndarray:
    from PIL import Image

    content = BytesIO()
    Image.fromarray(array).save(content, "JPEG", quality=quality)
    return np.asarray(Image.open(content))


def brightness(images: Tensor, size: tuple[int, int], generator: Generator, *, severity: int) -> Tensor:
    """Add to the value of hue, saturation and value: the largest channel."""
    value = images.amax(dim=1, keepdim=True)
    brighter = (value + 255 * _strength(_BRIGHTNESS, images, severity)).clamp(max=255)
    return _whole(torch.where(value > 0, images * (brighter / value.clamp(min=1e-6)), brighter))


def _strength(table: tuple[tuple[float, ...], tuple[float, ...]], images: Tensor, severity: int) -> float:
    return table[max(images.shape[2:]) > _SMALL][severity - 1]


def _whole(images: Tensor) -> Tensor:
    """Grey levels, as images in files have them."""
    return images.round().clamp(0, 255)
