"""A data set in memory: two splits of uint8 images, with the settings that a model and a training loop need."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Generator, Tensor

from apcli.data import DATASETS, FOLDER, Contents, DatasetRow
from apcli.data.class_names import names_of, places_of
from apcli.data.image_spec import ImageSpec
from apcli.data.images import are_grey, arrays, fingerprint, labels_of, squares, too_large, warn_of_turned
from apcli.data.parts import Subset, balanced
from apcli.data.sources import torchvision_splits
from apcli.data.streaming import Streamed, placed
from apcli.errors import ApcliError, UsageError
from apcli.words import few

log = logging.getLogger("apcli")

_DEVICE_SHARE = 0.5  # largest share of the free device memory that images may take
DIGITS = Path(__file__).with_name("digits.safetensors")


@dataclass(frozen=True, eq=False)
class Split:
    """Images (uint8, [N, C, H, W]) and their class labels (int64, [N]), on one device.

    Images that do not fit on the device stay on the CPU, and batches are copied from there.

    Args:
        labels: on the device of the batches.
        rows: int64, [N], on the images' device: the rows of ``images`` that belong to the split; None: all, in order.
            Splits made from one split therefore share its memory.
    """

    images: Tensor
    labels: Tensor
    rows: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @property
    def device(self) -> torch.device:
        return self.labels.device

    def read(self, chunks: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the images and labels of each chunk of indices; no batch waits for the device."""
        wanted = list(chunks)
        for place, chosen in zip(placed(wanted, self.images.device), placed(wanted, self.device), strict=True):
            yield self._images_at(place if self.rows is None else self.rows[place]), self.labels[chosen]

    def _images_at(self, rows: Tensor) -> Tensor:
        if self.images.device == self.device:
            return self.images[rows]
        return self.images[rows].pin_memory().to(self.device, non_blocking=True)

    def subset(self, chosen: Tensor) -> "Split":
        """The split of the samples at these indices, in their order."""
        place = chosen.to(self.images.device)
        rows = place if self.rows is None else self.rows[place]
        return replace(self, labels=self.labels[chosen.to(self.device)], rows=rows)

    def to(self, device: torch.device | str) -> "Split":
        """The same split with its batches on ``device``, and its images too if they fit there."""
        images = self.images if _is_too_small(torch.device(device), self.images) else self.images.to(device)
        rows = None if self.rows is None else self.rows.to(images.device)
        return Split(images, self.labels.to(device), rows)


def _is_too_small(device: torch.device, images: Tensor) -> bool:
    """Whether the images would take more than half of a CUDA device's free memory, which the network needs."""
    if device.type != "cuda" or images.is_cuda:
        return False
    free, _ = torch.cuda.mem_get_info(device)
    if images.nbytes <= _DEVICE_SHARE * free:
        return False
    sizes = f"{images.nbytes / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are free on {device}"
    log.info("%s images stay in main memory: they take %s", f"{len(images):,}", sizes)
    return True


Samples = Split | Streamed


