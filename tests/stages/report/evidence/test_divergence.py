"""The section on divergences: every measure and PD of every run."""

from studies import only_group

from apcli.stages.report.evidence.divergence import divergence
from apcli.stages.report.runs.experiment import build
from apcli.stages.report.runs.quantities import PD


def section(records):
    report = build(records)
    return divergence(report, report.groups[0])


def test_final_values_are_shown_and_others_are_details(small):
    made, group = section(small), only_group(small)
    (table,) = made.tables
    found = {column.heading: column.cells for column in table.columns}
    assert found["loss difference (PD), test, nats"] == tuple(run.final(PD[0].key).mean for run in group.runs)
    assert found["AP2, squared distance"] == tuple(run.final(group.measures[0].key).mean for run in group.runs)
    assert [detail.name for detail in made.details] == ["divergence-just-pruned", "measures"]


def test_many_measures_are_left_to_those_who_ask(fourteen_measures):
    made = section(fourteen_measures)
    measures = [column for column in made.tables[0].columns if column.group == "divergence" or column.name == "AP2"]
    assert [column.further for column in measures] == [False] * 5 + [True] * 9
    bounds = next(table for table in made.details if table.name == "total-variation")
    found = {column.heading: set(column.cells) for column in bounds.columns}
    assert found["total variation (TV), at least"] == {0.25}
    assert found["total variation (TV), at most"] == {0.75}
    settings = next(table for table in made.details if table.name == "measures")
    assert len(settings) == 14
