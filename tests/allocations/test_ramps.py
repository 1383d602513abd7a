"""Sparsity schedules against the equation in exact fractions."""

from fractions import Fraction

import pytest

from apcli.allocations import SPARSITY_SCHEDULES
from apcli.errors import UsageError

POWERS = {"cubic": 3, "linear": 1}


@pytest.mark.parametrize("name", POWERS)
@pytest.mark.parametrize(("initial", "final"), [(0.0, 0.9), (0.5, 0.75), (0.3, 0.3)])
def test_the_equation(name, initial, final):
    found = SPARSITY_SCHEDULES.parse(name)(200, initial, final)
    assert sorted(found) == list(range(0, 151, 10))
    for step, sparsity in found.items():
        left = (1 - Fraction(step, 150)) ** POWERS[name]
        assert sparsity == pytest.approx(float(Fraction(final) + (Fraction(initial) - Fraction(final)) * left))
    assert found[150] == final
    assert found[0] == pytest.approx(initial)
    assert list(found.values()) == sorted(found.values())


def test_where_the_updates_are():
    parse = SPARSITY_SCHEDULES.parse
    assert sorted(parse("cubic:begin=0.2:end=0.5:every=7")(100, 0.0, 0.5)) == [20, 27, 34, 41, 48, 50]
    assert sorted(parse("linear:end=1.0:every=4")(9, 0.0, 0.5)) == [0, 4, 8]
    assert parse("one-shot")(100, 0.2, 0.5) == {0: 0.5}
    assert parse("one-shot:begin=0.5")(100, 0.2, 0.5) == {50: 0.5}
    assert parse("one-shot:begin=1.0")(100, 0.2, 0.5) == {99: 0.5}


@pytest.mark.parametrize("name", SPARSITY_SCHEDULES.names)
@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_short_runs_end_where_they_should(name, steps):
    found = SPARSITY_SCHEDULES.parse(name)(steps, 0.1, 0.8)
    assert max(found) < steps
    assert found[max(found)] == 0.8


@pytest.mark.parametrize(
    "spec",
    ["cubic:begin=0.8", "linear:end=1.1", "cubic:begin=-0.1", "cubic:every=0", "one-shot:begin=2", "cubic:end=nan"],
)
def test_what_is_refused(spec):
    with pytest.raises(UsageError, match=r"(--schedule|sparsity schedule parameter) .*: expected"):
        SPARSITY_SCHEDULES.parse(spec)(100, 0.0, 0.5)
