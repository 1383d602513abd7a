"""How many weights each layer loses: counts that add up exactly to round(s * n), n the size in scope."""

import math
from collections.abc import Mapping, Sequence

from apcli.words import few

Shapes = Mapping[str, tuple[int, ...]]  # by layer

_LAST = 0.8  # of uniform+: the last layer's sparsity is at most this


def layer(shapes: Shapes, sparsity: float) -> dict[str, int]:
    """Each layer loses round(s * n) of its own n weights (Han et al. 2015, arXiv:1506.02626)."""
    return {name: round(sparsity * math.prod(shape)) for name, shape in shapes.items()}


def together(shapes: Shapes, sparsity: float) -> dict[str, int]:
    """All layers as one, under the empty name: the ranking says how many of each go."""
    return {"": round(sparsity * sum(map(math.prod, shapes.values())))}


def erk(shapes: Shapes, sparsity: float) -> dict[str, int]:
    """Densities in proportion to sum(extents) / prod(extents), layers that would need more than 1 kept whole.

    Source: Evci et al. 2020, arXiv:1911.11134, section 3 (the kernel's extents count as the widths do).
    """
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    wanted = round(sparsity * sum(sizes.values()))
    sparse = dict(sizes)
    while sparse:
        left = sum(sparse.values()) - wanted  # to be kept of the layers that are not whole
        share = left / sum(sum(shapes[name]) for name in sparse)  # times sum(extents): what a layer keeps
        whole = [name for name in sparse if share * sum(shapes[name]) >= sizes[name]]
        if not whole:
            break
        for name in whole:
            del sparse[name]
    exact = {name: sizes[name] - share * sum(shapes[name]) if name in sparse else 0.0 for name in sizes}
    return _whole_numbers(exact, sizes, wanted)


def uniform_plus(shapes: Shapes, sparsity: float, *, first: str, last: str) -> dict[str, int]:
    """The same share of every layer, but none of the ``first`` and at most 80 % of the ``last``.

    Raises:
        ValueError: the other layers cannot lose as much, or a named layer is not among them.

    Source: Gale et al. 2019, arXiv:1902.09574, section 6.
    """
    for end in (first, last):
        if end not in shapes:
            raise ValueError(f"layer {end} is not among those that are pruned: {few(list(shapes))}")
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    wanted = round(sparsity * sum(sizes.values()))
    open_layers = {name: size for name, size in sizes.items() if name != first}
    share = wanted / max(1, sum(open_layers.values()))
    exact = {name: share * size if name != first else 0.0 for name, size in sizes.items()}
    limits = {**sizes, first: 0}
    if last in open_layers:
        limits[last] = math.floor(_LAST * sizes[last])
    if last in open_layers and share > _LAST:
        exact[last] = limits[last]
        rest = sum(open_layers.values()) - sizes[last]
        for name in open_layers.keys() - {last}:
            exact[name] = (wanted - limits[last]) * sizes[name] / rest
    if sum(limits.values()) < wanted:
        most = sum(limits.values()) / sum(sizes.values())
        raise ValueError(f"sparsity {sparsity:g} is more than the layers can lose: at most {most:.6g}")
    return _whole_numbers(exact, limits, wanted)


def by_rows(removed: int, rows: int) -> list[int]:
    """``removed`` spread evenly over ``rows``: they differ by one at the most, and none falls as ``removed`` grows."""
    return [removed // rows + (row < removed % rows) for row in range(rows)]


def _whole_numbers(exact: Mapping[str, float], limits: Mapping[str, int], wanted: int) -> dict[str, int]:
    """Whole numbers that add up to ``wanted``: rounded down, and one more where most was lost (largest remainders)."""
    counts = {name: min(limits[name], math.floor(number)) for name, number in exact.items()}
    order: Sequence[str] = sorted(exact, key=lambda name: counts[name] - exact[name])
    while (left := wanted - sum(counts.values())) > 0:
        for name in [name for name in order if counts[name] < limits[name]][:left]:
            counts[name] += 1
    return counts
