"""One tensor as it stands in a safetensors file: dtype, shape, and bytes that come into memory as they are read."""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

BLOCK = 1 << 20  # elements that streaming code takes at a time: a few MB, which stay in the processor's cache

# BF16 has no NumPy type: it is widened to float32, which keeps every value exactly.
FLOATS: dict[str, Any] = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.float32}
_BITS: dict[str, Any] = {"F64": np.uint64, "F32": np.uint32, "F16": np.uint16, "BF16": np.uint16}


@dataclass(frozen=True)
class Entry:
    """One tensor as it stands in a file: safetensors dtype name, shape, and its bytes."""

    dtype: str
    shape: tuple[int, ...]
    data: np.ndarray  # uint8 [nbytes]
    mapping: "Mapped | None" = field(default=None, repr=False, compare=False)  # where ``data`` is a part of a file

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS

    @property
    def width(self) -> int:
        """Bytes per element."""
        return self.data.nbytes // max(1, self.size)

    @property
    def bits(self) -> np.ndarray:
        """The elements of a floating-point tensor as unsigned integers [size]."""
        return self.data.view(_BITS[self.dtype])

    @property
    def values(self) -> np.ndarray:
        """The elements as floats, of the tensor's shape (BF16 widened to float32)."""
        return self.run(0, self.size).reshape(self.shape)

    def run(self, start: int, stop: int) -> np.ndarray:
        """The elements from ``start`` up to ``stop`` as floats, in one dimension (BF16 widened to float32)."""
        if self.dtype == "BF16":
            return (self.bits[start:stop].astype(np.uint32) << 16).view(np.float32)
        return self.data.view(FLOATS[self.dtype])[start:stop]

    def release(self, start: int, stop: int) -> None:
        """Let go of the memory that holds these elements of a file; what is touched again is read again."""
        if self.mapping is not None:
            self.mapping.release(self.data[start * self.width : stop * self.width])

    def runs(self) -> Iterator[np.ndarray]:
        """All elements as floats, a block at a time, holding no more of the file in memory than that."""
        for start in range(0, self.size, BLOCK):
            stop = min(start + BLOCK, self.size)
            yield self.run(start, stop)
            self.release(start, stop)

    @cached_property
    def zeros(self) -> int:
        """How many elements are zero, of either sign."""
        return self.size - sum(int(np.count_nonzero(run)) for run in self.runs())

    @property
    def not_finite(self) -> int:
        """How many elements are NaN or Inf."""
        return sum(run.size - int(np.count_nonzero(np.isfinite(run))) for run in self.runs())


class Mapped:
    """A file in memory as far as it is touched: pages come from the file when read, and can be let go again."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.bytes = np.frombuffer(self._map, np.uint8)

    def release(self, part: np.ndarray) -> None:
        """Let go of the whole pages inside ``part``, a view of ``bytes``. Where the system cannot, nothing happens."""
        offset = part.ctypes.data - self.bytes.ctypes.data
        first = -(-offset // mmap.PAGESIZE) * mmap.PAGESIZE
        length = (offset + part.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE - first
        if length > 0 and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED, first, length)