@dataclass(frozen=True, eq=False)
class Dataset:
    """A train and a test split, the number of classes, and the settings that suit the images.

    ``validation`` holds the images held out of the train split for choosing between networks.

    ``mean`` and ``std`` are per channel, of images scaled to [0, 1]; ``augment`` is a comma list of
    ``AUGMENTATIONS`` specs. ``name`` parses to the same set again, except for a folder, whose path it leaves out.
    ``names`` are the class names by number; empty if they are unknown. ``whole`` is the number of training images that
    the train split, or what it was before ``hold_out``, is a part of; None: it has all. ``exif_orientation``: whether
    images were turned as that says.
    """

    name: str
    train: Samples
    test: Samples
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augment: str
    validation: Samples | None = None
    fingerprint: str | None = None
    names: tuple[str, ...] = ()
    whole: int | None = None
    exif_orientation: bool = False

    @property
    def images(self) -> ImageSpec:
        """The properties of the images that a network depends on."""
        return ImageSpec(self.shape, self.classes, self.mean, self.std)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        return self.train.shape

    @property
    def device(self) -> torch.device:
        return self.train.device

    @property
    def splits(self) -> dict[str, Samples]:
        """The splits on which a network is evaluated, by name."""
        held_out = {} if self.validation is None else {"validation": self.validation}
        return {"train": self.train, "test": self.test, **held_out}

    def hold_out(self, share: float) -> "Dataset":
        """Move this share of the train split into a validation split; one set always gives the same images.

        Raises:
            UsageError: one of the two would be left without images.
        """
        if not share:
            return self
        count = round(share * len(self.train))
        if not 0 < count < len(self.train):
            raise UsageError(
                f"--validation {share:g} of {len(self.train)} images leaves one split empty: choose another share"
            )
        order = torch.randperm(len(self.train), generator=Generator().manual_seed(0))
        kept, held_out = order[count:].sort().values, order[:count].sort().values
        return replace(self, train=self.train.subset(kept), validation=self.train.subset(held_out))

    def for_outputs(self, outputs: Sequence[str], label: str) -> "Dataset":
        """Renumber the classes, matched by name, as the outputs of the network ``label`` are numbered.

        Raises:
            UsageError: the network has no output for a class.
        """
        if not self.names or not outputs:
            return self
        if self.names == tuple(outputs[: len(self.names)]):
            return replace(self, names=tuple(outputs))
        places = places_of(self.names, outputs)
        unknown = [name for name, place in zip(self.names, places, strict=True) if place is None]
        if unknown:
            raise UsageError(
                f"{label} has no output for {few(unknown)} of {self.name}: its classes are {few(outputs)}; give --data "
                "with these classes, or train a network on the new ones, starting from it with train --weights"
            )
        lacking = [name for place, name in enumerate(outputs) if place not in places]
        log.info(
            "%s numbers its classes differently from the outputs of %s: matched by name%s",
            *(self.name, label, f"; it lacks {few(lacking)}, so accuracy covers the others" if lacking else ""),
        )
        table = torch.tensor(places)
        renumbered: dict[str, Any] = {
            name: replace(s, labels=table.to(s.device)[s.labels]) for name, s in self.splits.items()
        }
        return replace(self, **renumbered, names=tuple(outputs))

    @cached_property
    def description(self) -> dict[str, Any]:
        """The lineage's entry: name, number of classes and images and, for an image folder, a fingerprint of its files.

        A folder's name alone does not identify its images, which may change between two runs. ``part`` is the number of
        training images, if not all are used; ``exif_orientation`` is there if it was applied.
        """
        contents = Contents(self.shape, self.classes, (self.whole or len(self.train), len(self.test)))
        entry = contents.described(self.name)
        if self.whole is not None:
            entry["part"] = len(self.train)
        if self.exif_orientation:
            entry["exif_orientation"] = True
        return entry if self.fingerprint is None else {**entry, "sha256": self.fingerprint}

    def to(self, device: torch.device | str) -> "Dataset":
        splits: dict[str, Any] = {name: split.to(device) for name, split in self.splits.items()}
        return replace(self, **splits)


def load(
    name: str,
    data_dir: Path,
    *,
    download: bool = False,
    size: int | None = None,
    workers: int = 4,
    cache: str = "auto",
    images: int = 0,
    exif_orientation: bool = False,
) -> Dataset:
    """Read a data set into memory, or note where its image files are.

    Args:
        name: a name of ``DATASETS`` with its parameters (``emnist:split=letters``), or ``folder:PATH`` with class
            folders below PATH/train and PATH/val (PATH/test if there is no val).
        data_dir: the folder of the data sets, each laid out as torchvision does.
        download: fetch what is missing.
        size: side in pixels of the square that images of unequal sizes are cut to: shorter side resized, centre kept
            (None: the size of the set's row, mostly 224). Sets whose images share one size keep it.
        workers: number of threads, or processes, that decode image files.
        cache: where decoded images are cached: ``memory``, ``none`` (files are decoded each time they are used), or
            ``auto``: in memory if they fit. The numbers are the same.
        images: number of training images, see ``parts.balanced``; others are not decoded. 0: all.
        exif_orientation: turn the images of a folder as their EXIF orientation says.

    Raises:
        UsageError: an unknown name, data that is missing, too few images for their number, or nothing to turn.
        ApcliError: data that cannot be fetched or read, or that does not fit into memory.
    """
    if size is not None and size < 1:
        raise UsageError(f"image size is {size}: expected a positive number of pixels")
    if workers < 1:
        raise UsageError(f"workers is {workers}: expected 1 or more")
    kind, _, path = name.partition(":")
    if kind == FOLDER.name:
        label, sources = FOLDER.load()(path, exif_orientation)
        found = _decoded(label, sources, size or FOLDER.size, workers, cache, images)
        warn_of_turned(label, sources, decoded=isinstance(found.train, Split))
        dataset = _dataset(label, found, FOLDER, sources[0])
        return replace(dataset, fingerprint=fingerprint(sources), exif_orientation=exif_orientation)
    if exif_orientation:
        raise UsageError(f"--exif-orientation turns images of folder:PATH, and the data are {name}: leave it out")
    choice = DATASETS.parse(name)
    row = choice.row
    assert isinstance(row, DatasetRow)
    if not row.files:
        found = _in_memory(choice.spec, choice(), images)
        return replace(_dataset(choice.spec, found, row), names=tuple("0123456789"))
    sources = torchvision_splits(choice, Path(data_dir), download)
    if row.size is None:
        train, test = (Split(*arrays(source)) for source in sources)
        found = _in_memory(choice.spec, (train, test), images)
    else:
        found = _decoded(choice.spec, sources, size or row.size, workers, cache, images)
    return _dataset(choice.spec, found, row, sources[0])


