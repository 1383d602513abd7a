"""From torchvision's objects to tensors."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from apcli.data import images
from apcli.data.datasets import load
from apcli.data.images import are_grey, arrays, labels_of, square, squares, too_large
from apcli.errors import ApcliError


def test_available_memory_is_plausible():
    available = images.available_memory()
    assert available is None or 2**20 < available < 2**50


def test_food101_layout(tmp_path):
    """A set of image files read through its own torchvision class."""
    root = tmp_path / "food-101"
    (root / "meta").mkdir(parents=True)
    for label, level in (("apple_pie", 40), ("waffles", 200)):
        (root / "images" / label).mkdir(parents=True)
        for index in range(3):
            Image.new("RGB", (20 + index, 30), (level, 0, 0)).save(root / "images" / label / f"{index}.jpg")
    for part, members in (("train", (0, 1)), ("test", (2,))):
        listing = {label: [f"{label}/{index}" for index in members] for label in ("apple_pie", "waffles")}
        (root / "meta" / f"{part}.json").write_text(json.dumps(listing))
    data = load("food101", tmp_path, size=12)
    assert (len(data.train), len(data.test), data.classes, data.shape) == (4, 2, 2, (3, 12, 12))
    assert data.test.images[:, 0].float().mean((1, 2)).tolist() == pytest.approx([40, 200], abs=3)
    assert data.augment == "random-resized-crop,flip"


@pytest.mark.parametrize("name", ["targets", "_labels", "_samples"])
def test_labels_that_a_set_keeps_are_taken_without_its_images(name):
    kept = [4, 0, 2]
    source = Pictures(None, None, None)
    setattr(source, name, [("path", label) for label in kept] if name == "_samples" else kept)
    assert labels_of(source).tolist() == kept
    setattr(source, name, [])  # not those of its items
    source.pairs = tuple((None, label) for label in kept)
    assert labels_of(source).tolist() == kept


class Pictures:
    """Pairs of an image and its label, as torchvision's sets give them."""

    def __init__(self, *pairs):
        self.pairs = pairs

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        return self.pairs[index]


def test_pixels_that_a_set_keeps_are_taken_as_they_lie():
    grey = SimpleNamespace(data=torch.arange(24).reshape(2, 3, 4), targets=[1, 0])
    images_of, labels = arrays(grey)
    assert torch.equal(images_of, torch.arange(24).reshape(2, 1, 3, 4))
    assert (labels.tolist(), labels.dtype) == ([1, 0], torch.int64)
    colours = np.arange(120, dtype=np.uint8).reshape(2, 5, 4, 3)  # CIFAR's
    assert np.array_equal(arrays(SimpleNamespace(data=colours, labels=[2, 3]))[0], colours.transpose(0, 3, 1, 2))
    writers = SimpleNamespace(data=colours, targets=torch.tensor([[7, 1], [8, 1]]))  # QMNIST's
    assert arrays(writers)[1].tolist() == [7, 8]


def test_the_shorter_side_is_resized_and_the_centre_kept():
    wide = Image.fromarray(np.repeat(np.arange(8, dtype=np.uint8)[None], 4, 0))
    source = Pictures((wide, 3))
    found, label = square(source, 0, 4, True)
    assert (found.tolist(), label) == ([[[2, 3, 4, 5]] * 4], 3)
    assert square(source, 0, 4, False)[0].shape == (3, 4, 4)
    held, labels = squares(source, 4, True, 1)
    assert torch.equal(held[0], found)
    assert labels.tolist() == labels_of(source).tolist() == [3]


def test_one_image_in_colour_makes_the_set_one():
    grey, colour = Image.new("L", (2, 2)), Image.new("RGB", (2, 2))
    assert are_grey((Pictures((grey, 0)), Pictures((grey, 1))))
    assert not are_grey((Pictures((grey, 0)), Pictures((grey, 1), (colour, 0))))


def test_what_does_not_fit_into_memory_is_counted_out(monkeypatch):
    source = Pictures(*[None] * 10)
    monkeypatch.setattr(images, "available_memory", lambda: 4000)
    assert too_large((source, source), 8, False) == (
        "20 images of 8x8 need 0.0 GB of memory and 0.0 GB are available"  # 3,840 bytes of 3,200
    )
    assert too_large((source, source), 8, True) is None
    monkeypatch.setattr(images, "available_memory", lambda: None)
    assert too_large((source, source), 8, False) is None


def test_images_that_cannot_be_taken_are_named():
    with pytest.raises(ApcliError, match="image 0 of Pictures has no label"):
        square(Pictures((Image.new("L", (2, 2)), None)), 0, 2, True)
    with pytest.raises(ApcliError, match="image 1 of Pictures has pixels of more than 8 bits"):
        square(Pictures(None, (Image.new("I", (2, 2)), 0)), 1, 2, True)
    with pytest.raises(ApcliError, match=r"could not decode image 0 of Pictures: .*: replace the file or remove it"):
        square(Pictures(), 0, 2, True)
