"""One allocation for weights and for channels: what a row of the table, or a user's own function, has to give."""

from typing import Any

import pytest

from apcli.allocations import SCOPES
from apcli.allocations.allocate import allocate, leaving_least
from apcli.allocations.budgets import Sparsity
from apcli.allocations.units import Context, Grams, Unit
from apcli.errors import UsageError
from apcli.registry.tables import Choice, Row

LOUD: Any = Grams({"conv": 1, "fc": 2}, None, None)
UNITS = [Unit("conv", 72, (8, 1, 3, 3)), Unit("fc", 30, (3, 10), least=5)]


def of_a_user(units, budget, context, *, extra):
    """An allocation that looks at what the context holds: the unit that gives out most loses ``extra``."""
    loudest = max(units, key=lambda unit: context.grams().features[unit.name])
    return {unit.name: extra if unit is loudest else 0 for unit in units}


def choice(extra):
    return Choice(Row("own", f"{__name__}:of_a_user", "", "", (), {"extra": 0}), {"extra": extra})


def test_a_function_may_look_at_what_the_context_holds_and_nothing_else_is_made():
    asked = []
    context = Context(grams=lambda: asked.append("grams") or LOUD)
    assert allocate(choice(7), UNITS, Sparsity(7 / 102), context) == {"conv": 0, "fc": 7}
    assert asked == ["grams", "grams"]


@pytest.mark.parametrize("extra", [9, 4])
def test_counts_that_miss_the_budget_by_more_than_rounding_are_refused(extra):
    loud = Context(grams=lambda: LOUD)
    assert allocate(choice(extra), UNITS[1:], Sparsity((extra + 1) / 30), loud) == {"fc": extra}
    for other in (-2, 2):
        words = f"removes {extra} in all: expected {extra + other}, by the budget"
        with pytest.raises(UsageError, match=words):
            allocate(choice(extra), UNITS[1:], Sparsity((extra + other) / 30), loud)


def test_fewer_go_where_the_least_has_to_stay():
    assert allocate(choice(25), UNITS[1:], Sparsity(0.95), Context(grams=lambda: LOUD)) == {"fc": 25}


def test_what_is_not_known_is_said():
    with pytest.raises(UsageError, match="--scope own:extra=7: activations are not known here"):
        allocate(choice(7), UNITS, Sparsity(0.5), Context())
    with pytest.raises(UsageError, match="--scope global: scores are not known here"):
        allocate(SCOPES.parse("global"), UNITS, Sparsity(0.5), Context())


@pytest.mark.parametrize("extra", [-1, 31])
def test_counts_that_are_none_are_refused(extra):
    with pytest.raises(UsageError, match=f"gives {extra} for fc: expected a number to 30"):
        allocate(choice(extra), UNITS[1:], Sparsity(0.5), Context(grams=lambda: LOUD))


def test_the_least_stays_and_a_warning_says_so(caplog):
    assert leaving_least(UNITS, {"conv": 72, "fc": 30}) == {"conv": 72, "fc": 25}
    assert [record.getMessage() for record in caplog.records] == [
        "fc keeps 5 of 30, the least allowed (see --min-keep), instead of losing 30"
    ]
    caplog.clear()
    assert leaving_least(UNITS, {"conv": 1, "fc": 25}) == {"conv": 1, "fc": 25}
    assert not caplog.records
