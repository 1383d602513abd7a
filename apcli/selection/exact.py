"""Exact selection of the lowest of many weights, by counting passes over their ranks instead of a sort.

A *rank* is an unsigned integer: lower ranks are removed first, and rank 0 is a weight that is zero already and so
counts as removed whatever the method. Equal ranks are removed in the order of their index. Ranks are recomputed, a
block at a time, whenever they are read: nothing as large as the weights is ever in memory.

A sample brackets the threshold rank, and one pass over all ranks counts those below the bracket and gathers the few
inside, as in selection by sampling (Floyd & Rivest 1975, doi:10.1145/360680.360691). If the sample misleads, or too
many ranks are equal, digits are counted instead, sixteen bits per pass.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from apcli.checkpoints.files.entries import BLOCK, on_all_cores

_DIGIT = 16  # bits per counting pass: the table of counts stays in the cache
_SAMPLE = 1 << 21  # about half as many ranks are sampled for a bracket
_DEVIATIONS = 5  # of the sampled quantile, on either side
_GATHERED = 16  # at most one in so many ranks is gathered


class Ranking(Protocol):
    """The ranks of one layer's weights."""

    @property
    def size(self) -> int:
        """The number of weights."""

    @property
    def bits(self) -> int:
        """Bits of a rank: 16, 32 or 64, equal for rankings that are compared with each other."""

    def ranks(self, start: int, stop: int) -> np.ndarray:
        """The ranks of weights ``start`` up to ``stop``, unsigned integers."""


@dataclass(frozen=True)
class Cut:
    """A layer's threshold: remove ranks below ``rank``, and those equal to it before ``index``.

    ``removed`` is the number of weights removed.
    """

    rank: int
    index: int
    removed: int

    def kept(self, ranks: np.ndarray, start: int) -> np.ndarray:
        """True for the weights to keep, in a block of ranks that begins at ``start``."""
        if self.index <= start:
            return ranks >= self.rank
        kept = ranks > self.rank
        if self.index < start + ranks.size:
            equal = ranks[self.index - start :] == self.rank
            kept[self.index - start :] |= equal
        return kept


def cuts(rankings: Sequence[Ranking], removed: int) -> list[Cut]:
    """Rank all layers together and cut off exactly the ``removed`` lowest weights; returns a cut for each layer.

    Raises:
        ValueError: there are fewer weights.
    """
    total = sum(ranking.size for ranking in rankings)
    if not 0 <= removed <= total:
        raise ValueError(f"cannot remove {removed} of {total} weights")
    if removed == 0:
        return [Cut(0, 0, 0)] * len(rankings)
    low, high = _bracket(rankings, removed, total)
    blocks = _split(rankings, low, high)
    rank = _rank_inside(blocks, removed, low if low == high else None)
    if rank is None:
        rank = _by_digits(rankings, removed)
        blocks = _split(rankings, rank, rank)
    return _cuts_at(rankings, rank, removed, blocks)


