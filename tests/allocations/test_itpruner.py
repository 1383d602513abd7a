"""The allocation by information: its importances, its budgets, and what it notes."""

import logging

import numpy as np
import pytest

from apcli.allocations import SCOPES
from apcli.allocations.allocate import allocate
from apcli.allocations.budgets import Allowance, Costs, Sparsity
from apcli.allocations.units import Context, Grams, Resource, Unit
from apcli.errors import UsageError
from apcli.theory.dependence import importances, nhsic, shares
from apcli.theory.widths.costs import WidthCost
from apcli.theory.widths.program import Program, solve

SIZES = {"a": 64, "b": 96, "c": 128}
UNITS = [Unit(name, size, (size,), least=1) for name, size in SIZES.items()]
COST = WidthCost(
    500.0, np.array([300.0, 0, 10]), np.array([[0.0, 9 * 16, 0], [9 * 16, 0, 9 * 4], [0, 9 * 4, 0]])
)  # three convolutions and a linear layer
COSTS = Costs(Resource.MACS, SIZES, COST)
HALF = Allowance(COSTS, COSTS.dense / 2)


def features():
    """Two layers that are nearly the same, one of which is read at two places, and one that is another."""
    draws = np.random.default_rng(0)
    first, other, images = draws.normal(size=(3, 40, 6))
    near = [first + 0.1 * draws.normal(size=first.shape) for _ in range(2)]
    return {"a": [first], "b": near, "c": [other]}, images


def grams():
    rows, images = features()
    made = {name: tuple(part @ part.T for part in parts) for name, parts in rows.items()}
    labels = np.arange(40) % 4
    return Grams(made, images @ images.T, (labels[:, None] == labels).astype(float))


def spent(spec, budget=HALF, units=UNITS):
    notes = {}
    context = Context(grams=grams, note=notes.update)
    return allocate(SCOPES.parse(spec), units, budget, context), notes


def test_what_the_others_depend_on_little_keeps_more():
    low = Allowance(COSTS, 0.2 * COSTS.dense)
    counts, notes = spent("itpruner:spread=5", low)
    even, _ = spent("itpruner:spread=1", low)
    assert counts["c"] < even["c"]
    assert counts["b"] > even["b"]
    assert notes["importance"][2] == 1
    assert min(notes["importance"]) == 0.2
    assert notes["images"] == 40


def test_the_map_has_a_mean_row_for_a_unit_that_is_read_twice_and_rows_of_images_and_labels():
    _, notes = spent("itpruner:estimator=biased")
    given = grams()
    places = [*given.features["a"], *given.features["b"], *given.features["c"], given.images, given.labels]
    found = nhsic(places, "biased")
    assert notes["names"] == ["a", "b", "c", "input", "labels"]
    assert notes["nhsic"][0] == pytest.approx([1, found[0, 1:3].mean(), *found[0, 3:]], abs=1e-5)
    assert [row[place] for place, row in enumerate(notes["nhsic"])] == [1] * 5
    own = np.array(notes["nhsic"])[:3, :3]
    assert notes["dependence"] == pytest.approx(shares(own).tolist(), abs=1e-4)
    assert notes["importance"] == pytest.approx(importances(shares(own), 3.0).tolist(), abs=1e-3)
    rbf = spent("itpruner:kernel=rbf")[1]["nhsic"]
    debiased = spent("itpruner")[1]["nhsic"]
    assert rbf[0][2] != debiased[0][2] < notes["nhsic"][0][2]


@pytest.mark.parametrize("weight", ["cost", "one"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_the_budget_is_used_and_not_exceeded(weight, share):
    budget = Allowance(COSTS, share * COSTS.dense)
    counts, notes = spent(f"itpruner:weight={weight}", budget)
    left = budget.cost_left(UNITS, counts)
    assert left <= budget.left < left + 0.01 * COSTS.dense
    assert notes["slack"] == pytest.approx((budget.left - left) / COSTS.dense)
    assert notes["residual"] < 1e-9
    assert notes["multiplier"] > 0


def test_its_optimum_is_the_program_s():
    counts, notes = spent("itpruner")
    sizes = np.array(list(SIZES.values()), float)
    importance = importances(shares(nhsic_of_units()), 3.0)
    program = Program(COST.slope(sizes) * sizes * importance, COST.of_shares(sizes), HALF.left, 1 / sizes)
    optimum = solve(program)
    assert notes["shares"] == pytest.approx(optimum.shares.tolist(), abs=1e-5)
    kept = np.array([SIZES[name] - count for name, count in counts.items()])
    assert np.abs(kept - optimum.shares * sizes).max() < 3


def nhsic_of_units():
    given = grams()
    found = nhsic([*given.features["a"], *given.features["b"], *given.features["c"]])
    mean = np.array([[1, 0, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 0, 1]])
    return mean @ found @ mean.T


def test_other_orders_of_units_change_nothing():
    assert spent("itpruner", units=UNITS[::-1])[0] == spent("itpruner")[0]


def test_widths_in_steps():
    counts, _ = spent("itpruner:step=8")
    assert {(SIZES[name] - count) % 8 for name, count in counts.items()} == {0}
    removed = sum(spent("itpruner:step=16", Sparsity(0.5))[0].values())
    assert 144 <= removed < 144 + 16


def test_a_sparsity_is_of_elements():
    counts, notes = spent("itpruner", Sparsity(0.3))
    assert sum(counts.values()) == round(0.3 * 288)
    assert "slack" in notes


def test_as_released_it_is_the_geometry_of_the_cost_alone():
    counts, notes = spent("itpruner:mode=released")
    other, _ = spent("itpruner:mode=released:spread=1")
    assert counts == other
    assert HALF.cost_left(UNITS, counts) == pytest.approx(HALF.left, rel=0.02)
    assert "residual" not in notes


def test_a_unit_that_costs_nothing_keeps_everything():
    free = Costs(Resource.MACS, SIZES, WidthCost(0.0, np.array([5.0, 0, 1]), np.zeros((3, 3))))
    counts, _ = spent("itpruner", Allowance(free, 0.4 * free.dense))
    assert counts["b"] == 0
    assert counts["a"] > 0


def test_what_is_refused_and_what_is_said(caplog):
    with pytest.raises(UsageError, match="the least widths cost"):
        spent("itpruner", Allowance(COSTS, 800))
    with pytest.raises(UsageError, match="activations are not known here"):
        allocate(SCOPES.parse("itpruner"), UNITS, HALF, Context())
    given = grams()
    dead = Grams({**given.features, "b": (np.ones((40, 40)),)}, given.images, given.labels)
    with caplog.at_level(logging.WARNING):
        allocate(SCOPES.parse("itpruner"), UNITS, HALF, Context(grams=lambda: dead))
    assert "b: the same on all images, and so no other layer depends on it" in caplog.text
