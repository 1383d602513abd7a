"""Corruptions against the benchmark's formulas in NumPy, SciPy and Pillow."""

import colorsys
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from apcli.data.shifts.corruptions import blur, brightness, contrast, jpeg, noise

SIZE = (32, 32)


@pytest.fixture
def images():
    """Smooth ones, as JPEG and blurs are made for."""
    draw = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(draw, SIZE, mode="bicubic", align_corners=False)
    return (128 + 60 * smooth).round().clamp(0, 255)


def changed(function, images, severity):
    return function(images, tuple(images.shape[2:]), torch.Generator().manual_seed(3), severity=severity)


def test_noise_has_the_standard_deviation():
    grey = torch.full((4, 3, 32, 32), 127.0)
    for severity, expected in ((1, 0.04), (5, 0.10)):
        assert changed(noise, grey, severity).std().item() == pytest.approx(255 * expected, rel=0.03)
    large = changed(noise, torch.full((1, 3, 100, 100), 127.0), 1)
    assert large.std().item() == pytest.approx(255 * 0.08, rel=0.03)


def test_blur_is_scipys(images):
    found = changed(blur, images, 5).numpy()
    expected = ndimage.gaussian_filter(images.numpy(), (0, 0, 1.0, 1.0), mode="mirror", truncate=4)
    assert np.abs(found - expected).max() <= 0.51
    assert changed(blur, torch.rand(1, 1, 3, 3) * 255, 5).shape == (1, 1, 3, 3), "a kernel fits small images"


def test_contrast_keeps_the_mean_of_each_channel(images):
    found = changed(contrast, images, 2).numpy()
    x = images.numpy() / 255
    means = x.mean(axis=(2, 3), keepdims=True)
    expected = np.clip((x - means) * 0.5 + means, 0, 1) * 255
    assert np.abs(found - expected).max() <= 0.51


def test_jpeg_is_pillows(images):
    found = changed(jpeg, images, 3)
    content = BytesIO()
    pixels = images[1].permute(1, 2, 0).byte().numpy()
    Image.fromarray(pixels).save(content, "JPEG", quality=58)
    expected = np.asarray(Image.open(content)).astype(float)
    assert np.array_equal(found[1].permute(1, 2, 0).numpy(), expected)
    assert np.abs(expected - pixels).mean() > 1, "it does change the image"


def test_brightness_is_added_to_the_value(images):
    images[0, :, 0, 0] = 0
    found = changed(brightness, images, 3)
    for image, after in zip(images, found, strict=True):
        for place in ((0, 0), (5, 7), (20, 31)):
            h, s, v = colorsys.rgb_to_hsv(*(image[:, place[0], place[1]] / 255).tolist())
            expected = colorsys.hsv_to_rgb(h, s, min(1.0, v + 0.15))
            assert after[:, place[0], place[1]].tolist() == pytest.approx([255 * c for c in expected], abs=0.51)
