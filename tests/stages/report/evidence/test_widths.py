"""The section on widths."""

import pytest
from studies import with_allocations, with_files

from apcli.stages.report.evidence.widths import widths
from apcli.stages.report.runs.experiment import build


@pytest.fixture(scope="module")
def records(make_grid):
    return [r for r in make_grid(seeds=(0, 1), epochs=0, sparsities=(0.5,)) if r.method == "lowest"]


def section(records):
    report = build(records)
    return widths(report, report.groups[0])


def cells(table):
    return {column.heading: column.cells for column in table.columns}


def test_budgets_asked_and_got_and_every_layer(records):
    found = section(with_allocations(records))
    (budgets,), (units,) = found.tables, found.details
    asked = cells(budgets)
    assert asked["share left, asked"] == (0.5,)
    assert asked["share left, got"] == (0.498,)
    assert asked["of"] == ("macs",)
    assert asked["residual"] == (1e-15,)
    each = cells(units)
    assert each["layer or group"] == ("conv", "fc")
    assert each["width, before"] == (800, 100)
    assert each["width, after"] == (400, 25)
    assert each["width, share"] == (0.5, 0.25)
    assert each["importance"] == (1.0, 0.4)
    assert each["nHSIC with, images"] == (0.25, 0.4)
    assert each["nHSIC with, labels"] == (0.1, 0.6)


def test_none_without_an_allocation(records):
    assert section(with_files(records)) is None
