"""What a file says of how its budget was shared."""

import numpy as np

from apcli.allocations import SCOPES
from apcli.allocations.budgets import Allowance, Costs, Sparsity
from apcli.allocations.units import Resource, Unit
from apcli.checkpoints.promises import Allocated, Spent
from apcli.stages.prune.amounts import Amounts
from apcli.stages.prune.budgets.allocated import allocated_of
from apcli.theory.widths.costs import WidthCost

UNITS = (Unit("a", 8, (8,)), Unit("b", 4, (4,)))
COSTS = Costs(Resource.MACS, {"a": 8, "b": 4}, WidthCost(10.0, np.array([1.0, 2]), np.array([[0.0, 3], [3, 0]])))


def amounts(budget, evidence=()):
    return Amounts(UNITS, {}, SCOPES.parse("layer"), budget, {"a": 0.5, "b": 0.5}, evidence=dict(evidence))


def test_the_widths_and_the_budget_asked_and_got():
    found = allocated_of(amounts(Allowance(COSTS, 50.0)), {"a": 4, "b": 1})
    assert found == Allocated({"a": (4, 8), "b": (3, 4)}, Spent("macs", 10 + 8 + 8 + 96, 50.0, 10 + 4 + 6 + 36))


def test_the_evidence_of_a_sparsity():
    assert allocated_of(amounts(Sparsity(0.5), [("images", 3)]), {"a": 4, "b": 1}) == Allocated(
        {"a": (4, 8), "b": (3, 4)}, None, {"images": 3}
    )


def test_nothing_where_promises_say_it_all():
    assert allocated_of(amounts(Sparsity(0.5)), {"a": 4, "b": 2}) is None
    assert allocated_of(amounts(Allowance(COSTS, 50.0, nearest=True)), {"a": 4, "b": 2}) is None
