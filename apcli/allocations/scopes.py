"""Allocations: under a sparsity s, the removed elements of all units add up to exactly round(s * n) of n."""

import math
from collections.abc import Mapping, Sequence

from apcli.allocations.budgets import Budget
from apcli.allocations.units import Context, Counts, Unit
from apcli.words import few

_LAST = 0.8  # of uniform+: the last layer's sparsity is at most this


def layer(units: Sequence[Unit], budget: Budget, context: Context) -> Counts:
    """Remove round(s * n) of each unit's n elements (Han et al. 2015, arXiv:1506.02626)."""
    return budget.spend(units, lambda share: {unit.name: round(share * unit.size) for unit in units})


def together(units: Sequence[Unit], budget: Budget, context: Context) -> Counts:
    """Remove the round(s * n) lowest-scoring elements of all units, ranked as one."""
    size = sum(unit.size for unit in units)
    return budget.spend(units, lambda share: context.lowest(round(share * size)))


def erk(units: Sequence[Unit], budget: Budget, context: Context) -> Counts:
    """Densities in proportion to sum(extents) / prod(extents); units whose density would exceed 1 stay whole.

    Source: Evci et al. 2020, arXiv:1911.11134, section 3 (the kernel's extents count as the widths do).
    """
    return budget.spend(units, lambda share: _erk(units, share))


def _erk(units: Sequence[Unit], sparsity: float) -> Counts:
    sizes = {unit.name: unit.size for unit in units}
    extents = {unit.name: sum(unit.shape) for unit in units}
    wanted = round(sparsity * sum(sizes.values()))
    sparse = dict(sizes)
    while sparse:
        left = sum(sparse.values()) - wanted  # elements to keep in the units that are not whole
        share = left / sum(extents[name] for name in sparse)  # times sum(extents): the elements that a unit keeps
        whole = [name for name in sparse if share * extents[name] >= sizes[name]]
        if not whole:
            break
        for name in whole:
            del sparse[name]
    exact = {name: sizes[name] - share * extents[name] if name in sparse else 0.0 for name in sizes}
    return _whole_numbers(exact, sizes, wanted)


def uniform_plus(units: Sequence[Unit], budget: Budget, context: Context, *, first: str, last: str) -> Counts:
    """The same share of every unit, but none of the ``first`` and at most 80 % of the ``last``.

    Raises:
        ValueError: the other units cannot lose as much, a named unit is not among them, or ``auto`` finds none or
            several.

    Source: Gale et al. 2019, arXiv:1902.09574, section 6.
    """
    names = [unit.name for unit in units]
    ends = {"first": first, "last": last}
    for end, name in ends.items():
        if name == "auto":
            candidates = context.ends()[end]
            if len(candidates) != 1:
                raise ValueError(f"which layer is {end} is not known: give uniform+:{end}=NAME, one of {few(names)}")
            ends[end] = candidates[0]
    for name in ends.values():
        if name not in names:
            raise ValueError(f"layer {name} is not among those that are pruned: {few(names)}")
    sizes = {unit.name: unit.size for unit in units}
    return budget.spend(units, lambda share: _uniform_plus(sizes, share, ends["first"], ends["last"]))


def _uniform_plus(sizes: Mapping[str, int], sparsity: float, first: str, last: str) -> Counts:
    wanted = round(sparsity * sum(sizes.values()))
    others = {name: size for name, size in sizes.items() if name != first}
    share = wanted / max(1, sum(others.values()))
    exact = {name: share * size if name != first else 0.0 for name, size in sizes.items()}
    limits = {**sizes, first: 0}
    if last in others:
        limits[last] = math.floor(_LAST * sizes[last])
    if last in others and share > _LAST:
        exact[last] = limits[last]
        rest = sum(others.values()) - sizes[last]
        for name in others.keys() - {last}:
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
