"""One way to decide how many elements of each unit go, for weights and for channels alike."""

import logging
from collections.abc import Mapping, Sequence

from apcli.allocations.budgets import Budget
from apcli.allocations.units import Context, Counts, Unit
from apcli.errors import UsageError
from apcli.registry.tables import Choice

log = logging.getLogger("apcli")


def allocate(scope: Choice, units: Sequence[Unit], budget: Budget, context: Context) -> Counts:
    """How many elements of each unit are to go, by a row of ``SCOPES`` or by a function of the same signature.

    What must stay may be among them: see ``leaving_least``.

    Raises:
        UsageError: the units cannot give what the budget asks for, a parameter of the scope does not suit them, or its
            function gives counts that are none.
    """
    try:
        counts: Counts = scope(units, budget, context)
    except ValueError as error:
        raise UsageError(f"--scope {scope.spec}: {error}") from None
    for unit in units:
        if not 0 <= counts.get(unit.name, -1) <= unit.size:
            given = counts.get(unit.name, "nothing")
            raise UsageError(f"--scope {scope.spec} gives {given} for {unit.name}: expected a number to {unit.size}")
    return counts


def leaving_least(units: Sequence[Unit], counts: Mapping[str, int]) -> Counts:
    """The counts where no unit is left with fewer elements than its least; a warning names those that keep more."""
    for unit in units:
        if counts[unit.name] > unit.most:
            log.warning(
                "%s keeps %d of %d, the least that stays (see --min-keep): %d were to go",
                *(unit.name, unit.least, unit.size, counts[unit.name]),
            )
    return {unit.name: min(counts[unit.name], unit.most) for unit in units}
