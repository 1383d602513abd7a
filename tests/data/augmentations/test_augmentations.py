"""What every augmentation promises."""

import pytest
import torch

from apcli.data.augmentations import AUGMENTATIONS
from apcli.errors import UsageError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def floats(count: int, *shape: int) -> torch.Tensor:
    return torch.randint(1, 256, (count, *shape), generator=generator(9)).float()


@pytest.mark.parametrize("row", list(AUGMENTATIONS), ids=lambda row: row.name)
def test_augmentations_follow_the_generator_and_leave_their_input(row):
    choice = AUGMENTATIONS.parse(row.name)
    images = floats(32, 3, 8, 8)
    kept = images.clone()
    first, again, other = (choice(images, (8, 8), generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(images, kept)
    assert first.shape == images.shape
    assert 0 <= first.min() <= first.max() <= 255.001


@pytest.mark.parametrize(
    "spec",
    [
        "crop:padding=-1",
        "random-resized-crop:scale=0",
        "random-resized-crop:ratio=0.5",
        "auto-augment:policy=svh",
        "rand-augment:magnitude=31",
        "rand-augment:ops=0",
        "random-erasing:p=1.5",
        "random-erasing:most=1",
    ],
)
def test_values_out_of_range(spec):
    with pytest.raises(UsageError, match=spec.split("=")[0]):
        AUGMENTATIONS.parse(spec)(floats(2, 1, 4, 4), (4, 4), generator())


@pytest.mark.parametrize("row", list(AUGMENTATIONS), ids=lambda row: row.name)
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_one_batch_have_draws_of_their_own(row, channels):
    """Equal images come out in several ways, and fractions and the last bit of a byte do no harm."""
    image = floats(1, channels, 8, 8)
    image[0, 0, 0, 0] = 255.001
    changed = AUGMENTATIONS.parse(row.name)(image.expand(64, -1, -1, -1), (8, 8), generator())
    assert len({one.numpy().tobytes() for one in changed}) >= (2 if row.name == "flip" else 12)
    assert changed.dtype == torch.float32
