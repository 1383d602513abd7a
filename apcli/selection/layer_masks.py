"""Turn rankings into masks, by a count for each layer or by a structure."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from apcli.allocations.scopes import by_rows
from apcli.checkpoints.files.entries import BLOCK
from apcli.checkpoints.layers import Layer
from apcli.errors import UsageError
from apcli.selection.exact import Cut, Ranking, lowest_of_rows
from apcli.selection.ranked import Ranked
from apcli.words import few

log = logging.getLogger("apcli")

Kept = Callable[[int, int], np.ndarray]  # for a layer's weights from start up to stop: True = kept
_Chooser = Callable[[int, np.ndarray], np.ndarray]  # for ranks of whole rows, from a first row on
_ALL_ZEROS = 0


@dataclass(frozen=True)
class Mask:
    """The kept weights of a layer, and the number of zeros after masking; None: not counted yet."""

    kept: Kept
    zeros: int | None = None


def by_counts(layers: Sequence[Layer], ranked: Ranked, counts: Mapping[str, int], *, rows: bool) -> dict[str, Mask]:
    """The masks, by tensor, that remove these numbers of weights (by layer).

    Args:
        rows: spread the removed weights evenly over each layer's output units.
    """
    if rows:
        return {x.tensor: _by_rows(x, ranked.rankings[x.name], counts[x.name]) for x in layers}
    return {x.tensor: _cut(ranked.rankings[x.name], ranked.cut(x.name, counts[x.name])) for x in layers}


def fitting_pattern(layers: Sequence[Layer], pattern: tuple[int, int], label: str) -> list[Layer]:
    """The layers with a multiple of m inputs; a warning names the others, which stay unpruned.

    Raises:
        UsageError: no layer fits.
    """
    n, m = pattern
    unsuited = [layer.name for layer in layers if layer.shape[1] % m]
    if len(unsuited) == len(layers):
        raise UsageError(f"--structure {n}:{m}: no layer of {label} has a multiple of {m} inputs: {few(unsuited)}")
    if unsuited:
        log.warning("%s: not pruned, because their inputs are no multiple of %d: %s", label, m, few(unsuited))
    return [layer for layer in layers if not layer.shape[1] % m]


def by_pattern(layers: Sequence[Layer], ranked: Ranked, pattern: tuple[int, int]) -> dict[str, Mask]:
    """The masks that keep n of every m consecutive inputs; for a convolution, of channels at each kernel position.

    Args:
        layers: layers with a multiple of m inputs, see ``fitting_pattern``.
    """
    n, m = pattern
    return {layer.tensor: _by_pattern(layer, ranked.rankings[layer.name], n, m) for layer in layers}


def _cut(ranking: Ranking, cut: Cut) -> Mask:
    if cut.rank == _ALL_ZEROS:  # zero weights stay zero, however few are to be removed
        every = replace(cut, index=ranking.size)
        return Mask(lambda start, stop: every.kept(ranking.ranks(start, stop), start))
    return Mask(lambda start, stop: cut.kept(ranking.ranks(start, stop), start), cut.removed)


def _by_rows(layer: Layer, ranking: Ranking, removed: int) -> Mask:
    columns = layer.size // layer.shape[0]
    counts = np.array(by_rows(removed, layer.shape[0]))

    def kept(first: int, ranks: np.ndarray) -> np.ndarray:
        rows = ranks.reshape(-1, columns)
        return lowest_of_rows(rows, counts[first : first + len(rows)]).ravel()

    return _of_rows(layer, ranking, kept)


def _by_pattern(layer: Layer, ranking: Ranking, n: int, m: int) -> Mask:
    inputs, places = layer.shape[1], layer.size // (layer.shape[0] * layer.shape[1])

    def kept(first: int, ranks: np.ndarray) -> np.ndarray:
        groups = ranks.reshape(-1, inputs, places).swapaxes(1, 2).reshape(-1, m)
        chosen = lowest_of_rows(groups, np.full(len(groups), m - n))
        return chosen.reshape(-1, places, inputs).swapaxes(1, 2).ravel()

    return _of_rows(layer, ranking, kept)


def _of_rows(layer: Layer, ranking: Ranking, kept: _Chooser) -> Mask:
    """A mask that is computed some whole rows at a time, and stored as one bit for each weight."""
    columns = layer.size // layer.shape[0]
    step = max(1, BLOCK // columns) * columns
    whole = np.empty(layer.size, bool)
    for start in range(0, layer.size, step):
        ranks = ranking.ranks(start, min(start + step, layer.size))
        whole[start : start + ranks.size] = kept(start // columns, ranks) & (ranks != 0)
    bits = np.packbits(whole)

    def unpacked(start: int, stop: int) -> np.ndarray:
        return np.unpackbits(bits[start // 8 : (stop + 7) // 8])[start % 8 :][: stop - start].view(bool)

    return Mask(unpacked, layer.size - int(np.count_nonzero(whole)))
