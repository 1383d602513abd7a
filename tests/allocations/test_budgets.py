"""Budgets: a share of the elements, or what the rest may cost, spent by every allocation alike."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apcli.allocations import SCOPES
from apcli.allocations.allocate import allocate
from apcli.allocations.budgets import Allowance, Costs, Sparsity
from apcli.allocations.units import Context, Resource, Unit
from apcli.errors import UsageError
from apcli.registry.tables import Choice, Row
from apcli.theory.widths.costs import WidthCost

COSTS = st.lists(
    st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(1, 100)), min_size=2, max_size=4
)  # of each unit its extents, and the cost of an element


def units_of(extents):
    return [Unit(f"l{index}", first * second, (first, second)) for index, (first, second, _) in enumerate(extents)]


def costs_of(units, each, resource=Resource.MACS, products=None, constant=0.0):
    nothing = np.zeros((len(units), len(units)))
    by_width = WidthCost(constant, np.array(each, float), nothing if products is None else np.array(products, float))
    return Costs(resource, {unit.name: unit.size for unit in units}, by_width)


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
    network = costs_of(units, [cost for *_, cost in extents])
    budget = Allowance(network, share * network.dense)
    size = sum(unit.size for unit in units)

    def costs(removed):
        try:
            return budget.cost_left(units, allocate(choice, units, Sparsity(removed / size), context))
        except UsageError:
            return math.nan

    met = [removed for removed in range(size + 1) if costs(removed) <= budget.left]
    if not met:
        with pytest.raises(UsageError, match="more than"):
            allocate(choice, units, budget, context)
        return
    counts = allocate(choice, units, budget, context)
    assert budget.cost_left(units, counts) <= budget.left
    if scope in ("layer", "global", "output"):  # whose counts never fall as the share grows
        most = allocate(choice, units, Sparsity(min(met) / size), context)
        least = allocate(choice, units, Sparsity(max(0, min(met) - 1) / size), context)
        assert all(counts[name] in (least[name], most[name]) for name in most)
        for name in counts:
            fewer = {**counts, name: least[name]}
            assert fewer == counts or budget.cost_left(units, fewer) > budget.left


@settings(max_examples=40)
@given(COSTS, st.integers(0, 10**6))
def test_parameters_are_a_sparsity(extents, part):
    units = units_of(extents)
    size = sum(unit.size for unit in units)
    left = part % (size + 1)
    budget = Allowance(costs_of(units, [1] * len(units), Resource.PARAMETERS), left, nearest=True)
    assert budget.share(units) == (size - left) / size
    assert budget.elements(units) == pytest.approx(size - left)
    for scope in ("layer", "erk"):
        choice = SCOPES.parse(scope)
        assert allocate(choice, units, budget, Context()) == allocate(
            choice, units, Sparsity((size - left) / size), Context()
        )


def test_the_share_of_a_budget_that_is_not_used_up_is_none():
    (unit,) = units = [Unit("a", 10, (2, 5))]
    costs = costs_of(units, [0.5], constant=3.0)
    assert Allowance(costs, 9).spend(units, lambda share: {"a": round(share * unit.size)}) == {"a": 0}
    assert Allowance(costs, 5.5).share(units) == 0.5
    assert Allowance(costs, 2).share(units) == 1


def test_what_must_stay_is_said_where_it_costs_too_much():
    units = [Unit("a", 10, (2, 5), least=5), Unit("b", 10, (2, 5))]
    layer, costs = SCOPES.parse("layer"), costs_of(units, [4, 1])
    assert allocate(layer, units, Allowance(costs, 25), Context()) == {"a": 5, "b": 5}
    with pytest.raises(UsageError, match="what must stay costs 20 multiply-adds, more than 19"):
        allocate(layer, units, Allowance(costs, 19), Context())
    with pytest.raises(ValueError, match="-1 multiply-adds are to be left"):
        Allowance(costs, -1)


def test_channels_cost_as_products():
    """A stem of 16 and a middle of 8 channels: 16 x 8 weights between them, and what each costs by itself."""
    units = [Unit("stem", 16, (16,)), Unit("mid", 8, (8,))]
    costs = costs_of(units, [27, 10], products=[[0, 9], [9, 0]], constant=5)
    assert costs.dense == 5 + 27 * 16 + 9 * 16 * 8 + 10 * 8
    assert not costs.is_even
    budget = Allowance(costs, costs.dense / 2)
    counts = allocate(SCOPES.parse("layer"), units, budget, Context())
    assert budget.elements(units) is None
    assert counts == {"stem": 6, "mid": 3}
    assert budget.cost_left(units, counts) == 775 <= budget.left == 834.5
    assert budget.cost_left(units, {"stem": 5, "mid": 3}) == 847  # a smaller share of each


def test_units_that_round_at_one_share_need_not_all_do():
    """Four groups of one size: as many of them lose another channel as the budget asks for."""
    units = [Unit(name, 10, (10,)) for name in "abcd"]
    budget = Allowance(costs_of(units, [7, 7, 7, 7]), 7 * 22)
    assert allocate(SCOPES.parse("layer"), units, budget, Context()) == {"a": 4, "b": 4, "c": 5, "d": 5}


def test_the_budget_of_some_units_alone():
    """The others keep what they have, and cost it."""
    units = [Unit("stem", 16, (16,)), Unit("mid", 8, (8,))]
    costs = costs_of(units, [27, 10], products=[[0, 9], [9, 0]], constant=5)
    rest = Allowance(costs, 800).of({"mid"})
    assert rest.costs.of({"mid": 3}) == costs.of({"stem": 16, "mid": 3})
    assert rest.left == 800
    assert Sparsity(0.5).of({"mid"}) == Sparsity(0.5)


def test_counts_that_clearly_miss_a_budget_are_refused():
    """As a function of a user's own may."""
    units = [Unit("stem", 16, (16,)), Unit("mid", 8, (8,))]
    budget = Allowance(costs_of(units, [27, 10], products=[[0, 9], [9, 0]]), 800)
    nothing = Choice(Row("own", f"{__name__}:nothing", "", ""), {})
    with pytest.raises(UsageError, match="--scope own: what must stay costs 1664 multiply-adds, more than 800"):
        allocate(nothing, units, budget, Context())


def nothing(units, budget, context):
    return {unit.name: 0 for unit in units}
