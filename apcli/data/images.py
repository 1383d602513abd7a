"""Convert torchvision's objects to one uint8 tensor of images and one int64 tensor of labels."""

import contextlib
import hashlib
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from apcli.data.parts import Subset
from apcli.errors import ApcliError
from apcli.words import count

GREY_MODES = {"1", "L", "LA"}
MEMORY_SHARE = 0.8
CHUNK = 64
READ_WHOLE = 2**30  # bytes
_MOST_PIXELS = 1 << 26  # of one image: a small file may claim any number, and each takes three bytes
_LOOKED_AT = 256  # images of a split, where they are not all decoded

log = logging.getLogger("apcli")


class ImageSource(Protocol):
    """Pairs of an image and its label, as torchvision's data sets give them."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> tuple[Image.Image, Any]: ...


def arrays(source: Any) -> tuple[Tensor, Tensor]:
    """Images [N, C, H, W] and labels [N] of a torchvision set that keeps all its pixels in ``data``."""
    images = torch.as_tensor(source.data)
    if images.dim() == 3:
        images = images.unsqueeze(1)
    elif images.shape[1] != 3:  # CIFAR's channels come last
        images = images.permute(0, 3, 1, 2)
    labels = torch.as_tensor(source.targets if hasattr(source, "targets") else source.labels)
    if labels.dim() == 2:  # QMNIST: the class, then the writer and more
        labels = labels[:, 0]
    return images.contiguous(), labels.to(torch.int64).contiguous()


def are_grey(sources: tuple[ImageSource, ...]) -> bool:
    """Whether all images of these sources of (PIL image, label) pairs are grey; files are opened, not decoded."""
    return all(_is_grey(source) for source in sources)


def too_large(sources: tuple[ImageSource, ...], size: int, grey: bool) -> str | None:
    """The reason why the images, cut to squares, do not fit into memory; None if they do."""
    total = sum(len(source) for source in sources)
    needed = total * (1 if grey else 3) * size * size
    available = available_memory()
    if available is None or needed <= MEMORY_SHARE * available:
        return None
    return (
        f"{total:,} images of {size}x{size} need {needed / 1e9:,.1f} GB of memory and {available / 1e9:,.1f} GB are "
        "available"
    )


def squares(source: ImageSource, size: int, grey: bool, workers: int) -> tuple[Tensor, Tensor]:
    """All images [N, C, size, size] and labels [N] of a source. See ``square``."""
    log.info("decoding %s images to %dx%d", f"{len(source):,}", size, size)
    return _decode(source, size, grey, workers)


def square(source: ImageSource, index: int, size: int, grey: bool) -> tuple[Tensor, int]:
    """One image, [C, size, size], and its label: the shorter side is resized to ``size`` and the centre kept.

    Args:
        grey: return one channel instead of three.

    Raises:
        ApcliError: the image cannot be decoded, or has no label.
    """
    image, label = _item(source, index)
    return _pixels(image, size, grey, source, index), int(label)


def labels_of(source: ImageSource) -> Tensor:
    """The labels [N] of a source: from the list where torchvision's classes keep them, or else item by item."""
    kept = [getattr(source, name, None) for name in ("targets", "_labels")]
    kept += [[label for _, label in getattr(source, "_samples", ())]]
    whole = [found for found in kept if isinstance(found, list) and len(found) == len(source) and None not in found]
    labels = whole[0] if whole else [_item(source, index)[1] for index in range(len(source))]
    return torch.tensor([int(label) for label in labels], dtype=torch.int64)


def available_memory() -> int | None:
    """Available memory in bytes; total memory if the system does not report it; None if unknown."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _decode(source: ImageSource, size: int, grey: bool, workers: int) -> tuple[Tensor, Tensor]:
    images = torch.empty(len(source), 1 if grey else 3, size, size, dtype=torch.uint8)
    labels = torch.empty(len(source), dtype=torch.int64)

    def fill(start: int) -> None:
        for index in range(start, min(start + CHUNK, len(source))):
            images[index], labels[index] = square(source, index, size, grey)

    pool = ThreadPoolExecutor(workers)
    try:
        for _ in pool.map(fill, range(0, len(source), CHUNK)):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
    return images, labels


def _item(source: ImageSource, index: int) -> tuple[Image.Image, Any]:
    try:
        image, label = source[index]
    except Exception as error:  # the file readers of torchvision's classes raise what they like
        raise _unreadable(source, index, error) from error
    if label is None:
        raise ApcliError(f"{_place(source, index)} has no label: expected a class for every image")
    return image, label


def _pixels(image: Image.Image, size: int, grey: bool, source: ImageSource, index: int) -> Tensor:
    if image.mode.startswith(("I", "F")):
        raise ApcliError(f"{_place(source, index)} has pixels of more than 8 bits: convert it to 8 bits")
    if image.width * image.height > _MOST_PIXELS:
        extents = f"{image.width}x{image.height}"
        raise ApcliError(f"{_place(source, index)} has {extents} pixels: make it smaller, or remove it")
    try:
        with image:
            square = ImageOps.fit(image.convert("L" if grey else "RGB"), (size, size), Image.Resampling.BILINEAR)
    except Exception as error:  # Pillow raises almost anything on a broken file
        raise _unreadable(source, index, error) from error
    return torch.from_numpy(np.array(square)).reshape(size, size, -1).permute(2, 0, 1)


def _is_grey(source: ImageSource) -> bool:
    for index in range(len(source)):
        image, _ = _item(source, index)
        with image:
            if image.mode not in GREY_MODES:
                return False
    return True


def _place(source: ImageSource, index: int) -> str:
    if isinstance(source, Subset):
        return _place(source.source, source.chosen[index])
    samples = getattr(source, "samples", None)
    return str(samples[index][0]) if samples else f"image {index} of {type(source).__name__}"


def _unreadable(source: ImageSource, index: int, error: Exception) -> ApcliError:
    why = " ".join(str(error).split())
    return ApcliError(f"could not decode {_place(source, index)}: {why}: replace the file or remove it")


def warn_of_turned(label: str, folders: tuple[Any, Any], *, decoded: bool) -> None:
    """Say that images have an EXIF orientation that was not applied: torchvision does not either, people often mean it.

    Args:
        decoded: whether all images were; otherwise some are opened here, and more than are counted may have one.
    """
    for split in () if decoded else folders:
        for index in range(0, len(split), max(1, len(split) // _LOOKED_AT)):
            with contextlib.suppress(ApcliError):  # whoever decodes it says what is wrong
                _item(split, index)[0].close()
    number = sum(len(split.turned) for split in folders)
    if number:
        log.warning(
            "%s: %s%s have an EXIF orientation, which is not applied: --exif-orientation turns them",
            *(label, "" if decoded else "at least ", count(number, "image")),
        )


def fingerprint(folders: tuple[Any, Any]) -> str:
    """The SHA-256 of ImageFolders' file names with their bytes or, above 1 GB in total, with their sizes alone.

    A large folder is identified within seconds, but a file replaced by another of its size goes unnoticed.
    """
    paths = [Path(path) for folder in folders for path, _ in folder.samples]
    roots = [Path(folder.root) for folder in folders for _ in folder.samples]
    sizes = [path.stat().st_size for path in paths]
    whole = sum(sizes) <= READ_WHOLE
    digest = hashlib.sha256()
    for path, root, size in zip(paths, roots, sizes, strict=True):
        digest.update(f"{root.name}/{path.relative_to(root).as_posix()}\0{size}\0".encode())
        if whole:
            digest.update(path.read_bytes())
    return digest.hexdigest()
