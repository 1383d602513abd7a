"""Three significant digits, one notation a column, decimal points below each other."""

import pytest

from apcli.stages.report.tables.notation import aligned, notation_of


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.0123456, 1.5, 123.4], ["0.0123", "1.50", "123"]),
        ([0.9996, -0.5], ["1.00", "−0.500"]),
        ([9.996, 0.0], ["10.0", "0.00"]),
        ([1.23e-7, -4.5e-3], ["1.23e−7", "−4.50e−3"]),
        ([2.0e6], ["2.00e6"]),
        ([1e-4, 1e4], ["1.00e−4", "1.00e4"]),
        ([269722, -3], ["269,722", "−3"]),
    ],
)
def test_a_column_has_one_notation(values, texts):
    write = notation_of(values).text
    assert [write(value) for value in values] == texts


def test_decimals_can_be_fixed():
    write = notation_of([91.53, 9.8], 1).text
    assert [write(91.53), write(9.8), write(-0.04)] == ["91.5", "9.8", "−0.0"]


def test_decimal_points_stand_below_each_other():
    padded = aligned(["0.0123", "1.50", "123", "–"])
    assert len({len(text) - (text.find(".") if "." in text else text.find("\u2008")) for text in padded}) == 1
    assert [text.rstrip("\u2007\u2008") for text in padded] == ["0.0123", "1.50", "123", "–"]
    assert aligned(["1", "20"]) == ["1", "20"]
