"""Small pictures of images, as text that a page can show."""

import base64
from io import BytesIO

import torch
import torch.nn.functional as F

from apcli.data.datasets import Samples

SIDE = 64  # pixels of the longer side, at most


def thumbnail(split: Samples, place: int) -> str:
    """One image of a split as PNG in base64, not larger than ``SIDE``; small ones keep their pixels."""
    from PIL import Image

    pixels, _ = next(iter(split.read([torch.tensor([place])])))
    longest = max(pixels.shape[2:])
    if longest > SIDE:
        size = [max(1, round(SIDE * side / longest)) for side in pixels.shape[2:]]
        shrunk = F.interpolate(pixels.float(), size, mode="bilinear", antialias=True, align_corners=False)
        pixels = shrunk.round().clamp(0, 255).byte()
    array = pixels[0].permute(1, 2, 0).cpu().numpy()
    image = Image.fromarray(array[..., 0] if array.shape[2] == 1 else array[..., :3])
    content = BytesIO()
    image.save(content, "PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode()
