"""Batches and augmentations against slow versions that treat one image at a time."""

from collections.abc import Iterator
from itertools import count

import pytest
import torch
import torch.nn.functional as F

from apcli.data.augmentations import AUGMENTATIONS
from apcli.data.batches import batches, feed
from apcli.data.datasets import Split
from apcli.data.image_spec import Scaling
from apcli.errors import UsageError


def from_0_to_1(channels: int, height: int, width: int) -> Scaling:
    """Images of that shape, of pixels from 0 to 1."""
    return Scaling((channels, height, width), (0.0,), (1.0,))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def split(size: int, channels: int = 3, height: int = 6, width: int = 5) -> Split:
    """Images whose labels are their numbers."""
    images = torch.randint(0, 256, (size, channels, height, width), generator=generator(9), dtype=torch.uint8)
    return Split(images, torch.arange(size))


def draws(seed: int = 0) -> Iterator[torch.Generator]:
    return (generator(seed + number) for number in count())


def test_the_order_is_kept_and_nothing_augmented():
    data = split(10)
    parts = list(batches(data, 4, from_0_to_1(3, 6, 5)))
    assert [len(labels) for _, labels in parts] == [4, 4, 2]
    assert torch.cat([labels for _, labels in parts]).tolist() == list(range(10))
    assert torch.allclose(torch.cat([images for images, _ in parts]), data.images / 255)


def test_a_batch_for_each_chunk_of_indices():
    data, chunks = split(50), [torch.tensor([4, 49, 0]), torch.tensor([7]), torch.tensor([4, 4])]
    parts = list(feed(data, chunks, from_0_to_1(3, 6, 5)))
    assert [labels.tolist() for _, labels in parts] == [[4, 49, 0], [7], [4, 4]]
    for (images, _), chunk in zip(parts, chunks, strict=True):
        assert torch.allclose(images, data.images[chunk] / 255)


def test_what_a_batch_draws_depends_on_its_own_generator_alone():
    augment = AUGMENTATIONS.parse_list("crop:padding=1,flip,random-resized-crop:scale=0.5")
    chunks = torch.arange(20).split(8)

    def images(seed: int, first: int = 0) -> list[torch.Tensor]:
        source = draws(seed + first)
        fed = feed(split(20), chunks[first:], from_0_to_1(3, 6, 5), augment=augment, draws=source)
        return [images for images, _ in fed]

    assert all(torch.equal(x, y) for x, y in zip(images(3), images(3), strict=True))
    assert torch.equal(images(3)[2], images(3, first=2)[0])
    assert not any(torch.equal(x, y) for x, y in zip(images(3), images(40), strict=True))
    assert all(torch.equal(split(20).images[chunk] / 255, x) for chunk, x in zip(chunks, plain(chunks), strict=True))


def plain(chunks: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    return [images for images, _ in feed(split(20), chunks, from_0_to_1(3, 6, 5))]


def test_normalisation():
    data, mean, std = split(6), (0.1, 0.5, 0.9), (0.2, 0.3, 0.4)
    ((images, _),) = batches(data, 6, Scaling((3, 6, 5), mean, std))
    for channel in range(3):
        expected = (data.images[:, channel].double() / 255 - mean[channel]) / std[channel]
        assert torch.allclose(images[:, channel].double(), expected, atol=1e-5)
    assert images.dtype == torch.float32


@pytest.mark.parametrize("mean", [(0.3,), (0.1, 0.5, 0.9)])
def test_grey_becomes_three_channels(mean):
    data = split(4, channels=1)
    ((images, _),) = batches(data, 4, Scaling((3, 6, 5), mean, (0.5,)))
    for channel in range(3):
        assert torch.allclose(
            images[:, channel], (data.images[:, 0] / 255 - mean[channel % len(mean)]) / 0.5, atol=1e-6
        )


def test_other_sizes_are_resized():
    data = split(3, height=8, width=8)
    ((images, _),) = batches(data, 3, from_0_to_1(3, 4, 4))
    expected = F.interpolate(data.images.double() / 255, (4, 4), mode="bilinear", antialias=True)
    assert torch.allclose(images.double(), expected, atol=1e-5)
    ((grown, _),) = batches(data, 3, from_0_to_1(3, 20, 12))
    assert grown.shape == (3, 3, 20, 12)
    constant = Split(torch.full((1, 1, 8, 8), 51, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64))
    ((flat, _),) = batches(constant, 1, from_0_to_1(1, 32, 32))
    assert torch.allclose(flat, torch.tensor(0.2))


def test_random_resized_crop_gives_the_models_size():
    augment = AUGMENTATIONS.parse_list("random-resized-crop")
    for images, _ in feed(split(5), [torch.arange(5)], from_0_to_1(3, 12, 9), augment=augment, draws=draws()):
        assert images.shape == (5, 3, 12, 9)


def test_what_does_not_fit_the_model_is_named():
    with pytest.raises(UsageError, match="images have 3 channels and the model takes 1"):
        next(batches(split(2), 2, from_0_to_1(1, 6, 5)))
    with pytest.raises(UsageError, match="mean and std have 2 and 1"):
        next(batches(split(2), 2, Scaling((3, 6, 5), (0.1, 0.2), (1.0,))))
    with pytest.raises(UsageError, match="batch size is 0"):
        next(batches(split(2), 0, from_0_to_1(3, 6, 5)))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_on_a_gpu():
    """The same generator gives the same images wherever the split lies."""
    augment = AUGMENTATIONS.parse_list("crop:padding=1,flip,random-resized-crop:scale=0.5")
    data = split(20)
    there = Split(data.images.cuda(), data.labels.cuda())
    arguments = {"augment": augment, "scaling": from_0_to_1(3, 6, 5)}
    chunks = torch.arange(20).split(8)
    for (x, y), (there_x, there_y) in zip(
        feed(data, chunks, draws=draws(), **arguments), feed(there, chunks, draws=draws(), **arguments), strict=True
    ):
        assert torch.equal(y, there_y.cpu())
        assert torch.allclose(x, there_x.cpu(), atol=1e-4)
