"""One way to decide how many elements of each unit go, for weights and for channels alike."""

import logging
from collections.abc import Mapping, Sequence
from numbers import Integral

import numpy as np

from apcli.allocations.budgets import Allowance, Budget
from apcli.allocations.units import Context, Counts, Unit
from apcli.errors import UsageError
from apcli.registry.tables import Choice, Row

log = logging.getLogger("apcli")


def allocate(scope: Choice[Row], units: Sequence[Unit], budget: Budget, context: Context) -> Counts:
    """The number of elements to remove from each unit, by a row of ``SCOPES`` or a user's function.

    It may exceed what a unit can lose, see ``leaving_least``.

    Raises:
        UsageError: the units cannot give what the budget asks for, a parameter of the scope does not suit them, or its
            function returns invalid counts, or counts that miss the budget.
    """
    try:
        counts: Counts = scope(units, budget, context)
    except ValueError as error:
        raise UsageError(f"--scope {scope.spec}: {error}") from None
    for unit in units:
        given = counts.get(unit.name, "nothing")
        if not isinstance(given, Integral) or not 0 <= given <= unit.size:
            raise UsageError(f"--scope {scope.spec} gives {given} for {unit.name}: expected a number to {unit.size}")
    _check_spent(scope, units, budget, counts)
    return {name: int(count) for name, count in counts.items()}


def _check_spent(scope: Choice, units: Sequence[Unit], budget: Budget, counts: Mapping[str, int]) -> None:
    """Raise UsageError if the counts miss the budget by more than each unit's rounding, or a step of widths.

    They may be lower if the units cannot lose more. Where elements have costs of their own, fewer may be left.
    """
    wanted = budget.elements(units)
    if isinstance(budget, Allowance) and wanted is None:
        cost = budget.cost_left(units, counts)
        each = budget.costs.by_width.slope(np.array(list(budget.costs.sizes.values()), float))
        if cost > budget.left + each.sum():
            raise UsageError(f"--scope {scope.spec}: {budget.missed(cost)}")
    if wanted is None:
        return
    given, rounding = sum(counts.values()), max(len(units), int(scope.parameters.get("step", 1)))
    least = min(wanted, sum(unit.most for unit in units))
    if not least - rounding <= given <= wanted + rounding:
        raise UsageError(f"--scope {scope.spec} removes {given} in all: expected {round(wanted)}, by the budget")


def leaving_least(units: Sequence[Unit], counts: Mapping[str, int]) -> Counts:
    """The counts, limited so that each unit keeps its least; a warning names the units that this affects."""
    for unit in units:
        if counts[unit.name] > unit.most:
            log.warning(
                "%s keeps %d of %d, the least allowed (see --min-keep), instead of losing %d",
                *(unit.name, unit.least, unit.size, counts[unit.name]),
            )
    return {unit.name: min(counts[unit.name], unit.most) for unit in units}
