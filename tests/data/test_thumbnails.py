"""Thumbnails: the pixels of small images, and the size of large ones."""

import base64
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from apcli.data.datasets import Split
from apcli.data.thumbnails import SIDE, thumbnail


def opened(text):
    return Image.open(BytesIO(base64.b64decode(text)))


@pytest.mark.parametrize("channels", [1, 3])
def test_small_images_keep_their_pixels(channels):
    pixels = torch.randint(0, 256, (3, channels, 8, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = opened(thumbnail(Split(pixels, torch.zeros(3)), 2))
    assert (found.format, found.size, found.mode) == ("PNG", (6, 8), "L" if channels == 1 else "RGB")
    assert np.array_equal(np.asarray(found).reshape(8, 6, channels), pixels[2].permute(1, 2, 0))


def test_large_images_shrink():
    pixels = torch.full((1, 3, 300, 100), 77, dtype=torch.uint8)
    found = opened(thumbnail(Split(pixels, torch.zeros(1)), 0))
    assert found.size == (21, SIDE)
    assert np.unique(np.asarray(found)).tolist() == [77]
