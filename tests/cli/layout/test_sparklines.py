"""Rows of bars: each number has one, and larger numbers do not have lower ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apcli.cli.layout.sparklines import BARS, GAP, sparkline

numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


@given(numbers)
def test_bars_stand_in_the_order_of_their_numbers(values: list[float]) -> None:
    bars = sparkline(values, min(values), max(values))
    levels = [BARS.index(bar) for bar in bars]
    assert len(levels) == len(values)
    for value, level in zip(values, levels, strict=True):
        assert all(other <= level for other_value, other in zip(values, levels, strict=True) if other_value <= value)
    assert levels[values.index(max(values))] == len(BARS) - 1
    if min(values) < max(values):
        assert levels[values.index(min(values))] == 0


@pytest.mark.parametrize(
    ("values", "drawn"),
    [([0, 1, 2, 3, 4, 5, 6, 7], BARS), ([], ""), ([None, None], ""), ([7, None, 0], f"█{GAP}▁"), ([-9, 99], "▁█")],
)
def test_rows(values: list[float | None], drawn: str) -> None:
    assert sparkline(values, 0, 7) == drawn
