"""Windows against slow versions that treat one image at a time."""

import pytest
import torch
import torch.nn.functional as F

from apcli.data.augmentations.windows import crop, flip, random_resized_crop


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def floats(count: int, *shape: int) -> torch.Tensor:
    return torch.randint(1, 256, (count, *shape), generator=generator(9)).float()


def test_crop_cuts_a_window_of_the_padded_image():
    images = floats(200, 3, 6, 5)
    cropped = crop(images, (6, 5), generator(), padding=2)
    places = set()
    for before, after in zip(F.pad(images, [2] * 4), cropped, strict=True):
        found = [(t, x) for t in range(5) for x in range(5) if torch.equal(before[:, t : t + 6, x : x + 5], after)]
        assert len(found) == 1
        places.update(found)
    assert len(places) == 25  # every place is drawn
    assert torch.equal(crop(images, (6, 5), generator(), padding=0), images)


def test_flip_mirrors_about_half():
    images = floats(200, 3, 6, 5)
    flipped = flip(images, (6, 5), generator())
    mirrored = 0
    for before, after in zip(images, flipped, strict=True):
        if torch.equal(before, after):
            continue
        assert torch.equal(before[:, :, torch.arange(4, -1, -1)], after)
        mirrored += 1
    assert 70 < mirrored < 130


def test_whole_image_is_its_own_random_resized_crop():
    images = floats(4, 3, 7, 7)
    assert torch.allclose(random_resized_crop(images, (7, 7), generator(), scale=1.0, ratio=1.0), images, atol=1e-3)
    halved = random_resized_crop(floats(4, 3, 8, 8), (4, 4), generator(), scale=1.0, ratio=1.0)
    assert torch.allclose(halved, F.avg_pool2d(floats(4, 3, 8, 8), 2), atol=1e-3)


@pytest.mark.parametrize(("height", "width", "largest"), [(64, 64, 1), (48, 96, 2 / 3)])
def test_random_resized_crop_keeps_its_bounds(height, width, largest):
    """On an image whose two channels are its own coordinates, the cut rectangle can be read off."""
    count, side = 400, 16
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    images = torch.stack([x, y]).expand(count, -1, -1, -1).contiguous()
    out = random_resized_crop(images, (side, side), generator(), scale=0.25, ratio=4 / 3)
    assert out.shape == (count, 2, side, side)
    # away from the border, coordinates are sampled exactly: the step between two inner pixels gives the whole side
    middle = side // 2
    w = (out[:, 0, middle, middle] - out[:, 0, middle, middle - 1]) * side
    h = (out[:, 1, middle, middle] - out[:, 1, middle - 1, middle]) * side
    area = w * h / (height * width)
    assert 0.25 - 1e-3 < area.min() < 0.3
    assert 0.8 * largest < area.max() < largest + 1e-3
    assert ((w / h).log().abs() < torch.tensor(4 / 3).log() + 1e-3).all()
    left = out[:, 0, middle, middle] - w * (middle + 0.5) / side
    top = out[:, 1, middle, middle] - h * (middle + 0.5) / side
    assert left.min() > -1e-2
    assert (left + w).max() < width + 1e-2
    assert top.min() > -1e-2
    assert (top + h).max() < height + 1e-2
