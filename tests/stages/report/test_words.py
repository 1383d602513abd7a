"""Numbers in words."""

import pytest

from apcli.stages.report.runs.experiment import Stat
from apcli.stages.report.words import number, percent, spread


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (Stat(0.0123, None, 1), "0.0123"),
        (Stat(0.0123, None, 1, 4e-4), "0.0123 ± 0.0004"),
        (Stat(0.0123, 0.001, 3), "0.0123 ± 0.001"),
        (Stat(0.0123, 0.001, 3, 4e-4), "0.0123 ± 0.001 (s.e. 0.0004)"),
    ],
)
def test_spreads_and_standard_errors(value, text):
    assert spread(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (1.23456e-7, "1.235e-7"), (91.5, "91.5"), (1.5e12, "1.5e12")])
def test_numbers(value, text):
    assert number(value) == text


def test_shares_in_percent():
    assert [percent(share) for share in (0.8, 0.07, 0.299, 1.0)] == ["80 %", "7 %", "29.9 %", "100 %"]
