"""The operations of AutoAugment and its successors, each image with its own; torchvision computes them."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from apcli.libraries import library

Operation = tuple[str, float]  # name and strength
STILL: Operation = ("Identity", 0.0)
UNSIGNED = ("AutoContrast", "Equalize", "Invert", "Identity", "Posterize", "Solarize")  # others go both ways


def strengths_of(steps: int, height: int, width: int, *, wide: bool = False) -> dict[str, list[float]]:
    """The strengths of each operation that has one, ``steps`` of them from the weakest to the strongest.

    They are the slope of a shear, pixels of a translation, degrees of a rotation, what is added to the factor 1 of the
    four that blend, the bits that posterising leaves, and the level from which solarising inverts.

    Args:
        height: of the images, in pixels.
        wide: the wide space of TrivialAugment (arXiv:2103.10158, table 6); otherwise that of AutoAugment and
            RandAugment (arXiv:1805.09501, table 6), whose translations were tuned on images of 331 pixels.
    """
    slope, degrees, factor, bits = (0.99, 135.0, 0.99, 6) if wide else (0.3, 30.0, 0.9, 4)
    across, down = (32.0, 32.0) if wide else (150 / 331 * width, 150 / 331 * height)
    most = {"ShearX": slope, "ShearY": slope, "TranslateX": across, "TranslateY": down, "Rotate": degrees}
    most |= dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), factor)
    left = 8 - (torch.arange(steps) / ((steps - 1) / bits)).round()
    return {
        **{name: torch.linspace(0, end, steps).tolist() for name, end in most.items()},
        "Posterize": left.tolist(),
        "Solarize": torch.linspace(255, 0, steps).tolist(),
    }


def applied(images: Tensor, drawn: Sequence[Operation]) -> Tensor:
    """Each image after its own operation; images with the same one are treated together.

    Args:
        images: uint8, [N, C, H, W], of 1 or 3 channels.
        drawn: N operations.
    """
    order = sorted(range(len(drawn)), key=drawn.__getitem__)
    place = torch.tensor(order)
    if images.is_cuda:  # a copy from other memory would wait for the device
        place = place.pin_memory().to(images.device, non_blocking=True)
    changed = images[place]
    start = 0
    for (name, strength), same in groupby(order, key=drawn.__getitem__):
        end = start + len(list(same))
        changed[start:end] = _functions()[name](changed[start:end], strength)
        start = end
    result = torch.empty_like(changed)
    result[place] = changed
    return result


@cache
def _functions() -> Mapping[str, Callable[[Tensor, float], Tensor]]:
    """By name, of images and strength; uncovered pixels are black, and resampled ones are the nearest."""
    f: Any = library("torchvision.transforms.v2.functional")

    def affine(images: Tensor, x: int = 0, y: int = 0, shear: tuple[float, float] = (0, 0), **more: Any) -> Any:
        slopes = [math.degrees(math.atan(slope)) for slope in shear]
        return f.affine(images, angle=0.0, translate=[x, y], scale=1.0, shear=slopes, **more)

    return {
        "Identity": lambda images, _: images,
        "ShearX": lambda images, slope: affine(images, shear=(slope, 0), center=[0, 0]),
        "ShearY": lambda images, slope: affine(images, shear=(0, slope), center=[0, 0]),
        "TranslateX": lambda images, pixels: affine(images, x=int(pixels)),
        "TranslateY": lambda images, pixels: affine(images, y=int(pixels)),
        "Rotate": f.rotate,
        "Brightness": lambda images, factor: f.adjust_brightness(images, 1 + factor),
        "Color": lambda images, factor: f.adjust_saturation(images, 1 + factor),
        "Contrast": lambda images, factor: f.adjust_contrast(images, 1 + factor),
        "Sharpness": lambda images, factor: f.adjust_sharpness(images, 1 + factor),
        "Posterize": lambda images, bits: f.posterize(images, int(bits)),
        "Solarize": f.solarize,
        "AutoContrast": lambda images, _: f.autocontrast(images),
        "Equalize": lambda images, _: f.equalize(images),
        "Invert": lambda images, _: f.invert(images),
    }