def lowest_of_rows(ranks: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """True for the weights to keep if each row loses its lowest ranks, equal ones in the order of their index.

    Args:
        ranks: unsigned integers [rows, columns].
        removed: the number that each row loses, [rows].
    """
    order = np.argsort(ranks, axis=1, kind="stable")
    kept = np.empty(ranks.shape, bool)
    np.put_along_axis(kept, order, np.arange(ranks.shape[1]) >= removed[:, None], axis=1)
    return kept


class _Block(NamedTuple):
    """A pass's counts in one block of one layer."""

    layer: int
    start: int
    below: int  # ranks below the bracket
    within: int  # ranks inside the bracket
    inside: np.ndarray | None  # these ranks; None if the bracket is a single rank, or if they are too many


def _bracket(rankings: Sequence[Ranking], removed: int, total: int) -> tuple[int, int]:
    """Two ranks that bracket, according to a sample, the rank of the last removed weight."""
    step = total // _SAMPLE * 2 + 1  # odd: the extents of layers are mostly even

    def sampled(block: tuple[int, int]) -> np.ndarray:
        layer, start = block
        # Blocks start at different offsets: otherwise the step could hit the same columns of a layer again and again.
        return _ranks(rankings[layer], start)[(start // BLOCK * 7919 + layer) % step :: step].copy()

    sample = np.concatenate(list(on_all_cores(sampled, _blocks(rankings))))
    share = removed / total
    spread = _DEVIATIONS * math.sqrt(sample.size * share * (1 - share)) + 2 if step > 1 else 0
    first, last = math.floor(share * sample.size - spread) - 1, math.ceil(share * sample.size + spread) - 1
    known = [place for place in (first, last) if 0 <= place < sample.size]
    if known:
        sample.partition(known)
    low = int(sample[first]) if first in known else 0
    return low, int(sample[last]) if last in known else (1 << rankings[0].bits) - 1


def _split(rankings: Sequence[Ranking], low: int, high: int) -> list[_Block]:
    """Count the ranks below and inside a bracket, block by block, and gather those inside."""

    def split(block: tuple[int, int]) -> _Block:
        layer, start = block
        ranks = _ranks(rankings[layer], start)
        kind = ranks.dtype.type
        below = int(np.count_nonzero(ranks < kind(low)))
        if low == high:
            return _Block(layer, start, below, int(np.count_nonzero(ranks == kind(low))), None)
        inside = ranks - kind(low) <= kind(high - low)  # ranks below wrap round to the top
        count = int(np.count_nonzero(inside))
        return _Block(layer, start, below, count, ranks[inside] if count <= BLOCK // _GATHERED else None)

    return list(on_all_cores(split, _blocks(rankings)))


def _rank_inside(blocks: Sequence[_Block], removed: int, only: int | None) -> int | None:
    """The rank of the last removed weight; None if it was not gathered and is not the bracket's ``only`` rank."""
    left = removed - sum(block.below for block in blocks)
    if not 0 < left <= sum(block.within for block in blocks):
        return None
    if only is not None:
        return only
    gathered = [block.inside for block in blocks if block.inside is not None]
    if len(gathered) < len(blocks):
        return None
    ranks = np.concatenate(gathered)
    ranks.partition(left - 1)
    return int(ranks[left - 1])


def _cuts_at(rankings: Sequence[Ranking], rank: int, removed: int, blocks: Sequence[_Block]) -> list[Cut]:
    """Each layer's cut at this rank; weights of exactly this rank are removed in order until ``removed`` is reached."""
    below, ends = [0] * len(rankings), [0] * len(rankings)
    counted = [_counted(block, rank) for block in blocks]
    for block, (lower, _) in zip(blocks, counted, strict=True):
        below[block.layer] += lower
    left = removed - sum(below)
    for block, (_, equal) in zip(blocks, counted, strict=True):
        if left and equal:
            ends[block.layer] = block.start + BLOCK
            if equal > left:
                places = np.flatnonzero(_ranks(rankings[block.layer], block.start) == rank)
                ends[block.layer] = block.start + int(places[left - 1]) + 1
            below[block.layer] += min(left, equal)
            left -= min(left, equal)
    return [Cut(rank, min(end, x.size), gone) for x, end, gone in zip(rankings, ends, below, strict=True)]


def _counted(block: _Block, rank: int) -> tuple[int, int]:
    """The numbers of a block's ranks below ``rank`` and equal to it."""
    if block.inside is None:
        return block.below, block.within
    return block.below + int(np.count_nonzero(block.inside < rank)), int(np.count_nonzero(block.inside == rank))


def _by_digits(rankings: Sequence[Ranking], removed: int) -> int:
    """The rank of the last removed weight, for any distribution of ranks."""
    rank, left = 0, removed
    for shift in range(rankings[0].bits - _DIGIT, -1, -_DIGIT):
        below = np.cumsum(_digits(rankings, shift, rank))
        digit = int(np.searchsorted(below, left))  # the left-th weight has this digit
        left -= int(below[digit - 1]) if digit else 0
        rank = rank << _DIGIT | digit
    return rank


def _digits(rankings: Sequence[Ranking], shift: int, prefix: int) -> np.ndarray:
    """Count each next digit among the ranks that begin with ``prefix``: [2^16]."""

    def count(block: tuple[int, int]) -> np.ndarray:
        layer, start = block
        ranks = _ranks(rankings[layer], start)
        kind = ranks.dtype.type
        if shift + _DIGIT < rankings[layer].bits:
            ranks = ranks[ranks >> kind(shift + _DIGIT) == kind(prefix)]
        digits = (ranks >> kind(shift)) & kind((1 << _DIGIT) - 1)
        return np.bincount(digits.astype(np.uint16), minlength=1 << _DIGIT)  # NumPy before 2.1 takes no uint64

    return sum(on_all_cores(count, _blocks(rankings)), np.zeros(1 << _DIGIT, np.intp))


def _blocks(rankings: Sequence[Ranking]) -> list[tuple[int, int]]:
    """The layer's index and the start of each block of weights."""
    return [(layer, start) for layer, ranking in enumerate(rankings) for start in range(0, ranking.size, BLOCK)]


def _ranks(ranking: Ranking, start: int) -> np.ndarray:
    """The ranks of the block that begins at ``start``."""
    return ranking.ranks(start, min(start + BLOCK, ranking.size))
