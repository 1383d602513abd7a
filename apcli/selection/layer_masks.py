"""Which weights of each layer stay: a scope or a structure turns rankings into masks."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from apcli.allocations import SCOPES
from apcli.allocations.shares import by_rows
from apcli.checkpoints.files.entries import BLOCK
from apcli.checkpoints.layers import Layer
from apcli.checkpoints.network_layers import GROUPED
from apcli.errors import UsageError
from apcli.selection.exact import Cut, Ranking, cuts, lowest_of_rows
from apcli.words import few

log = logging.getLogger("apcli")

Kept = Callable[[int, int], np.ndarray]  # True of the weights that stay, of a layer's from start up to stop
_Chooser = Callable[[int, np.ndarray], np.ndarray]  # the same, of the ranks of whole rows from a first row on
Rankings = Mapping[str, Ranking]  # by tensor name
_ALL_ZEROS = 0


@dataclass(frozen=True)
class Mask:
    """Which weights of a layer stay, and how many are zero then; None: it has to be counted."""

    kept: Kept
    zeros: int | None = None


def by_scope(
    layers: Sequence[Layer], rankings: Rankings, scope: str, sparsity: float, min_keep: float, last: str | None
) -> dict[str, Mask]:
    """The masks of a scope, by tensor: exactly round(s * n) weights go in all.

    Args:
        min_keep: so many weights of a layer stay, or this share of them if below 1; under ``global`` the next in rank
            go instead.
        last: the layer that the lineage calls last, for scopes that ask.

    Raises:
        UsageError: a parameter of the scope does not suit the layers.
    """
    choice = SCOPES.parse(scope)
    shapes = {layer.name: layer.shape for layer in layers}
    parameters = dict(choice.parameters)
    if "ends" in choice.row.needs:
        parameters |= _ends_of(layers, parameters, last)
    try:
        counts: dict[str, int] = choice.row.load()(shapes, sparsity, **parameters)
    except ValueError as error:
        raise UsageError(f"--scope {scope}: {error}") from None
    limits = {layer.name: layer.size - least(layer.size, min_keep) for layer in layers}
    if "ranking" in choice.row.needs:
        return _together(layers, rankings, sum(counts.values()), limits)
    return by_counts(layers, rankings, counts, min_keep, rows="rows" in choice.row.needs)


def by_counts(
    layers: Sequence[Layer], rankings: Rankings, counts: Mapping[str, int], min_keep: float = 0, *, rows: bool = False
) -> dict[str, Mask]:
    """The masks that remove so many of each layer (by name); ``rows``: spread evenly over the layer's output units."""
    found = {}
    for layer in layers:
        most = layer.size - least(layer.size, min_keep)
        removed = min(counts[layer.name], most)
        if removed < counts[layer.name]:
            log.warning(
                "%s keeps %d weights by --min-keep: %d were to go", layer.name, layer.size - removed, counts[layer.name]
            )
        ranking = rankings[layer.tensor]
        if rows:
            found[layer.tensor] = _by_rows(layer, ranking, removed)
        else:
            found[layer.tensor] = _cut(ranking, cuts([ranking], removed)[0])
    return found


def fitting_pattern(layers: Sequence[Layer], pattern: tuple[int, int], label: str) -> list[Layer]:
    """The layers whose inputs are a multiple of m; a warning names the others, which every method leaves as they are.

    Raises:
        UsageError: no layer fits.
    """
    n, m = pattern
    unsuited = [layer.name for layer in layers if layer.shape[1] % m]
    if len(unsuited) == len(layers):
        raise UsageError(f"--structure {n}:{m}: no layer of {label} has a multiple of {m} inputs: {few(unsuited)}")
    if unsuited:
        log.warning("%s: left as they are, their inputs not a multiple of %d: %s", label, m, few(unsuited))
    return [layer for layer in layers if not layer.shape[1] % m]


def by_pattern(layers: Sequence[Layer], rankings: Rankings, pattern: tuple[int, int]) -> dict[str, Mask]:
    """The masks that keep n of every m consecutive inputs: along the channels at each place of a convolution's kernel.

    Args:
        layers: with a multiple of m inputs each, see ``fitting_pattern``.
    """
    n, m = pattern
    return {layer.tensor: _by_pattern(layer, rankings[layer.tensor], n, m) for layer in layers}


def _together(layers: Sequence[Layer], rankings: Rankings, removed: int, limits: Mapping[str, int]) -> dict[str, Mask]:
    """All layers ranked as one; one that would lose more than its limit loses just that, and the others the rest."""
    most = sum(limits.values())
    if removed > most:
        log.warning("--min-keep leaves %d weights to remove: %d were asked for", most, removed)
        removed = most
    fixed: dict[str, Cut] = {}
    while True:
        free = [layer for layer in layers if layer.tensor not in fixed]
        left = removed - sum(limits[layer.name] for layer in layers if layer.tensor in fixed)
        found = dict(
            zip(
                (layer.tensor for layer in free),
                cuts([rankings[x.tensor] for x in free], left) if free else (),
                strict=True,
            )
        )
        over = [
            layer
            for layer in free
            if limits[layer.name] < layer.size and found[layer.tensor].removed > limits[layer.name]
        ]
        if not over:
            return {tensor: _cut(rankings[tensor], cut) for tensor, cut in {**fixed, **found}.items()}
        for layer in over:
            fixed[layer.tensor] = cuts([rankings[layer.tensor]], limits[layer.name])[0]


def least(size: int, min_keep: float) -> int:
    """``min_keep`` as a count, rounded up: 0.1 of 30 weights is 3, though 0.1 as a float is a little more."""
    exact = Fraction(str(min_keep))
    return min(size, math.ceil(exact * size if exact < 1 else exact))


def _cut(ranking: Ranking, cut: Cut) -> Mask:
    if cut.rank == _ALL_ZEROS:  # what is zero stays zero, however little was asked for
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
    """A mask that is found some whole rows at a time, kept as one bit for each weight."""
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


def _ends_of(layers: Sequence[Layer], parameters: Mapping[str, object], last: str | None) -> dict[str, str]:
    """Which layers uniform+ means by the first and the last, where it was not told.

    Raises:
        UsageError: the file does not say.
    """
    named = {key: str(value) for key, value in parameters.items()}
    kernels = [x for x in layers if len(x.shape) == 4 and x.shape[2] > 1 and x.kind != GROUPED]
    # Of a file alone, a depthwise convolution looks like one of grey images: colours go first.
    first = [x for x in kernels if x.shape[1] == 3] or [x for x in kernels if x.shape[1] == 1]
    found = {"first": [layer.name for layer in first], "last": [x.name for x in layers if x.tensor == last]}
    for key, names in found.items():
        if named[key] == "auto":
            if len(names) != 1:
                raise UsageError(
                    f"--scope uniform+: which layer is {key} is not known: give uniform+:{key}=NAME, one of "
                    f"{few([layer.name for layer in layers])}"
                )
            named[key] = names[0]
    return named
