"""Ranges of parameters: what they admit, and that every parameter of every row has one that holds."""

import importlib
import math
import pkgutil
from collections.abc import Iterator

import pytest

import apcli
from apcli.errors import UsageError
from apcli.registry.ranges import (
    INSIDE,
    NOT_NEGATIVE,
    ONE_OR_MORE,
    POSITIVE,
    SHARE,
    UNBOUNDED,
    Anything,
    Numbers,
    Rules,
    Span,
    Sums,
    Words,
)
from apcli.registry.tables import Row, Table

TABLE = Table(
    "thing",
    (
        Row(
            "one",
            "builtins:dict",
            "",
            "",
            (),
            {"share": 0.5, "count": 3, "either": "same", "both": "1+2"},
            ranges={
                "share": INSIDE,
                "count": Numbers(0, 9),
                "either": Numbers(0, over=True, words=("same",)),
                "both": Sums(ONE_OR_MORE, "1+2"),
            },
        ),
    ),
)


@pytest.mark.parametrize(
    ("allowed", "fine", "not_fine"),
    [
        (POSITIVE, [1e-300, 1, 1e300], [0, -0.0, -1, math.inf]),
        (NOT_NEGATIVE, [0, -0.0, 7], [-1e-300, math.inf, -math.inf, 10**400]),
        (UNBOUNDED, [0, 7, math.inf], [-1e-300, -math.inf, math.nan]),
        (SHARE, [0, 0.5, 1], [-0.1, 1.0000001]),
        (INSIDE, [0.5], [0, 1]),
        (Numbers(0, over=True, but=(1,)), [0.5, 2], [0, 1]),
        (Numbers(0, over=True, infinite=True), [1, math.inf], [0, -math.inf]),
        (Numbers(-1, 1, words=("auto",)), ["auto", "0.5", "-1", 1], ["Auto", "", "1.5", "inf"]),
        (Words(("a", "b")), ["a", "b"], ["c", "", "A"]),
        (
            Span(Numbers(1, 5), "1..5"),
            ["1", "2..4", "3..3", 5],
            ["", "0", "4..2", "1..6", "1...3", "1..2..3", "²"],
        ),
        (Sums(ONE_OR_MORE, "80+120"), ["1", "3+2"], ["0+1", "", "+", "3+", "1.5", "a", "-1", "3 4", "³"]),
        (
            Rules(("std",), ("std", "abs"), POSITIVE),
            ["std", "std-64", "abs-1e-3"],
            ["abs", "std-", "rel-1", "abs-0", "1"],
        ),
        (Anything(), ["x", "nan"], []),
    ],
)
def test_what_is_admitted(allowed, fine, not_fine):
    assert [value for value in fine if not allowed.admits(value)] == []
    assert [
        value for value in [*not_fine, *([] if allowed == Anything() else [math.nan])] if allowed.admits(value)
    ] == []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("one:share=1", r"thing parameter one:share is 1: expected a number in \(0, 1\)$"),
        ("one:count=10", r"one:count is 10: expected a number in \[0, 9\]$"),
        ("one:either=-2", "one:either is '-2': expected same or a number above 0$"),
        ("one:both=1+x", r"one:both is '1\+x': expected whole numbers joined by \+, as in 1\+2, each 1 or more$"),
    ],
)
def test_what_is_out_of_range_is_told_with_its_range(spec, words):
    with pytest.raises(UsageError, match=words):
        TABLE.parse(spec)


def tables() -> Iterator[Table]:
    """Every table of the package, also one that is added later."""
    for module in pkgutil.walk_packages(apcli.__path__, "apcli."):
        if module.ispkg and not module.name.startswith("apcli.cli"):
            yield from (x for x in vars(importlib.import_module(module.name)).values() if type(x) is Table)


PARAMETERS = [
    pytest.param(table, row, key, id=f"{table.kind}-{row.name}-{key}")
    for table in dict.fromkeys(tables())
    for row in table
    for key in row.parameters
    if key not in row.choices  # of which each row is in its own table
]


def test_the_tables_are_found():
    kinds = {param.values[0].kind for param in PARAMETERS}
    assert kinds >= {"method", "scope", "optimiser", "schedule", "sparsity schedule", "augmentation", "data set"}
    assert kinds >= {"distribution", "covariance", "measure"}


@pytest.mark.parametrize(("table", "row", "key"), PARAMETERS)
def test_every_parameter_has_a_range_which_holds(table, row, key):
    allowed, default = row.ranges[key], row.parameters[key]
    assert allowed.admits(default) or default == "", f"the default {default!r} is none"  # "": to be given
    if isinstance(allowed, Anything):
        assert isinstance(default, str), "numbers have a range of numbers"
        return
    wrong = ["nan", "x"]
    if isinstance(allowed, Numbers):
        assert allowed.least > -math.inf, "no parameter goes without bounds"
        unit = 1 if isinstance(default, int) else 1e-9
        wrong += [str(number) for number in allowed.but]
        wrong += [] if allowed.infinite else ["inf", "1e999"]
        wrong += ["-inf", f"{allowed.least if allowed.over else allowed.least - unit:.12g}"]
        above = max(allowed.most + unit, math.nextafter(allowed.most, math.inf))
        wrong += [f"{allowed.most if allowed.under else above:.17g}"] if allowed.most < math.inf else []
    for text in wrong:
        with pytest.raises(UsageError) as caught:
            table.parse(f"{row.name}:{key}={text}")
        message = str(caught.value)
        assert message.startswith(f"{table.kind} parameter {row.name}:{key} is "), message
        assert str(allowed) in message or "a whole number" in message or "a number, as in" in message
        assert "\n" not in message


@pytest.mark.parametrize("row", [row for table in dict.fromkeys(tables()) for row in table], ids=lambda row: row.name)
def test_no_range_is_of_another_parameter(row):
    assert row.ranges.keys() == row.parameters.keys() - row.choices.keys()


def test_values_are_checked_by_name():
    NOT_NEGATIVE.check(length=0, width=2.5)
    with pytest.raises(ValueError, match=r"^width is -1: expected 0 or more$"):
        NOT_NEGATIVE.check(length=0, width=-1)


def test_a_span_has_its_numbers():
    assert list(Span.numbers("2..4")) == [2, 3, 4]
    assert list(Span.numbers("3")) == [3]
