"""Budgets: the share of elements to remove, or the highest cost of the kept ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from apcli.allocations.units import Counts, Resource, Unit


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

    def spend(self, units: Sequence[Unit], at: Callable[[float], Counts]) -> Counts:
        """The counts of that share."""
        return at(self.removed)


@dataclass(frozen=True)
class Allowance:
    """The highest total cost of the kept elements.

    Attributes:
        left: the cost in the resource's unit, of the units alone, without the rest of the network.
    """

    resource: Resource
    left: float

    def __post_init__(self) -> None:
        if self.left < 0:
            raise ValueError(f"{self.left:g} {self.resource} are to be left: expected 0 or more")

    def share(self, units: Sequence[Unit]) -> float:
        """The removed share of the units' cost; also of their elements, if all of them cost the same."""
        cost = sum(_cost(unit, self.resource) * unit.size for unit in units)
        return max(0.0, (cost - self.left) / cost)

    def spend(self, units: Sequence[Unit], at: Callable[[float], Counts]) -> Counts:
        """The counts of the smallest share of the elements that keeps to the allowance.

        Where all elements cost the same, that share is known; each unit's count is then rounded as under a sparsity.

        Args:
            at: the counts at a share of the elements; none of them falls as the share grows.

        Raises:
            ValueError: a unit's cost is not known, or what must stay costs more.
        """
        if len({_cost(unit, self.resource) for unit in units}) == 1:
            return at(self.share(units))
        size = sum(unit.size for unit in units)
        low, high = -1, size  # numbers of removed elements: after ``low`` the rest still costs too much
        while high - low > 1:
            middle = (low + high) // 2
            if self._is_kept(units, at, middle / size):
                high = middle
            else:
                low = middle
        counts = at(high / size)
        if (cost := self._cost_left(units, counts)) > self.left:
            raise ValueError(f"what must stay costs {cost:g} {self.resource}, more than {self.left:g}")
        return counts

    def _is_kept(self, units: Sequence[Unit], at: Callable[[float], Counts], share: float) -> bool:
        try:
            return self._cost_left(units, at(share)) <= self.left
        except ValueError:  # more than the units can lose: the answer is lower
            return True

    def _cost_left(self, units: Sequence[Unit], removed: Mapping[str, int]) -> float:
        return sum(_cost(unit, self.resource) * (unit.size - min(removed[unit.name], unit.most)) for unit in units)


Budget = Sparsity | Allowance


def _cost(unit: Unit, resource: Resource) -> float:
    if resource not in unit.costs:
        raise ValueError(f"what {unit.name} costs in {resource} is not known: expected a cost of each of its elements")
    return unit.costs[resource]
