"""Rankings of a layer's weights: by magnitude or at random from the file's bits, or by scores in memory."""

import zlib
from collections.abc import Sequence

import numpy as np

from apcli.checkpoints.files.entries import BITS, BLOCK, FLOATS, Entry
from apcli.errors import ApcliError
from apcli.registry.tables import Choice, Row
from apcli.words import by


def common_dtype(entries: Sequence[Entry]) -> str:
    """The floating-point type in which the magnitudes of all these tensors compare exactly."""
    dtypes = {entry.dtype for entry in entries}
    if len(dtypes) == 1:
        return dtypes.pop()
    return "F64" if "F64" in dtypes else "F32"


def magnitudes(entry: Entry, dtype: str, start: int, stop: int) -> np.ndarray:
    """|w| as bits without the sign: unsigned integers in the same order as the IEEE floats."""
    if dtype == entry.dtype:
        bits = entry.bits_of(start, stop)
    else:
        bits = entry.run(start, stop).astype(FLOATS[dtype]).view(BITS[dtype])
    kind = bits.dtype.type
    return bits & kind(np.iinfo(bits.dtype).max >> 1)


class MagnitudeRanking:
    """Ranks computed by a criterion from the magnitudes of a tensor's weights.

    Args:
        dtype: the type in which magnitudes are compared with other layers', see ``common_dtype``.
        seed: for random criteria; together with the tensor's name it determines the draws of every block, so a layer's
            mask does not depend on the other layers.
    """

    def __init__(self, entry: Entry, name: str, method: Choice[Row], dtype: str, seed: int) -> None:
        self.entry, self.method, self.dtype = entry, method, dtype
        self.seed = (seed, zlib.crc32(name.encode()))
        self.bits = 8 * self._made(np.empty(0, BITS[dtype]), 0).itemsize

    @property
    def size(self) -> int:
        return self.entry.size

    def ranks(self, start: int, stop: int) -> np.ndarray:
        first, last = start // BLOCK, (max(start, stop - 1)) // BLOCK
        if first == last and start % BLOCK == 0:
            return self._made(magnitudes(self.entry, self.dtype, start, stop), first)
        # Draws belong to whole blocks: a range across blocks takes its part of each.
        parts = []
        for block in range(first, last + 1):
            low, high = max(start, block * BLOCK), min(stop, (block + 1) * BLOCK)
            whole = magnitudes(self.entry, self.dtype, block * BLOCK, high)
            parts.append(self._made(whole, block)[low - block * BLOCK :])
        return np.concatenate(parts)

    def _made(self, magnitude: np.ndarray, block: int) -> np.ndarray:
        generator = np.random.Generator(np.random.SFC64([*self.seed, block]))
        ranks: np.ndarray = self.method(magnitude, generator)
        return ranks


class ScoreRanking:
    """Ranks of scores (floats in the weight's shape, larger = keep); zero weights have rank 0.

    Raises:
        ApcliError: the scores are not one number for each weight.
    """

    def __init__(self, scores: np.ndarray, entry: Entry) -> None:
        if np.shape(scores) != entry.shape:
            shapes = " for ".join(by(shape) or "one" for shape in (np.shape(scores), entry.shape))
            raise ApcliError(f"a method returns scores of shape {shapes}: expected one score for each weight")
        self.scores = np.ascontiguousarray(scores, np.float64).reshape(-1)
        if np.isnan(self.scores).any():
            raise ApcliError("a method returns a NaN score: expected a number for each weight")
        self.entry = entry
        self.bits = 64

    @property
    def size(self) -> int:
        return self.scores.size

    def ranks(self, start: int, stop: int) -> np.ndarray:
        return np.where(self.entry.run(start, stop) == 0, np.uint64(0), _in_order(self.scores[start:stop]))


class ChannelRanking:
    """Ranks of a group's channels by their scores (float64 [channels], larger = keep, no NaN)."""

    bits = 64

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores

    @property
    def size(self) -> int:
        return self.scores.size

    def ranks(self, start: int, stop: int) -> np.ndarray:
        return _in_order(self.scores[start:stop])


def _in_order(scores: np.ndarray) -> np.ndarray:
    """Unsigned integers in the order of float64 numbers: negative ones have all bits turned, others the sign bit."""
    bits = (scores + 0.0).view(np.uint64)  # added to 0, -0.0 is 0.0
    return np.where(bits >> np.uint64(63), ~bits, bits | np.uint64(1 << 63))
