"""Filters: the weights of one output of a layer, each compared as a layer of its own."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.layers import Layer
from apcli.checkpoints.network_layers import EMBEDDING, GROUPED_TRANSPOSED, TRANSPOSED
from apcli.errors import UsageError
from apcli.projections.weights import Distribution, Tensors
from apcli.records import name_of

_WITHOUT = {
    EMBEDDING: "an embedding, whose rows are entries of a table",
    GROUPED_TRANSPOSED: "a grouped transposed convolution, whose weights are not stored by output channel",
}


def check_filters(layers: Iterable[Layer], choices: Sequence[Distribution]) -> None:
    """Check that each layer consists of filters, with as many weights as a distribution makes groups of them.

    Raises:
        UsageError: it does not.
    """
    for layer in layers:
        name, outputs = layer.name, layer.shape[1 if layer.kind == TRANSPOSED else 0]
        if layer.kind in _WITHOUT:
            raise UsageError(f"--level filter: {name} is {_WITHOUT[layer.kind]}: leave it out with --exclude {name}")
        for choice in choices:
            if int(choice.parameters.get("groups", 0)) > layer.size // outputs:
                few = f"a filter of layer {name} has only {layer.size // outputs} weights"
                raise UsageError(f"--dist {choice.spec}: {few}: choose fewer groups")


def with_rows(t: Tensors) -> Tensors:
    """A layer whose rows are its outputs: a transposed convolution has them second, any other layer is one already."""
    if t.layer.kind != TRANSPOSED:
        return t
    dense, pruned = (_swapped(entry) for entry in (t.dense, t.pruned))
    return replace(t, layer=replace(t.layer, shape=dense.shape), dense=dense, pruned=pruned)


def filters_of(t: Tensors) -> list[Tensors]:
    """Each row of a layer as a layer of one row, in order; see ``with_rows``."""
    row = replace(t.layer, shape=(1, *t.layer.shape[1:]))
    named = (replace(row, name=name_of(t.layer.name, number)) for number in range(t.layer.shape[0]))
    parts = zip(named, rows_of(t.dense), rows_of(t.pruned), strict=True)
    return [Tensors(layer, dense, pruned, t.labels, of=t) for layer, dense, pruned in parts]


def rows_of(entry: Entry) -> list[Entry]:
    """The rows of a tensor, parts of all its bytes."""
    data = np.ascontiguousarray(entry.bits).view(np.uint8)
    shape = (1, *entry.shape[1:])
    return [Entry(entry.dtype, shape, part) for part in data.reshape(entry.shape[0], -1)]


def _swapped(entry: Entry) -> Entry:
    bits = np.ascontiguousarray(entry.bits.reshape(entry.shape).swapaxes(0, 1))
    return Entry(entry.dtype, bits.shape, bits.reshape(-1).view(np.uint8))
