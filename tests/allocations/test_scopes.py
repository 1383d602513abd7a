"""How many elements each unit loses, by the rows of the table."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apcli.allocations.budgets import Sparsity
from apcli.allocations.scopes import by_rows, erk, layer, together, uniform_plus
from apcli.allocations.units import Context, Unit

SHAPES = st.lists(st.lists(st.integers(1, 9), min_size=2, max_size=4).map(tuple), min_size=1, max_size=6).map(
    lambda shapes: {f"l{index}": shape for index, shape in enumerate(shapes)}
)
SPARSITY = st.floats(0, 1, exclude_max=True)
NOTHING = Context()


def units_of(shapes):
    return [Unit(name, math.prod(shape), shape) for name, shape in shapes.items()]


def sizes_of(shapes):
    return {name: math.prod(shape) for name, shape in shapes.items()}


@settings(max_examples=40)
@given(SHAPES, SPARSITY)
def test_layer(shapes, sparsity):
    counts = layer(units_of(shapes), Sparsity(sparsity), NOTHING)
    assert counts == {name: round(sparsity * size) for name, size in sizes_of(shapes).items()}


@settings(max_examples=40)
@given(SHAPES, SPARSITY)
def test_together_asks_for_the_lowest_of_all(shapes, sparsity):
    asked = []
    context = Context(lowest=lambda removed: asked.append(removed) or {"l0": removed})
    assert together(units_of(shapes), Sparsity(sparsity), context) == {"l0": asked[0]}
    assert asked == [round(sparsity * sum(sizes_of(shapes).values()))]


@settings(max_examples=40)
@given(SHAPES, SPARSITY)
def test_erk_is_its_definition(shapes, sparsity):
    """Kept is min(n, e * sum(extents)), with e by bisection so that the total is met."""
    sizes, counts = sizes_of(shapes), erk(units_of(shapes), Sparsity(sparsity), NOTHING)
    wanted = round(sparsity * sum(sizes.values()))
    assert sum(counts.values()) == wanted
    low, high = 0.0, float(sum(sizes.values()))
    for _ in range(100):
        middle = (low + high) / 2
        total = sum(min(sizes[name], middle * sum(shape)) for name, shape in shapes.items())
        low, high = (middle, high) if total < sum(sizes.values()) - wanted else (low, middle)
    for name, shape in shapes.items():
        assert abs(counts[name] - (sizes[name] - min(sizes[name], high * sum(shape)))) < 1 + 1e-6
        assert 0 <= counts[name] <= sizes[name]


def test_erk_keeps_small_layers_whole():
    assert erk(units_of({"small": (2, 2), "large": (100, 100)}), Sparsity(0.5), NOTHING)["small"] == 0


@settings(max_examples=40)
@given(SHAPES, SPARSITY)
def test_uniform_plus(shapes, sparsity):
    sizes, last = sizes_of(shapes), list(shapes)[-1]
    wanted = round(sparsity * sum(sizes.values()))
    limits = {**sizes, last: math.floor(0.8 * sizes[last]), "l0": 0}
    if wanted > sum(limits.values()):
        with pytest.raises(ValueError, match="more than the layers can lose"):
            uniform_plus(units_of(shapes), Sparsity(sparsity), NOTHING, first="l0", last=last)
        return
    counts = uniform_plus(units_of(shapes), Sparsity(sparsity), NOTHING, first="l0", last=last)
    assert sum(counts.values()) == wanted
    assert all(0 <= counts[name] <= limits[name] for name in shapes)
    auto = Context(ends=lambda: {"first": ["l0"], "last": [last]})
    assert uniform_plus(units_of(shapes), Sparsity(sparsity), auto, first="auto", last="auto") == counts


def test_uniform_plus_knows_its_layers():
    units = units_of({"a": (2, 2), "b": (2, 2)})
    with pytest.raises(ValueError, match="layer c is not among"):
        uniform_plus(units, Sparsity(0.1), NOTHING, first="a", last="c")
    unclear = Context(ends=lambda: {"first": ["a", "b"], "last": []})
    with pytest.raises(ValueError, match=r"which layer is last is not known: give uniform\+:last=NAME, one of a and b"):
        uniform_plus(units, Sparsity(0.1), unclear, first="a", last="auto")


@given(st.integers(1, 30), st.integers(0, 500))
def test_rows_differ_by_one_at_most(rows, removed):
    counts = by_rows(removed, rows)
    assert (len(counts), sum(counts)) == (rows, removed)
    assert max(counts) - min(counts) <= 1
