"""Sets that are folders of image files, one folder per class."""

from pathlib import Path
from typing import Any

from PIL import Image
from torchvision.datasets import ImageFolder, INaturalist

from apcli.data.sources import in_words
from apcli.errors import ApcliError, UsageError


def folder(path: str) -> tuple[str, tuple[ImageFolder, ImageFolder]]:
    """The name (``folder:`` and the folder's own name) and the two splits of a folder of class folders.

    The second split is val/, or test/ where there is no val/ (ImageNet's test/ has no classes).

    Raises:
        UsageError: no such folder, or it lacks a split.
        ApcliError: the splits' classes differ, or a class has no images.
    """
    root = Path(path).expanduser().resolve()
    if not path or not root.is_dir():
        raise UsageError(f"folder:{path} is not a folder: expected folder:PATH with PATH/train and PATH/val")
    held_out = root / ("val" if (root / "val").is_dir() else "test")
    for part in (root / "train", held_out):
        if not part.is_dir():
            raise UsageError(
                f"folder:{path} lacks a train or a val (or test) folder: expected one folder per class in each"
            )
    try:
        train, test = (ImageFolder(part, loader=_open) for part in (root / "train", held_out))
    except OSError as error:
        raise ApcliError(f"folder:{path}: {in_words(error)}: expected image files in every class") from error
    if train.classes != test.classes:
        name = min(set(train.classes) ^ set(test.classes))
        has, lacks = ("train", held_out.name) if name in train.classes else (held_out.name, "train")
        raise ApcliError(f"folder:{path}: class {name!r} is in {has} and not in {lacks}: expected the same classes")
    return f"folder:{root.name}", (train, test)


def inaturalist(root: Path, version: str, **options: Any) -> INaturalist:
    """torchvision's INaturalist with its files in a fixed order (it lists them as the disk does)."""
    dataset = INaturalist(root, version, **options)
    dataset.index.sort()
    return dataset


def _open(path: str) -> Image.Image:
    return Image.open(path)
