"""Reading sets: against scikit-learn's copy, files written here in the sets' own formats, and Pillow."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch._subclasses.fake_tensor import FakeTensorMode

from apcli.data import AUGMENTATIONS, DATASETS, FOLDER, DatasetRow, images
from apcli.data.datasets import DIGITS, Split, channel_statistics, load
from apcli.errors import ApcliError, UsageError


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


def write_idx(path: Path, array: np.ndarray) -> None:
    """The IDX format of MNIST: two zeros, the type (8: byte), the number of dimensions, each dimension, the bytes."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


@pytest.fixture
def mnist_dir(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    arrays = {}
    for prefix, count in (("train", 7), ("t10k", 4)):
        arrays[prefix] = random.integers(0, 256, (count, 28, 28)), random.integers(0, 10, count)
        write_idx(raw / f"{prefix}-images-idx3-ubyte", arrays[prefix][0])
        write_idx(raw / f"{prefix}-labels-idx1-ubyte", arrays[prefix][1])
    return tmp_path, arrays


def test_mnist_files(mnist_dir):
    data_dir, arrays = mnist_dir
    data = load("mnist", data_dir, size=64)  # these images share one size and keep it
    assert data.shape == (1, 28, 28)
    assert (data.mean, data.std) == ((0.1307,), (0.3081,))
    for split, (pixels, labels) in ((data.train, arrays["train"]), (data.test, arrays["t10k"])):
        assert np.array_equal(split.images[:, 0].numpy(), pixels)
        assert split.labels.tolist() == labels.tolist()


def test_to_moves_both_splits(digits):
    moved = digits.to("meta")
    assert {t.device.type for split in (moved.train, moved.test) for t in (split.images, split.labels)} == {"meta"}
    assert (moved.name, moved.mean) == (digits.name, digits.mean)


def test_cut_file_is_one_line_and_stdout_stays_empty(mnist_dir, capsys):
    data_dir, _ = mnist_dir
    file = data_dir / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(ApcliError, match=r"could not read mnist: .*--download") as error:
        load("mnist", data_dir)
    assert "\n" not in str(error.value)
    assert capsys.readouterr().out == ""


def test_damaged_cifar_is_refused_by_its_checksum(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"):
        (folder / name).write_bytes(b"not what it should be")
    with pytest.raises(ApcliError, match=r"could not read cifar10: .*corrupted") as error:
        load("cifar10", tmp_path)
    assert error.value.exit_code == 1


@pytest.mark.parametrize("row", [row for row in DATASETS if row.needs], ids=lambda row: row.name)
def test_missing_data_says_what_brings_it(row, tmp_path):
    with pytest.raises(UsageError) as error:
        load(row.name, tmp_path / "data")
    message = str(error.value)
    assert all(need in message for need in row.needs)
    assert ("--download" in message) is row.downloads
    assert "--data-dir" in message
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("row", [*DATASETS, FOLDER], ids=lambda row: row.name)
def test_rows_load_and_their_augmentations_parse(row):
    assert isinstance(row, DatasetRow)
    assert callable(row.load())
    assert AUGMENTATIONS.parse_list(row.augment)
    assert len(row.mean) == len(row.std)


def test_failed_fetch_is_one_line(tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("a file where the data folder should be")
    with pytest.raises(ApcliError, match=r"could not download or read cifar10: .*--data-dir") as error:
        load("cifar10", blocked, download=True)
    assert "\n" not in str(error.value)
    assert capsys.readouterr().out == ""


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


@pytest.fixture
def picture_folder(tmp_path):
    """Two classes of colour PNGs of unequal sizes; below val one more grey one than below train."""
    random = np.random.default_rng(0)
    sizes = {"train": [(40, 30), (30, 40), (50, 50)], "val": [(20, 60), (33, 47)]}
    root = tmp_path / "pets"
    for part, shapes in sizes.items():
        for label in ("cat", "dog"):
            (root / part / label).mkdir(parents=True)
            for index, (height, width) in enumerate(shapes):
                pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / part / label / f"{index}.png")
    return root


def test_folder(picture_folder):
    data = load(f"folder:{picture_folder}", Path("nowhere"), size=16, workers=2)
    assert (data.name, data.classes, data.shape) == ("folder:pets", 2, (3, 16, 16))
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.test.labels.tolist() == [0, 0, 1, 1]
    with Image.open(picture_folder / "val" / "dog" / "0.png") as image:  # 20 high, 60 wide
        expected = image.resize((48, 16), Image.Resampling.BILINEAR).crop((16, 0, 32, 16))
    assert np.array_equal(data.test.images[2].permute(1, 2, 0).numpy(), np.asarray(expected))
    again = load(f"folder:{picture_folder}", Path("nowhere"), size=16, workers=1)
    assert torch.equal(data.train.images, again.train.images)


def test_folder_of_grey_images_has_one_channel(picture_folder):
    for path in picture_folder.rglob("*.png"):
        with Image.open(path) as image:
            grey = image.convert("L")
        grey.save(path)
    assert load(f"folder:{picture_folder}", Path("nowhere"), size=8).shape == (1, 8, 8)
    with Image.open(path) as image:
        image.convert("RGB").save(path)
    assert load(f"folder:{picture_folder}", Path("nowhere"), size=8).shape == (3, 8, 8)


def test_folder_takes_test_where_there_is_no_val(picture_folder):
    (picture_folder / "val").rename(picture_folder / "test")
    assert len(load(f"folder:{picture_folder}", Path("nowhere"), size=8).test) == 4


def test_each_real_folder_is_read_once(picture_folder, caplog):
    """Links to the folder's own parents, to another class and in circles; a class and a part of it may be links."""
    plain = load(f"folder:{picture_folder}", Path("nowhere"), size=8)
    train, elsewhere = picture_folder / "train", picture_folder.parent / "elsewhere"
    (train / "dog").rename(elsewhere)
    (train / "dog").symlink_to(elsewhere)
    (train / "cat" / "more").mkdir()
    (train / "cat" / "2.png").rename(train / "cat" / "more" / "2.png")
    assert load(f"folder:{picture_folder}", Path("nowhere"), size=8).train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert caplog.text == ""
    for place, target in (("loop", ".."), ("cat/up", ".."), ("cat/whole", "../.."), ("cat/pups", "../dog"),
                          ("cat/more/circle", "../more"), ("alias", "cat")):  # fmt: skip
        (train / place).symlink_to(target)
    data = load(f"folder:{picture_folder}", Path("nowhere"), size=8)
    assert torch.equal(data.train.images, plain.train.images)
    assert torch.equal(data.train.labels, plain.train.labels)
    assert (
        "skipped links to folders whose images are included already: train/alias, train/loop, train/cat/" in caplog.text
    )
    assert "and 3 more" in caplog.text


def test_folder_errors(picture_folder, tmp_path):
    def message(kind: type[ApcliError], path: Path | str = picture_folder) -> str:
        with pytest.raises(kind) as error:
            load(f"folder:{path}", Path("nowhere"), size=8)
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "is not a folder" in message(UsageError, "")
    assert "is not a folder" in message(UsageError, tmp_path / "none")
    assert "lacks a train" in message(UsageError, tmp_path)
    broken = picture_folder / "val" / "cat" / "0.png"
    broken.write_bytes(broken.read_bytes()[:100])
    assert str(broken) in message(ApcliError)
    broken.write_text("no image at all")
    assert str(broken) in message(ApcliError)
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(broken)
    assert "more than 8 bits" in message(ApcliError)
    (picture_folder / "val" / "dog").rename(picture_folder / "val" / "bird")
    assert "class 'bird' is in val and not in train" in message(ApcliError)
    (picture_folder / "train" / "ant").mkdir()
    assert "ant" in message(ApcliError)


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
