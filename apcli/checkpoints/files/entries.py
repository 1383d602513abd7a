"""One tensor of a checkpoint: dtype, shape, and bytes that are there, are read from a file, or are computed."""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from apcli.checkpoints.files.open_files import OpenFile

_THREADS = 8  # each holds a few blocks; more would only wait for memory
_MOST_DIMENSIONS, _MOST_ELEMENTS = 64, 1 << 59  # of an array in NumPy: the elements take less than 2^63 bytes
BLOCK = 1 << 20  # elements that streaming code reads at a time: a few MB, which fit into the processor's cache

# NumPy has no BF16: it is widened to float32, which represents every value exactly.
FLOATS: dict[str, Any] = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.float32}
BITS: dict[str, Any] = {"F64": np.uint64, "F32": np.uint32, "F16": np.uint16, "BF16": np.uint16}
# By torch's name: the types that a model's tensors have.
TORCH_TYPES = {
    **{"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"},
    **{"int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL"},
}


def is_shape(shape: Sequence[int]) -> bool:
    """Whether an array of NumPy can have the shape, of any type: also without elements, not all can."""
    return len(shape) <= _MOST_DIMENSIONS and math.prod(size for size in shape if size) <= _MOST_ELEMENTS


@dataclass(frozen=True)
class Entry:
    """One tensor: safetensors dtype name, shape, and bytes."""

    dtype: str
    shape: tuple[int, ...]
    data: np.ndarray  # uint8 [nbytes]

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS

    @property
    def nbytes(self) -> int:
        return self.data.nbytes

    @property
    def width(self) -> int:
        """Bytes per element, for floating-point tensors even without elements; 0 if elements share a byte (F4)."""
        if self.is_float:
            return int(np.dtype(BITS[self.dtype]).itemsize)
        return self.nbytes // max(1, self.size)

    @property
    def unit(self) -> int:
        """Bytes of a unit of streaming: an element of a floating-point tensor, a single byte of any other."""
        return self.width if self.is_float else 1

    @property
    def bits(self) -> np.ndarray:
        """The elements of a floating-point tensor as unsigned integers [size]."""
        return self.bits_of(0, self.size)

    @property
    def values(self) -> np.ndarray:
        """The elements as floats, of the tensor's shape (BF16 widened to float32)."""
        return self.run(0, self.size).reshape(self.shape)

    def bits_of(self, start: int, stop: int) -> np.ndarray:
        """The elements of a floating-point tensor from ``start`` up to ``stop`` as unsigned integers."""
        return self.bytes_of(start, stop).view(BITS[self.dtype])

    def run(self, start: int, stop: int) -> np.ndarray:
        """The elements from ``start`` up to ``stop`` as floats, in one dimension (BF16 widened to float32)."""
        return self.floats_of(self.bits_of(start, stop))

    def floats_of(self, bits: np.ndarray) -> np.ndarray:
        """Convert elements from unsigned integers to floats (BF16 widened to float32)."""
        if self.dtype == "BF16":
            bits = bits.astype(np.uint32) << 16
        return bits.view(FLOATS[self.dtype])

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Yield the start and the stop of each block of units."""
        count = self.nbytes // self.unit
        for start in range(0, count, BLOCK):
            yield start, min(start + BLOCK, count)

    def runs(self) -> Iterator[np.ndarray]:
        """Yield all elements as floats, a block at a time."""
        for start, stop in self.blocks():
            yield self.run(start, stop)

    def bytes_of(self, start: int, stop: int) -> np.ndarray:
        """The bytes of the units from ``start`` up to ``stop``, of any dtype."""
        return self.data[start * self.unit : stop * self.unit]

    @cached_property
    def zeros(self) -> int:
        """The number of elements of a floating-point tensor that are zero, of either sign."""
        return self.size - self._count(lambda bits: bits << bits.dtype.type(1))

    @cached_property
    def set_bits(self) -> int:
        """The number of elements of a floating-point tensor with any bit set, -0.0 included."""
        return self._count(lambda bits: bits)

    @property
    def not_finite(self) -> int:
        """The number of elements of a floating-point tensor that are NaN or Inf."""
        return self.size - self._count(np.isfinite, self.run)

    def has_zeros_of(self, other: "Entry") -> bool:
        """Whether the elements of two floating-point tensors are zero in the same places."""
        if self.shape != other.shape:
            return False

        def same(block: tuple[int, int]) -> bool:
            return np.array_equal(self.run(*block) == 0, other.run(*block) == 0)

        return all(on_all_cores(same, self.blocks()))

    def _count(
        self, of: Callable[[np.ndarray], np.ndarray], read: Callable[[int, int], np.ndarray] | None = None
    ) -> int:
        """Count the elements for which ``of`` is nonzero; ``read`` chooses bits (default) or floats."""

        def count(block: tuple[int, int]) -> int:
            return int(np.count_nonzero(of((read or self.bits_of)(*block))))

        return sum(on_all_cores(count, self.blocks()))


class Stored(Entry):
    """A tensor in a file, of which every part is read when it is asked for, into memory of its own.

    Args:
        start, stop: where the tensor's bytes begin in the file, and where they end.
    """

    def __init__(self, dtype: str, shape: tuple[int, ...], file: OpenFile, start: int, stop: int) -> None:
        _set(self, dtype=dtype, shape=shape, _file=file, _start=start, _stop=stop)

    _file: OpenFile
    _start: int
    _stop: int

    @property
    def data(self) -> np.ndarray:
        """All bytes at once."""
        return self._file.read(self._start, self.nbytes)

    @property
    def nbytes(self) -> int:
        return self._stop - self._start

    def bytes_of(self, start: int, stop: int) -> np.ndarray:
        return self._file.read(self._start + start * self.unit, (stop - start) * self.unit)


class Derived(Entry):
    """A floating-point tensor that is computed from others on access, a block at a time.

    Args:
        bits_of: returns the elements from start up to stop as unsigned integers, for any block.
    """

    def __init__(self, dtype: str, shape: tuple[int, ...], bits_of: Callable[[int, int], np.ndarray]) -> None:
        _set(self, dtype=dtype, shape=shape, _make=bits_of)

    _make: Callable[[int, int], np.ndarray]

    @cached_property
    def data(self) -> np.ndarray:
        """All bytes at once."""
        whole = np.empty(self.size, BITS[self.dtype])
        for start, stop in self.blocks():
            whole[start:stop] = self._make(start, stop)
        return whole.view(np.uint8)

    @property
    def nbytes(self) -> int:
        return self.size * int(np.dtype(BITS[self.dtype]).itemsize)

    def bits_of(self, start: int, stop: int) -> np.ndarray:
        return self._make(start, stop)

    def bytes_of(self, start: int, stop: int) -> np.ndarray:
        return np.ascontiguousarray(self._make(start, stop)).view(np.uint8)


def _set(entry: Entry, **attributes: object) -> None:
    """Give a frozen entry its attributes."""
    for name, value in attributes.items():
        object.__setattr__(entry, name, value)


def on_all_cores(work: Callable[..., Any], tasks: Iterable[Any]) -> Iterator[Any]:
    """Yield ``work`` of every task in order, computed in threads; NumPy lets other threads run while it counts.

    A single task, as for most layers, needs no thread.
    """
    listed = list(tasks)
    if len(listed) < 2:
        yield from map(work, listed)
        return
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as threads:
        yield from threads.map(work, listed)
