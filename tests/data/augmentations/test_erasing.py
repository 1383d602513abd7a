"""Random erasing: how often, how much, in which shape and where, read off the images themselves."""

import pytest
import torch

from apcli.data.augmentations.erasing import random_erasing

SIDES = 40, 60
PAPER = {"p": 0.5, "least": 0.02, "most": 0.4, "ratio": 0.3}


def erased(count: int = 600, channels: int = 2, seed: int = 0, **options: float) -> torch.Tensor:
    """The erased pixels: the images have a level that noise does not have."""
    images = torch.full((count, channels, *SIDES), 999.0)
    made = random_erasing(images, SIDES, torch.Generator().manual_seed(seed), **{**PAPER, **options})
    assert torch.equal(images, torch.full_like(images, 999.0))
    noise = made[made != 999]
    assert set(noise.unique().tolist()) <= set(range(256))
    assert abs(noise.mean() - 127.5) < 1
    assert torch.equal(made[:, 0] != 999, made[:, -1] != 999)
    assert (made[:, 0] != made[:, -1])[made[:, 0] != 999].float().mean() > 0.98  # a value for each channel
    return made[:, 0] != 999


def test_a_rectangle_of_the_wanted_size_is_erased_in_half_of_the_images():
    mask = erased()
    touched = mask[mask.any((1, 2))]
    assert 0.44 < len(touched) / len(mask) < 0.56
    heights, widths = touched.any(2).sum(1), touched.any(1).sum(1)
    assert torch.equal(heights * widths, touched.sum((1, 2)))  # rectangles, whole
    area, aspect = touched.float().mean((1, 2)), heights / widths
    assert 0.017 < area.min() < 0.03
    assert 0.33 < area.max() < 0.42
    assert 0.2 < aspect.min() < 0.5
    assert 2 < aspect.max() < 4.2  # sides are whole pixels
    assert touched.any(0).float().mean() > 0.95  # almost anywhere


@pytest.mark.slow
def test_the_mean_area_and_shape_are_those_of_drawing_until_one_fits():
    """The paper's loop, one image at a time."""
    mask = erased(count=3000, p=1.0)
    draw, found = torch.Generator().manual_seed(7), []
    while len(found) < 3000:
        s, r, x, y = torch.rand(4, generator=draw).tolist()
        area, aspect = (0.02 + 0.38 * s) * SIDES[0] * SIDES[1], 0.3 + (1 / 0.3 - 0.3) * r
        h, w = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if int(y * SIDES[0]) + h <= SIDES[0] and int(x * SIDES[1]) + w <= SIDES[1]:
            found.append((h, w, int(y * SIDES[0]), int(x * SIDES[1])))
    assert mask.any((1, 2)).all()
    rows, columns = mask.any(2).float(), mask.any(1).float()
    ours = [rows.sum(1), columns.sum(1), rows.argmax(1).float(), columns.argmax(1).float()]
    for own, theirs in zip(ours, torch.tensor(found).float().T, strict=True):
        assert abs(own.mean() - theirs.mean()) < 4 * theirs.std() * (2 / 3000) ** 0.5


def test_none_is_erased_at_probability_0():
    images = torch.rand(50, 1, 8, 8)
    assert torch.equal(random_erasing(images, (8, 8), torch.Generator(), **{**PAPER, "p": 0.0}), images)
