"""Compact checkpoints: channels are removed from the tensors, and the lineage lists the dense tensors' kept indices.

Under ``kept`` the lineage has, for each tensor that lost entries, the kept indices of the dense tensor, by dimension,
as text: ``{"conv2.weight": {"0": "0-3,5", "1": "8-15"}}``. A compact file that is compacted again still refers to the
dense tensors. Under ``sizes`` are the numbers of channels and heads that the network's code states and that are others
now (``channels.calls``).
"""

import re
from collections.abc import Mapping

import numpy as np

from apcli.checkpoints.files.entries import Entry
from apcli.errors import ApcliError
from apcli.words import by

KeptIndices = Mapping[str, Mapping[str, str]]  # by tensor and dimension
Sizes = Mapping[str, Mapping[str, str]]  # by module and call

_RUNS = re.compile(r"\d{1,15}(-\d{1,15})?(,\d{1,15}(-\d{1,15})?)*", re.ASCII)


def written(indices: np.ndarray) -> str:
    """Write ascending indices as text: ``0-3,5``."""
    runs = np.split(indices, np.flatnonzero(np.diff(indices) != 1) + 1)
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs if len(run))


def parsed(text: str, count: int) -> np.ndarray:
    """Read the ``count`` ascending indices of a text by ``written``, int64; the text may come from an untrusted file.

    Raises:
        ValueError: the text has another form, or another number of indices.
    """
    if not _RUNS.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no list of indices such as '0-3,5'")
    bounds: list[list[int]] = [[int(number) for number in run.split("-")] for run in text.split(",")]
    if any(run[-1] < run[0] for run in bounds):
        raise ValueError(f"{text[:40]!r} is not ascending")
    total = sum(run[-1] - run[0] + 1 for run in bounds)
    if total != count:
        raise ValueError(f"{text[:40]!r} lists {total} indices, the tensor has {count}")
    indices = np.concatenate([np.arange(run[0], run[-1] + 1) for run in bounds])
    if (np.diff(indices) <= 0).any():
        raise ValueError(f"{text[:40]!r} is not ascending")
    return indices


def narrowed(kept: Mapping[str, str], dim: int, size: int, stay: np.ndarray) -> dict[str, str]:
    """A tensor's kept indices after only ``stay`` of its ``size`` entries along ``dim`` remain.

    Raises:
        ValueError: ``kept`` does not match the tensor.
    """
    before = parsed(kept[str(dim)], size) if str(dim) in kept else np.arange(size)
    return dict(sorted({**kept, str(dim): written(before[stay])}.items()))


def expanded(entry: Entry, kept: Mapping[str, str], shape: tuple[int, ...]) -> Entry:
    """Expand a tensor to the dense ``shape``: zeros for removed entries, bit for bit the same elsewhere.

    Raises:
        ApcliError: ``kept`` does not match the tensor's shape and ``shape``.
    """
    try:
        places = [_places(entry.shape, kept, shape, dim) for dim in range(len(entry.shape))]
        if len(shape) != len(entry.shape) or not kept.keys() <= {str(dim) for dim in range(len(shape))}:
            raise ValueError("the dimensions differ")
    except ValueError as error:
        sizes = " and ".join(by(size) for size in (entry.shape, shape))
        raise ApcliError(
            f"a tensor's list of kept channels does not fit the shapes {sizes} ({error}): "
            "give the dense file that the compact one was made from"
        ) from None
    elements = entry.data.reshape(*entry.shape, entry.width)
    full = np.zeros((*shape, entry.width), np.uint8)
    full[np.ix_(*places)] = elements
    return Entry(entry.dtype, shape, full.reshape(-1))


def _places(own: tuple[int, ...], kept: Mapping[str, str], shape: tuple[int, ...], dim: int) -> np.ndarray:
    """The positions in the dense tensor of the entries along ``dim``."""
    size = shape[dim] if dim < len(shape) else 0
    if str(dim) not in kept:
        if own[dim] != size:
            raise ValueError(f"dimension {dim} is smaller, but the list does not say so")
        return np.arange(size)
    places = parsed(kept[str(dim)], own[dim])
    if places[-1] >= size:
        raise ValueError(f"index {places[-1]} of dimension {dim} is out of range")
    return places
