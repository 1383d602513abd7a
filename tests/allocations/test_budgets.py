"""Budgets: a share of the elements, or what the rest may cost, spent by every allocation alike."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apcli.allocations import SCOPES
from apcli.allocations.allocate import allocate
from apcli.allocations.budgets import Allowance, Sparsity
from apcli.allocations.units import Context, Resource, Unit
from apcli.errors import UsageError

COSTS = st.lists(
    st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(1, 100)), min_size=2, max_size=4
)  # of each unit its extents, and the cost of an element


def units_of(extents, resource=Resource.MACS):
    return [
        Unit(f"l{index}", first * second, (first, second), costs={resource: cost, Resource.PARAMETERS: 1})
        for index, (first, second, cost) in enumerate(extents)
    ]


def cost_left(units, counts, resource=Resource.MACS):
    return sum(unit.costs[resource] * (unit.size - counts[unit.name]) for unit in units)


def lowest_of(units):
    """All elements ranked together, those of one unit after those of another in turn: brute force."""
    order = sorted((index / unit.size, unit.name) for unit in units for index in range(unit.size))

    def lowest(removed):
        gone = [name for _, name in order[:removed]]
        return {unit.name: gone.count(unit.name) for unit in units}

    return lowest


@settings(max_examples=40)
@given(COSTS, st.floats(0, 1), st.sampled_from(["layer", "global", "output", "erk", "uniform+:first=l0:last=l1"]))
def test_what_is_left_costs_no_more_and_a_smaller_share_would(extents, share, scope):
    units = units_of(extents)
    choice, context = SCOPES.parse(scope), Context(lowest=lowest_of(units))
    dense = cost_left(units, dict.fromkeys((unit.name for unit in units), 0))
    budget = Allowance(Resource.MACS, share * dense)
    if len({cost for *_, cost in extents}) == 1:
        return  # the share is known then
    size = sum(unit.size for unit in units)

    def costs(removed):
        try:
            return cost_left(units, allocate(choice, units, Sparsity(removed / size), context))
        except UsageError:
            return math.nan

    met = [removed for removed in range(size + 1) if costs(removed) <= budget.left]
    if not met:
        with pytest.raises(UsageError, match="more than"):
            allocate(choice, units, budget, context)
        return
    counts = allocate(choice, units, budget, context)
    assert cost_left(units, counts) <= budget.left
    if scope in ("layer", "global", "output"):  # whose counts never fall as the share grows
        assert counts == allocate(choice, units, Sparsity(min(met) / size), context)


@settings(max_examples=40)
@given(COSTS, st.integers(0, 10**6))
def test_parameters_are_a_sparsity(extents, part):
    units = units_of(extents)
    size = sum(unit.size for unit in units)
    left = part % (size + 1)
    budget = Allowance(Resource.PARAMETERS, left)
    assert budget.share(units) == (size - left) / size
    for scope in ("layer", "erk"):
        choice = SCOPES.parse(scope)
        assert allocate(choice, units, budget, Context()) == allocate(
            choice, units, Sparsity((size - left) / size), Context()
        )


def test_the_share_of_a_budget_that_is_not_used_up_is_none():
    (unit,) = units = [Unit("a", 10, (2, 5), costs={Resource.SECONDS: 0.5})]
    assert Allowance(Resource.SECONDS, 7).spend(units, lambda share: {"a": round(share * unit.size)}) == {"a": 0}
    assert Allowance(Resource.SECONDS, 2.5).share(units) == 0.5


def test_what_must_stay_is_said_where_it_costs_too_much():
    units = [
        Unit("a", 10, (2, 5), least=5, costs={Resource.MACS: 4}),
        Unit("b", 10, (2, 5), costs={Resource.MACS: 1}),
    ]
    layer = SCOPES.parse("layer")
    assert allocate(layer, units, Allowance(Resource.MACS, 25), Context()) == {"a": 5, "b": 5}
    with pytest.raises(UsageError, match="what must stay costs 20 macs, more than 19"):
        allocate(layer, units, Allowance(Resource.MACS, 19), Context())
    with pytest.raises(UsageError, match="what a costs in seconds is not known"):
        allocate(layer, units, Allowance(Resource.SECONDS, 1), Context())
    with pytest.raises(ValueError, match="-1 macs are to be left"):
        Allowance(Resource.MACS, -1)


def test_channels_are_units_as_weights_are():
    """Groups of channels by the MACs of each: 16 of 100 and 8 of 400; half of the cost is half of each group."""
    units = [Unit("stem", 16, (16,), costs={Resource.MACS: 100}), Unit("mid", 8, (8,), costs={Resource.MACS: 400})]
    counts = allocate(SCOPES.parse("layer"), units, Allowance(Resource.MACS, 2400), Context())
    assert counts == {"stem": 8, "mid": 4}
