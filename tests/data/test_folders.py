"""Folders of image files: which files they hold, and what is wrong with them."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

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
