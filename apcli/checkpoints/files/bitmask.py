"""Bit-mask storage (``--storage bitmask``): one bit per weight, and the values of the nonzero weights.

A packed tensor ``X`` is stored as ``X.bitmask`` (uint8, the first weight in the highest bit of the first byte) and
``X.values``; the lineage's ``storage`` gives its dtype and shape. A weight is omitted only if all its bits are zero, so
unpacking restores every bit. At sparsity s of 32-bit weights the file is 32 / (1 + 32 (1 - s)) times smaller.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from apcli.checkpoints.files.entries import BITS, BLOCK, FLOATS, Derived, Entry, is_shape
from apcli.errors import ApcliError

NAMES = ("dense", "bitmask")
MASK, VALUES = ".bitmask", ".values"

Storage = dict[str, dict[str, Any]]  # by tensor: dtype and shape


def packed(entries: Mapping[str, Entry]) -> tuple[dict[str, Entry], Storage]:
    """Pack the entries that become smaller; returns the entries to write and the lineage's ``storage``."""
    stored: dict[str, Entry] = {}
    storage: Storage = {}
    for name, entry in entries.items():
        if not entry.is_float or not entry.size:
            stored[name] = entry
            continue
        kept = entry.set_bits
        if (entry.size + 7) // 8 + kept * entry.width >= entry.nbytes or {name + MASK, name + VALUES} & entries.keys():
            stored[name] = entry
            continue
        mask, values = _packed(entry, kept)
        stored[name + MASK] = Entry("U8", (mask.size,), mask)
        stored[name + VALUES] = Entry(entry.dtype, (kept,), values.view(np.uint8))
        storage[name] = {"dtype": entry.dtype, "shape": list(entry.shape)}
    return stored, storage


def unpacked(entries: Mapping[str, Entry], storage: Mapping[str, Any], label: str) -> dict[str, Entry]:
    """The model's own tensors, unpacked a block at a time when they are read.

    Raises:
        ApcliError: the file's tensors do not match its lineage.
    """
    missing = [name + part for name in storage for part in (MASK, VALUES) if name + part not in entries]
    if missing:
        raise ApcliError(f"{label} has no {missing[0]}, which its lineage lists: make the file again")
    tensors = {}
    for name, entry in entries.items():
        tensor = tensor_of(name, storage)
        if tensor == name:
            tensors[name] = entry
        elif name.endswith(VALUES):  # values keep the tensor's place; masks, with narrower elements, come last
            tensors[tensor] = _unpacked(tensor, entries[tensor + MASK], entry, storage[tensor], label)
    return tensors


def tensor_of(stored: str, storage: Mapping[str, Any]) -> str:
    """The name of the model's tensor that a file's tensor is, or is part of."""
    for part in (MASK, VALUES):
        if stored.endswith(part) and stored.removesuffix(part) in storage:
            return stored.removesuffix(part)
    return stored


def _packed(entry: Entry, kept: int) -> tuple[np.ndarray, np.ndarray]:
    mask = np.empty((entry.size + 7) // 8, np.uint8)
    values = np.empty(kept, BITS[entry.dtype])
    done = 0
    for start, stop in entry.blocks():
        bits = entry.bits_of(start, stop)
        mask[start // 8 : (stop + 7) // 8] = np.packbits(bits != 0)
        there = bits[bits != 0]
        values[done : done + there.size] = there
        done += there.size
    return mask, values


def _unpacked(tensor: str, mask: Entry, values: Entry, about: Mapping[str, Any], label: str) -> Entry:
    dtype, shape = about["dtype"], tuple(about["shape"])
    size = math.prod(shape)
    wrong = dtype not in FLOATS or not is_shape(shape) or mask.dtype != "U8" or mask.nbytes != (size + 7) // 8
    if wrong or values.dtype != dtype:
        raise ApcliError(f"{label}: the packed tensor {tensor} is damaged (its parts do not fit): make the file again")
    step = BLOCK // 8

    def part(index: int) -> np.ndarray:
        return mask.bytes_of(index * step, min((index + 1) * step, mask.nbytes))

    counts = [int(np.bitwise_count(part(index)).sum()) for index in range(-(-mask.nbytes // step))]
    before = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    beyond = size % 8 and int(mask.bytes_of(mask.nbytes - 1, mask.nbytes)[0]) & (0xFF >> size % 8)
    if before[-1] != values.size or beyond:
        raise ApcliError(f"{label}: the packed tensor {tensor} is damaged (its counts differ): make the file again")

    def block(index: int) -> np.ndarray:
        first = index * BLOCK
        there = np.unpackbits(part(index), count=min(BLOCK, size - first)).view(bool)
        bits = np.zeros(there.size, BITS[dtype])
        bits[there] = values.bits_of(int(before[index]), int(before[index + 1]))
        return bits

    def bits_of(start: int, stop: int) -> np.ndarray:
        first, last = start // BLOCK, max(start, stop - 1) // BLOCK
        if stop <= start:
            return np.empty(0, BITS[dtype])
        whole = block(first) if first == last else np.concatenate([block(index) for index in range(first, last + 1)])
        return whole[start - first * BLOCK : stop - first * BLOCK]

    return Derived(dtype, shape, bits_of)