def digits() -> tuple[Split, Split]:
    """The 8x8 handwritten digits that come with the package: 1,442 to train, 355 to test.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (its test part), UCI Machine Learning
    Repository, 1998, https://doi.org/10.24432/C50P49, licence CC BY 4.0. ``examples/make_digits.py`` made the file:
    ink levels 0..16 are scaled to 0..255, and of each class every fifth image is a test image.
    """
    tensors = load_file(DIGITS)
    train, test = (Split(tensors[f"{part}.images"], tensors[f"{part}.labels"].long()) for part in ("train", "test"))
    return train, test


def evenly(split: Samples, images: int) -> Samples:
    """A subset of ``images`` samples, evenly spaced because a set may be sorted; all if 0 or more than there are."""
    if not 0 < images < len(split):
        return split
    return split.subset(torch.linspace(0, len(split) - 1, images, dtype=torch.float64).round().long())


@dataclass(frozen=True, eq=False)
class _Found:
    """The splits of a set; ``whole`` as in ``Dataset``."""

    train: Samples
    test: Samples
    whole: int | None


def _in_memory(name: str, splits: tuple[Split, Split], images: int) -> _Found:
    train, test = splits
    chosen = balanced(train.labels, images, name)
    if len(chosen) == len(train):
        return _Found(train, test, None)
    return _Found(Split(train.images[chosen], train.labels[chosen]), test, len(train))


def _decoded(name: str, sources: tuple[Any, Any], size: int | None, workers: int, cache: str, images: int) -> _Found:
    assert size is not None
    whole = None
    if images:
        labels = labels_of(sources[0])
        chosen = balanced(labels, images, name)
        whole = len(labels) if images < len(labels) else None
        sources = (Subset(sources[0], chosen.tolist(), labels[chosen].tolist()), sources[1])
    grey = are_grey(sources)
    why = too_large(sources, size, grey)
    if why and cache == "memory":
        raise ApcliError(f"{why}: choose --cache auto, a model with a smaller input, or a machine with more memory")
    if why is None and cache != "none":
        train, test = (Split(*squares(source, size, grey, workers)) for source in sources)
        return _Found(train, test, whole)
    if why:
        log.info("%s: image files are decoded each time they are used", why)
    first, second = (
        Streamed(source, labels_of(source), torch.arange(len(source)), 1 if grey else 3, size, workers)
        for source in sources
    )
    return _Found(first, second, whole)


def _dataset(name: str, found: _Found, row: DatasetRow, source: object = None) -> Dataset:
    train, test = found.train, found.test
    classes = 1 + int(max(train.labels.max(), test.labels.max()))
    mean, std = (row.mean, row.std) if row.mean else channel_statistics(train)
    names = names_of(source, classes)
    return Dataset(name, train, test, classes, mean, std, row.augment, names=names, whole=found.whole)


def channel_statistics(split: Samples) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of a split's images scaled to [0, 1], to four decimals.

    Counted in whole numbers, hence the same on every machine. A constant channel gets one grey level (1/255) as std.
    """
    counts = torch.zeros(split.shape[0], 256, dtype=torch.int64)
    for images, _ in split.read(torch.arange(len(split)).split(1024)):
        for channel in range(len(counts)):
            counts[channel] += torch.bincount(images[:, channel].flatten(), minlength=256)
    level = torch.arange(256, dtype=torch.float64) / 255
    share = counts / counts.sum(1, keepdim=True, dtype=torch.float64)
    mean = (share * level).sum(1)
    std = (share * (level - mean[:, None]).square()).sum(1).sqrt().clamp(min=1 / 255)
    return tuple(round(m, 4) for m in mean.tolist()), tuple(round(s, 4) for s in std.tolist())
