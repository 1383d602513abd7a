"""What a file says of how its budget was shared."""

from collections.abc import Mapping

from apcli.allocations.budgets import Allowance
from apcli.checkpoints.promises import Allocated, Spent
from apcli.stages.prune.amounts import Amounts


def allocated_of(amounts: Amounts, removed: Mapping[str, int]) -> Allocated | None:
    """The widths that are left, the budget asked and got, and the allocation's evidence; None if it says nothing new.

    Args:
        removed: the number of elements that each unit loses.
    """
    is_cost = isinstance(amounts.budget, Allowance) and not amounts.budget.nearest
    if not is_cost and not amounts.evidence:
        return None
    widths = {unit.name: (unit.size - removed[unit.name], unit.size) for unit in amounts.units}
    spent = None
    if isinstance(amounts.budget, Allowance):
        costs = amounts.budget.costs
        got = costs.of({name: kept for name, (kept, _) in widths.items()})
        spent = Spent(str(costs.resource), costs.dense, amounts.budget.left, got)
    return Allocated(widths, spent, dict(amounts.evidence))
