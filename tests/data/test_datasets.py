"""Reading sets: against scikit-learn's copy, files written here in the sets' own formats, and Pillow."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch._subclasses.fake_tensor import FakeTensorMode

from apcli.data import DATASETS, FOLDER, Contents, DatasetRow
from apcli.data.augmentations import AUGMENTATIONS
from apcli.data.datasets import DIGITS, Split, channel_statistics, load
from apcli.data.image_spec import ImageSpec
from apcli.errors import UsageError


@pytest.fixture(scope="module")
def digits():
    return load("digits", Path("nowhere"))


def test_digits_is_whole_and_stratified(digits):
    assert (digits.name, digits.classes, digits.shape) == ("digits", 10, (1, 8, 8))
    assert (len(digits.train), len(digits.test)) == (1442, 355)
    assert digits.train.images.dtype == torch.uint8
    assert digits.train.labels.dtype == torch.int64
    per_class = torch.bincount(digits.train.labels) + torch.bincount(digits.test.labels)
    assert torch.equal(torch.bincount(digits.test.labels), per_class // 5)


@pytest.mark.slow
def test_digits_are_those_of_scikit_learn(digits):
    oracle = pytest.importorskip("sklearn.datasets").load_digits()
    seen = dict.fromkeys(range(10), 0)
    expected = {"train": [], "test": []}
    for pixels, label in zip(oracle.images, oracle.target, strict=True):
        seen[label] += 1
        scaled = tuple(int(value * 255 / 16 + 0.5) for value in pixels.ravel())
        expected["test" if seen[label] % 5 == 0 else "train"].append((scaled, int(label)))
    for part in ("train", "test"):
        split = getattr(digits, part)
        assert (
            list(zip(map(tuple, split.images.flatten(1).tolist()), split.labels.tolist(), strict=True))
            == expected[part]
        )


def test_digits_names_its_source_and_licence():
    with safe_open(DIGITS, "pt") as file:
        (source,) = file.metadata().values()
    assert "10.24432/C50P49" in source
    assert "CC BY 4.0" in source


def test_statistics_are_those_of_numpy(digits):
    generator = torch.Generator().manual_seed(0)
    colour = torch.randint(0, 256, (1100, 3, 5, 4), generator=generator, dtype=torch.uint8)
    colour[:, 2] = 7
    mean, std = channel_statistics(Split(colour, torch.zeros(len(colour), dtype=torch.int64)))
    scaled = colour.numpy() / 255
    assert mean == pytest.approx(scaled.mean((0, 2, 3)), abs=6e-5)
    assert std[:2] == pytest.approx(scaled.std((0, 2, 3))[:2], abs=6e-5)
    assert std[2] == round(1 / 255, 4)
    assert digits.mean == pytest.approx([digits.train.images.double().mean().item() / 255], abs=6e-5)


def test_what_the_row_of_digits_says_is_what_its_images_say(digits):
    row = DATASETS.row("digits")
    assert (row.mean, row.std) == channel_statistics(digits.train)
    assert row.contents == Contents(digits.shape, digits.classes, (len(digits.train), len(digits.test)))
    assert row.contents.described("digits") == digits.description
    assert digits.images == ImageSpec(row.contents.shape, row.contents.classes, row.mean, row.std)


def test_the_contents_of_a_row_are_those_of_a_set_without_files():
    assert [row.name for row in DATASETS if row.contents] == [row.name for row in DATASETS if not row.files]


def test_mnist_files(mnist_dir):
    data_dir, arrays = mnist_dir
    data = load("mnist", data_dir, size=64)  # these images share one size and keep it
    assert data.shape == (1, 28, 28)
    assert (data.mean, data.std) == ((0.1307,), (0.3081,))
    for split, (pixels, labels) in ((data.train, arrays["train"]), (data.test, arrays["t10k"])):
        assert np.array_equal(split.images[:, 0].numpy(), pixels)
        assert split.labels.tolist() == labels.tolist()


def test_a_part_has_some_of_the_training_images_and_says_so(digits):
    part = load("digits", Path("nowhere"), images=40)
    assert part.train.labels.bincount().tolist() == [4] * 10
    whole = {image.numpy().tobytes() for image in digits.train.images}
    assert {image.numpy().tobytes() for image in part.train.images} < whole
    assert torch.equal(part.test.images, digits.test.images)
    assert part.description == {"name": "digits", "classes": 10, "images": [1442, 355], "part": 40}
    assert digits.description == load("digits", Path("nowhere"), images=1442).description
    assert "part" not in digits.description


def test_only_images_of_a_folder_are_turned():
    with pytest.raises(UsageError, match="--exif-orientation turns images of folder:PATH, and the data are digits"):
        load("digits", Path("nowhere"), exif_orientation=True)


def test_to_moves_both_splits(digits):
    moved = digits.to("meta")
    assert {t.device.type for split in (moved.train, moved.test) for t in (split.images, split.labels)} == {"meta"}
    assert (moved.name, moved.mean) == (digits.name, digits.mean)


@pytest.mark.parametrize("row", [*DATASETS, FOLDER], ids=lambda row: row.name)
def test_rows_load_and_their_augmentations_parse(row):
    assert isinstance(row, DatasetRow)
    assert callable(row.load())
    assert AUGMENTATIONS.parse_list(row.augment)
    assert len(row.mean) == len(row.std)


def test_wrong_names_and_values(tmp_path):
    with pytest.raises(UsageError, match="did you mean 'cifar10'"):
        load("cifar11", tmp_path)
    with pytest.raises(UsageError, match="image size is 0"):
        load("digits", tmp_path, size=0)
    with pytest.raises(UsageError, match="workers is 0"):
        load("digits", tmp_path, workers=0)
    (tmp_path / "EMNIST").mkdir()
    with pytest.raises(UsageError, match=r"emnist:split=all: .*balanced"):
        load("emnist:split=all", tmp_path)


def test_splits_of_a_split_share_its_images(digits):
    """Held out on the device, a validation split takes no memory."""
    held = digits.hold_out(0.25)
    assert {split.images.data_ptr() for split in (held.train, held.validation)} == {digits.train.images.data_ptr()}
    again = held.validation.subset(torch.tensor([5, 0, 5]))
    images, labels = next(again.read([torch.tensor([1, 2])]))
    place = [int(held.validation.rows[0]), int(held.validation.rows[5])]
    assert torch.equal(images, digits.train.images[place])
    assert torch.equal(labels, digits.train.labels[place])
    assert list(digits.train.read([])) == []


@pytest.mark.parametrize("room", [True, False])
def test_images_lie_on_the_device_if_it_has_room_for_them(digits, monkeypatch, caplog, room):
    """On fake tensors; as many bytes as the images have, and as many again for the network."""
    size = digits.train.images.nbytes
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2 * size - (not room), 10**12))
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    copies: list[torch.Tensor] = []
    copy = torch.Tensor.to

    def counted(tensor, *args, **kwargs):
        moved = copy(tensor, *args, **kwargs)
        if moved.device.type != tensor.device.type and not kwargs.get("non_blocking"):
            copies.append(tensor)
        return moved

    caplog.set_level("INFO", logger="apcli")
    with FakeTensorMode(allow_non_fake_inputs=True):
        train = digits.to("cuda:0").hold_out(0.25).train
        assert train.images.is_cuda == room
        monkeypatch.setattr(torch.Tensor, "to", counted)
        batches = list(train.read(torch.arange(100).split(10)))
    assert ("1,442 images stay in main memory" in caplog.text) == (not room)
    assert {tensor.device.type for batch in batches for tensor in batch} == {"cuda"}
    assert (len(batches), batches[0][0].shape) == (10, (10, 1, 8, 8))
    assert len(copies) <= 2  # each waits for the device: once for all batches
