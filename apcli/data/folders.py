"""Data sets stored as folders of image files, one folder per class."""

import logging
import os
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, ImageOps
from torchvision.datasets import ImageFolder, INaturalist

from apcli.data.sources import in_words
from apcli.errors import ApcliError, UsageError
from apcli.words import join

log = logging.getLogger("apcli")

# Endings of images that torchvision leaves out.
_OTHER_IMAGES = {".gif", ".jp2", ".j2k", ".jpx", ".heic", ".heif", ".avif", ".jxl", ".svg", ".dng"}


def folder(path: str, exif_orientation: bool = False) -> "tuple[str, tuple[ClassFolders, ClassFolders]]":
    """The name (``folder:`` and the folder's own name) and the two splits of a folder of class folders.

    The second split is val/, or test/ if there is no val/ (ImageNet's test/ has no classes).

    Args:
        exif_orientation: turn images as their EXIF orientation says, which torchvision does not.

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
        train, test = (ClassFolders(part, exif_orientation) for part in (root / "train", held_out))
    except OSError as error:
        raise ApcliError(f"folder:{path}: {in_words(error)}: expected image files in every class") from error
    if train.classes != test.classes:
        name = min(set(train.classes) ^ set(test.classes))
        has, lacks = ("train", held_out.name) if name in train.classes else (held_out.name, "train")
        raise ApcliError(f"folder:{path}: class {name!r} is in {has} and not in {lacks}: expected the same classes")
    _log_skipped(path, train, test)
    repeated = [place.relative_to(root).as_posix() for split in (train, test) for place in split.repeated]
    if repeated:
        log.warning(
            "folder:%s: skipped links to folders whose images are included already: %s%s",
            path,
            ", ".join(repeated[:3]),
            f" and {len(repeated) - 3} more" if len(repeated) > 3 else "",
        )
    return f"folder:{root.name}", (train, test)


def _log_skipped(path: str, *splits: "ClassFolders") -> None:
    """Say how many files were skipped: an image less is a number that differs."""
    counts = sum((split.skipped for split in splits), Counter())
    hidden = counts.pop("hidden", 0)
    others = [f"{number} {ending}" for ending, number in sorted(counts.items()) if number]
    if others:
        log.warning("folder:%s: skipped %s images: convert them to .png or .jpg", path, join(others))
    if hidden:
        log.info("folder:%s: skipped %d hidden files and folders", path, hidden)


def inaturalist(root: Path, version: str, **options: Any) -> INaturalist:
    """torchvision's INaturalist with its files sorted: torchvision lists them in the file system's order."""
    dataset = INaturalist(root, version, **options)
    dataset.index.sort()
    return dataset


class ClassFolders(ImageFolder):
    """torchvision's ImageFolder, visiting each real folder once: links may point anywhere, also back to a parent.

    Attributes:
        repeated: the links to folders that were skipped.
        skipped: how many images of other formats were skipped, by ending, and files and folders that are ``hidden``.
        turned: the files that were opened so far whose EXIF orientation was not applied.
    """

    repeated: list[Path]
    skipped: Counter[str]

    def __init__(self, root: Path, exif_orientation: bool) -> None:
        self.exif_orientation = exif_orientation
        self.turned: set[str] = set()
        super().__init__(root, loader=self._opened)

    def _opened(self, path: str) -> Image.Image:
        image = Image.open(path)
        if not 2 <= _orientation(image) <= 8:  # 1 is upright
            return image
        if self.exif_orientation:
            return ImageOps.exif_transpose(image)
        self.turned.add(path)
        return image

    def find_classes(self, directory: str | Path) -> tuple[list[str], dict[str, int]]:
        """The class folders by name, without links to their own parent or to another class."""
        root = Path(directory)
        self.repeated, self._seen = [], {root.resolve(), *root.resolve().parents}
        self.skipped = Counter()
        places = sorted((place for place in root.iterdir() if place.is_dir()), key=lambda p: (p.is_symlink(), p.name))
        places = [place for place in places if not self._is_hidden(place.name)]
        names = sorted(place.name for place in places if self._is_new(place))
        return names, {name: number for number, name in enumerate(names)}

    def make_dataset(
        self, directory: str | Path, class_to_idx: dict[str, int], extensions: tuple[str, ...], **_: Any
    ) -> list[tuple[str, int]]:
        """The files and their classes, in torchvision's order.

        Raises:
            FileNotFoundError: a class has no image file, or something else of such a name.
        """
        samples = []
        for name, number in class_to_idx.items():
            files = [path for path in self._files(Path(directory, name)) if self._is_image(path, extensions)]
            if not files:
                raise FileNotFoundError(f"class {name!r} has no image file")
            strange = next((path for path in files if not os.path.isfile(path)), None)
            if strange is not None:  # a pipe would be waited for, and a device read without end
                raise FileNotFoundError(f"{strange} is no file, or a link to none")
            samples += [(path, number) for path in files]
        return samples

    def _files(self, place: Path) -> Iterator[str]:
        walked = []
        for folder, inner, files in os.walk(place, followlinks=True):
            walked.append((folder, sorted(files)))
            inner[:] = [
                name for name in sorted(inner) if not self._is_hidden(name) and self._is_new(Path(folder, name))
            ]
        for folder, files in sorted(walked):
            yield from (os.path.join(folder, name) for name in files)

    def _is_hidden(self, name: str) -> bool:
        """Whether a file or folder is of the system or a program (``._1.jpg``, ``.ipynb_checkpoints``), and no data."""
        hidden = name.startswith(".")
        self.skipped["hidden"] += hidden
        return hidden

    def _is_image(self, path: str, extensions: tuple[str, ...]) -> bool:
        name = os.path.basename(path)
        if self._is_hidden(name):
            return False
        ending = os.path.splitext(name)[1].lower()
        self.skipped[ending] += ending in _OTHER_IMAGES
        return ending in extensions

    def _is_new(self, folder: Path) -> bool:
        real = folder.resolve()
        if real in self._seen:
            self.repeated.append(folder)
            return False
        self._seen.add(real)
        return True


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation of an opened image, 1 to 8; 0 if it has none that can be read without decoding it."""
    if image.format == "PNG" and "exif" not in image.info:  # Pillow would decode it to look behind the pixels
        return 0
    try:
        found = image.getexif().get(ExifTags.Base.Orientation, 0)
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, struct.error):  # a damaged header
        return 0
    return found if isinstance(found, int) else 0
