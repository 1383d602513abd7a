"""Budgets: the share of elements to remove, or the highest cost of the kept ones."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from apcli.allocations.units import Counts, Resource, Unit
from apcli.theory.limit.magnitudes import fewest
from apcli.theory.widths.costs import WidthCost


@dataclass(frozen=True)
class Sparsity:
    """Remove a share of the elements, whatever they cost.

    Attributes:
        removed: the share of all elements, in [0, 1).
    """

    removed: float

    def share(self, units: Sequence[Unit]) -> float:
        """The removed share."""
        return self.removed

    def elements(self, units: Sequence[Unit]) -> float | None:
        """The number of elements to remove, before it is rounded."""
        return self.removed * sum(unit.size for unit in units)

    def of(self, units: Collection[str]) -> "Sparsity":
        """The budget of some units alone: the same share."""
        return self

    def spend(self, units: Sequence[Unit], at: Callable[[float], Counts]) -> Counts:
        """The counts of that share."""
        return at(self.removed)


@dataclass(frozen=True, eq=False)
class Costs:
    """What a network costs in a resource, by the elements that its units keep.

    Attributes:
        sizes: of each unit, by its name: the order is that of ``by_width``.
        by_width: the cost, exact for whole numbers of elements; its constant is that of the rest of the network.
    """

    resource: Resource
    sizes: Mapping[str, int]
    by_width: WidthCost

    def of(self, kept: Mapping[str, int]) -> float:
        """The cost of a network whose units keep so many elements."""
        return self.by_width.at(np.array([kept[name] for name in self.sizes], float))

    @property
    def dense(self) -> float:
        """The cost of the network with all elements."""
        return self.of(self.sizes)

    @property
    def is_even(self) -> bool:
        """Whether all elements cost the same, whatever else is kept."""
        return not self.by_width.products.any() and np.ptp(self.by_width.linear) == 0

    def fixing(self, names: Collection[str]) -> "Costs":
        """The costs of the units that are not ``names``, which keep all elements."""
        sizes = np.array(list(self.sizes.values()), float)
        fixed = np.array([name in names for name in self.sizes], bool)
        rest = {name: size for name, size in self.sizes.items() if name not in names}
        return Costs(self.resource, rest, self.by_width.fixing(fixed, sizes))


@dataclass(frozen=True, eq=False)
class Allowance:
    """The highest cost of the network that is left.

    Attributes:
        left: the cost in the resource's unit, with what ``costs`` has of the rest of the network.
        nearest: whether each unit's count is the nearest one if all elements cost the same, so that all together may
            cost a little more.
    """

    costs: Costs
    left: float
    nearest: bool = False

    def __post_init__(self) -> None:
        if self.left < 0:
            raise ValueError(f"{self.left:g} {self.costs.resource.noun} are to be left: expected 0 or more")

    def share(self, units: Sequence[Unit]) -> float:
        """The removed share of the units' cost."""
        dense = self.costs.dense
        own = dense - self.costs.by_width.constant
        return min(1.0, max(0.0, (dense - self.left) / own)) if own else 0.0

    def elements(self, units: Sequence[Unit]) -> float | None:
        """The number of elements to remove, before it is rounded; None: it depends on which."""
        return self.share(units) * sum(unit.size for unit in units) if self.costs.is_even else None

    def of(self, units: Collection[str]) -> "Allowance":
        """The budget of some units alone: the others keep all their elements."""
        return replace(self, costs=self.costs.fixing(self.costs.sizes.keys() - units))

    def spend(self, units: Sequence[Unit], at: Callable[[float], Counts]) -> Counts:
        """The counts of the smallest share of the elements that keeps to the allowance.

        Counts of the next smaller share stand for those of single units, in order, as far as they fit. If it is to be
        the ``nearest`` and all elements cost the same, the share is known; each unit's count is then rounded as under a
        sparsity.

        Args:
            at: the counts at a share of the elements; none of them falls as the share grows.

        Raises:
            ValueError: what must stay costs more.
        """
        if self.nearest and self.costs.is_even:
            return at(self.share(units))
        size = sum(unit.size for unit in units)
        removed = fewest(size, lambda count: self._is_kept(units, at, count / size))
        counts = at(removed / size)
        if (cost := self.cost_left(units, counts)) > self.left:
            raise ValueError(self.missed(cost))
        return self._restored(units, counts, at((removed - 1) / size)) if removed else counts

    def _restored(self, units: Sequence[Unit], counts: Counts, fewer: Counts) -> Counts:
        """The counts, those of ``fewer`` for the units for which they fit: many units round at one share."""
        for unit in units:
            tried = {**counts, unit.name: min(counts[unit.name], fewer[unit.name])}
            if tried != counts and self.cost_left(units, tried) <= self.left:
                counts = tried
        return counts

    def _is_kept(self, units: Sequence[Unit], at: Callable[[float], Counts], share: float) -> bool:
        try:
            return self.cost_left(units, at(share)) <= self.left
        except ValueError:  # more than the units can lose: the answer is lower
            return True

    def cost_left(self, units: Sequence[Unit], removed: Mapping[str, int]) -> float:
        """The cost of the network without so many elements of each unit, as far as these can lose them."""
        return self.costs.of({unit.name: unit.size - min(removed[unit.name], unit.most) for unit in units})

    def missed(self, cost: float) -> str:
        """What to say of a network that must cost more than is left."""
        return f"what must stay costs {cost:.6g} {self.costs.resource.noun}, more than {self.left:.6g}"


Budget = Sparsity | Allowance
