"""What a network costs by the widths of its channel groups: exactly what is counted in the compacted network."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from apcli.channels.groups import ChannelGroup
from apcli.theory.widths.costs import WidthCost
from apcli.theory.widths.times import LayerTime


def width_cost(
    groups: Sequence[ChannelGroup],
    shapes: Mapping[str, Sequence[int]],
    totals: Mapping[str, float],
    constant: float = 0.0,
    *,
    mixings: bool = False,
) -> WidthCost:
    """The cost of tensors, in proportion to their sizes, by the channels that each group keeps.

    A weight between two groups shrinks with both: a product. A weight within one group (of a convolution that reads
    and makes the channels of one sum) shrinks with its square; one that several groups make or read (after a
    concatenation) has a term for each pair. Depthwise weights, norms and biases shrink with one group.

    Args:
        shapes: of all tensors, by name.
        totals: the cost of each tensor as it is: its parameters, or its multiply-adds.
        constant: the cost of the rest of the network.
        mixings: whether ``constant`` has multiply-adds of activations with activations, which shrink with the groups.
    """
    number = {group.name: place for place, group in enumerate(groups)}
    sizes_of: dict[str, Any] = dict(shapes)
    totals = dict(totals)
    along: dict[str, dict[int, np.ndarray]] = {}  # by tensor and dimension, the entries of a channel of each group
    for group in groups:
        for part in group.parts:
            entries = along.setdefault(part.tensor, {}).setdefault(part.dim, np.zeros(len(groups)))
            entries[number[group.name]] += part.positions.shape[1]
        for mixing in group.mixings if mixings else ():
            name = f"product {mixing.product}"
            constant -= 0.0 if name in totals else mixing.multiply_adds
            totals[name] = mixing.multiply_adds
            sizes_of.setdefault(name, {})[mixing.dim] = mixing.size
            entries = along.setdefault(name, {}).setdefault(mixing.dim, np.zeros(len(groups)))
            entries[number[group.name]] += mixing.entries
    sizes = np.array([group.size for group in groups], float)
    linear, products = np.zeros(len(groups)), np.zeros((len(groups), len(groups)))
    for tensor, total in totals.items():
        dims = along.get(tensor, {})
        each = total / np.prod([sizes_of[tensor][dim] for dim in dims])
        extents = [(sizes_of[tensor][dim] - entries @ sizes, entries) for dim, entries in dims.items()]
        (fixed, first), (held, second) = (extents + [(1.0, np.zeros(len(groups)))] * 2)[:2]
        constant += each * fixed * held
        linear += each * (fixed * second + held * first)
        products += each * (np.outer(first, second) + np.outer(second, first))
    return WidthCost(float(constant), linear, products)


def width_time(
    groups: Sequence[ChannelGroup],
    shapes: Mapping[str, Sequence[int]],
    times: Mapping[str, LayerTime],
    constant: float = 0.0,
) -> WidthCost:
    """The time of layers in seconds, by the channels that each group keeps.

    Args:
        shapes: of all tensors, by name.
        times: of each weight's layer.
        constant: the time of the rest of the network.
    """
    sizes = np.array([group.size for group in groups], float)
    linear, products = np.zeros(len(groups)), np.zeros((len(groups), len(groups)))
    entries = {name: [np.zeros(len(groups)), np.zeros(len(groups))] for name in times}
    for place, group in enumerate(groups):
        for part in group.parts:
            if part.tensor in entries and part.dim < 2:
                entries[part.tensor][part.dim][place] += part.positions.shape[1]
    for name, time in times.items():
        extents = [(shapes[name][dim] - own @ sizes, own) for dim, own in enumerate(entries[name])]
        (held, rows), (fixed, columns) = (
            (one / size, own / size) for (one, own), size in zip(extents, shapes[name][:2], strict=True)
        )
        constant += time.fixed + time.by_rows * held + time.by_columns * fixed + time.by_both * held * fixed
        linear += time.by_rows * rows + time.by_columns * columns + time.by_both * (fixed * rows + held * columns)
        products += time.by_both * (np.outer(rows, columns) + np.outer(columns, rows))
    return WidthCost(float(constant), linear, products)
