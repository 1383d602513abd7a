"""Exact selection: which of many weights go, by counting passes over their ranks, never by a sort of all.

A *rank* is an unsigned integer: a lower one goes first, and 0 is a weight that is zero already and so counts as removed
whatever the method. Equal ranks go in the order of their index. Ranks are made anew, a block at a time, whenever they
are counted: nothing as large as the weights is ever held.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from apcli.entries import BLOCK, on_all_cores

_DIGIT = 16  # bits that a counting pass looks at: the table of counts stays in the cache


class Ranking(Protocol):
    """The ranks of one layer's weights."""

    @property
    def size(self) -> int:
        """How many weights."""

    @property
    def bits(self) -> int:
        """Bits of a rank: 16, 32 or 64; rankings that are compared with each other have the same."""

    def ranks(self, start: int, stop: int) -> np.ndarray:
        """Those of the weights from ``start`` up to ``stop``, unsigned integers."""


@dataclass(frozen=True)
class Cut:
    """Where a layer is cut: what goes are ranks below ``rank``, and of those equal to it the ones before ``index``."""

    rank: int
    index: int

    def kept(self, ranks: np.ndarray, start: int) -> np.ndarray:
        """True of the weights that stay, of a block of ranks that begins at ``start``."""
        if self.index <= start:
            return ranks >= self.rank
        kept = ranks > self.rank
        if self.index < start + ranks.size:
            equal = ranks[self.index - start :] == self.rank
            kept[self.index - start :] |= equal
        return kept


def cuts(rankings: Sequence[Ranking], removed: int) -> list[Cut]:
    """Rank all layers together and remove exactly the ``removed`` lowest; a cut for each layer.

    Raises:
        ValueError: there are not as many weights.
    """
    total = sum(ranking.size for ranking in rankings)
    if not 0 <= removed <= total:
        raise ValueError(f"cannot remove {removed} of {total} weights")
    if removed == 0:
        return [Cut(0, 0)] * len(rankings)
    bits, rank, left = rankings[0].bits, 0, removed
    for shift in range(bits - _DIGIT, -1, -_DIGIT):
        counts = sum(_counts(ranking, shift, rank) for ranking in rankings)
        below = np.cumsum(counts)
        digit = int(np.searchsorted(below, left))  # the left-th weight has this digit
        left -= int(below[digit - 1]) if digit else 0
        rank = rank << _DIGIT | digit
        equal = int(counts[digit])
    return [Cut(rank, index) for index in _ends(rankings, rank, left, equal)]


def removed_of(ranking: Ranking, cut: Cut) -> int:
    """How many weights of a layer its cut removes."""

    def count(start: int) -> int:
        ranks = ranking.ranks(start, min(start + BLOCK, ranking.size))
        return int(ranks.size - np.count_nonzero(cut.kept(ranks, start)))

    return sum(on_all_cores(count, range(0, ranking.size, BLOCK)))


def lowest_of_rows(ranks: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """True of what stays when each row loses its own lowest ranks, equal ones in the order of their index.

    Args:
        ranks: unsigned integers [rows, columns].
        removed: how many each row loses, [rows].
    """
    order = np.argsort(ranks, axis=1, kind="stable")
    kept = np.empty(ranks.shape, bool)
    np.put_along_axis(kept, order, np.arange(ranks.shape[1]) >= removed[:, None], axis=1)
    return kept


def _counts(ranking: Ranking, shift: int, prefix: int) -> Any:
    """How many of the ranks that begin with ``prefix`` have each next digit, [2^16]."""

    def count(start: int) -> np.ndarray:
        ranks = ranking.ranks(start, min(start + BLOCK, ranking.size))
        kind = ranks.dtype.type
        if shift + _DIGIT < ranking.bits:
            ranks = ranks[ranks >> kind(shift + _DIGIT) == kind(prefix)]
        digits = (ranks >> kind(shift)) & kind((1 << _DIGIT) - 1)
        return np.bincount(digits, minlength=1 << _DIGIT)

    return sum(on_all_cores(count, range(0, ranking.size, BLOCK)), np.zeros(1 << _DIGIT, np.intp))


def _ends(rankings: Sequence[Ranking], rank: int, ties: int, equal: int) -> list[int]:
    """For each layer the index before which weights of exactly this rank go: ``ties`` of ``equal`` in all."""
    if ties == equal:
        return [ranking.size for ranking in rankings]
    ends = []
    for ranking in rankings:
        end = 0
        for start in range(0, ranking.size if ties else 0, BLOCK):
            found = np.flatnonzero(ranking.ranks(start, min(start + BLOCK, ranking.size)) == rank)[:ties]
            ties -= found.size
            if found.size:
                end = start + int(found[-1]) + 1
            if not ties:
                break
        ends.append(end)
    return ends
