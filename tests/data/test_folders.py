"""Folders of image files: which files they hold, and what is wrong with them."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from marked import slow
from PIL import ExifTags, Image, ImageOps
from torchvision.datasets import ImageFolder

from apcli.data.datasets import load
from apcli.errors import ApcliError, UsageError


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


def test_what_is_hidden_or_of_another_format_is_skipped_with_a_word(picture_folder, caplog):
    caplog.set_level(logging.INFO, "apcli")
    plain = load(f"folder:{picture_folder}", Path("nowhere"), size=8)
    train = picture_folder / "train"
    (train / ".ipynb_checkpoints").mkdir()
    (train / "cat" / ".ipynb_checkpoints").mkdir()
    (train / "cat" / ".ipynb_checkpoints" / "0-checkpoint.png").write_bytes((train / "cat" / "0.png").read_bytes())
    (train / "cat" / "._0.png").write_bytes(b"made by macOS beside each file")
    (train / "cat" / "notes.txt").write_text("no image")
    for name in ("x.gif", "y.GIF", "z.jp2"):
        (train / "dog" / name).write_bytes(b"")
    data = load(f"folder:{picture_folder}", Path("nowhere"), size=8)
    assert data.classes == plain.classes
    assert torch.equal(data.train.images, plain.train.images)
    assert "skipped 2 .gif and 1 .jp2 images" in caplog.text
    assert "skipped 3 hidden files and folders" in caplog.text


# ---- EXIF orientation

# How an upright image is stored for each orientation: the inverse of what a viewer does.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def save_turned(upright: Image.Image, path: Path, orientation: int) -> None:
    how, exif = STORED[orientation], Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    (upright if how is None else upright.transpose(how)).save(path, exif=exif)


@pytest.fixture
def photos(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """Below train/cat one image in each of the eight orientations, of which seven are turned; and it, 12x8."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8, 3), dtype=np.uint8)
    root = tmp_path / "photos"
    for place in ("train/cat", "train/dog", "val/cat", "val/dog"):
        (root / place).mkdir(parents=True)
        Image.fromarray(pixels).save(root / place / "9.png")
    for orientation in STORED:
        save_turned(Image.fromarray(pixels), root / "train" / "cat" / f"{orientation}.png", orientation)
    with Image.open(root / "val" / "dog" / "9.png") as image:
        return root, np.asarray(ImageOps.fit(image, (8, 8), Image.Resampling.BILINEAR))


@pytest.mark.parametrize("cache", ["memory", slow("none")])
def test_images_are_turned_where_that_is_asked_for(photos, caplog, cache):
    root, expected = photos
    data = load(f"folder:{root}", Path("nowhere"), size=8, cache=cache, workers=1, exif_orientation=True)
    assert data.description["exif_orientation"] is True
    for images, _ in data.train.read([torch.arange(len(data.train))]):
        assert len(images) == 10
        assert all(np.array_equal(image.permute(1, 2, 0).numpy(), expected) for image in images)
    assert "EXIF" not in caplog.text


@pytest.mark.parametrize(("cache", "words"), [("memory", ": 7 images have"), ("none", ": at least 7 images have")])
def test_else_they_are_as_torchvision_reads_them_and_that_is_said_once(photos, caplog, cache, words):
    root, _ = photos
    data = load(f"folder:{root}", Path("nowhere"), size=8, cache=cache, workers=1)
    assert "exif_orientation" not in data.description
    assert caplog.text.count("EXIF orientation, which is not applied: --exif-orientation turns them") == 1
    assert f"folder:photos{words} an EXIF orientation" in caplog.text
    sample, _ = ImageFolder(str(root / "train"))[5]
    stored = np.asarray(ImageOps.fit(sample, (8, 8), Image.Resampling.BILINEAR))
    ((images, _),) = data.train.read([torch.tensor([5])])
    assert np.array_equal(images[0].permute(1, 2, 0).numpy(), stored)


def test_the_turn_is_pillows_of_a_photograph(photos):
    root, _ = photos
    with Image.open(root / "val" / "dog" / "9.png") as image:
        save_turned(image, root / "val" / "dog" / "8.jpg", 6)
    with Image.open(root / "val" / "dog" / "8.jpg") as image:
        expected = np.asarray(ImageOps.fit(ImageOps.exif_transpose(image), (8, 8), Image.Resampling.BILINEAR))
    data = load(f"folder:{root}", Path("nowhere"), size=8, exif_orientation=True)
    assert np.array_equal(data.test.images[1].permute(1, 2, 0).numpy(), expected)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_an_exif_header_that_is_damaged_turns_nothing(photos, caplog):
    root, expected = photos
    for path in (root / "train" / "cat").iterdir():
        path.unlink()
    for name, exif in {"a": b"Exif\0\0MM\0*\xff\xff\xff\xff", "b": b"nothing", "c": b"Exif\0\0"}.items():
        with Image.open(root / "val" / "dog" / "9.png") as image:
            image.save(root / "train" / "cat" / f"{name}.png", exif=exif)
    for turning in (False, True):
        data = load(f"folder:{root}", Path("nowhere"), size=8, exif_orientation=turning)
        assert all(np.array_equal(image.permute(1, 2, 0).numpy(), expected) for image in data.train.images)
    assert "EXIF" not in caplog.text
