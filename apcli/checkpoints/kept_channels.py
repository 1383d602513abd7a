"""Compact checkpoints: channels are taken out of the tensors, and the lineage says which of the dense ones are left.

Under ``kept`` the lineage has, for each tensor that lost entries, the indices that stayed of the dense tensor's, by
dimension, as text: ``{"conv2.weight": {"0": "0-3,5", "1": "8-15"}}``. A compact file made compact again still refers to
the dense tensors.
"""

import re
from collections.abc import Mapping

import numpy as np

from apcli.checkpoints.files.entries import Entry
from apcli.errors import ApcliError

Kept = Mapping[str, Mapping[str, str]]  # by tensor and dimension

_RUNS = re.compile(r"\d{1,15}(-\d{1,15})?(,\d{1,15}(-\d{1,15})?)*", re.ASCII)


def written(indices: np.ndarray) -> str:
    """Ascending indices as text: ``0-3,5``."""
    runs = np.split(indices, np.flatnonzero(np.diff(indices) != 1) + 1)
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs if len(run))


def parsed(text: str, count: int) -> np.ndarray:
    """The ``count`` ascending indices that ``written`` wrote, int64; the text may come from anyone's file.

    Raises:
        ValueError: it is no such text, or of another number of indices.
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
    """A tensor's kept indices when of the ``size`` entries that it has along ``dim`` only ``stay`` are left.

    Raises:
        ValueError: what ``kept`` says does not suit the tensor.
    """
    before = parsed(kept[str(dim)], size) if str(dim) in kept else np.arange(size)
    return dict(sorted({**kept, str(dim): written(before[stay])}.items()))


def expanded(entry: Entry, kept: Mapping[str, str], shape: tuple[int, ...]) -> Entry:
    """The tensor in the dense ``shape``: zeros where entries were taken out, bit for bit the same elsewhere.

    Raises:
        ApcliError: ``kept`` does not lead from this tensor to that shape.
    """
    try:
        places = [_places(entry.shape, kept, shape, dim) for dim in range(len(entry.shape))]
        if len(shape) != len(entry.shape) or not kept.keys() <= {str(dim) for dim in range(len(shape))}:
            raise ValueError("it has other dimensions")
    except ValueError as error:
        sizes = " and ".join("x".join(map(str, size)) for size in (entry.shape, shape))
        raise ApcliError(
            f"which channels of a tensor are left does not fit the shapes {sizes} ({error}): "
            "give the dense file that the compact one was made from"
        ) from None
    elements = entry.data.reshape(*entry.shape, entry.width)
    full = np.zeros((*shape, entry.width), np.uint8)
    full[np.ix_(*places)] = elements
    return Entry(entry.dtype, shape, full.reshape(-1))


def _places(own: tuple[int, ...], kept: Mapping[str, str], shape: tuple[int, ...], dim: int) -> np.ndarray:
    """Where the entries along ``dim`` lie in the dense tensor."""
    size = shape[dim] if dim < len(shape) else 0
    if str(dim) not in kept:
        if own[dim] != size:
            raise ValueError(f"dimension {dim} is not said to be smaller")
        return np.arange(size)
    places = parsed(kept[str(dim)], own[dim])
    if places[-1] >= size:
        raise ValueError(f"index {places[-1]} of dimension {dim} is beyond it")
    return places
