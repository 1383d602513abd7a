"""The section on accuracy: numbers of the records, and the verdict of each paired comparison."""

from dataclasses import replace

from studies import only_group

from apcli.records.divergence import Metrics
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.evidence.accuracy import VERDICTS, accuracy
from apcli.stages.report.runs.experiment import build


def section(records):
    report = build(records)
    return accuracy(report, report.groups[0])


def cells(table, heading):
    return next(column.cells for column in table.columns if column.heading == heading)


def test_every_run_has_a_row(make_grid):
    records = make_grid(seeds=(0, 1, 2), epochs=1, sparsities=(0.1, 0.5))
    runs, methods = section(records).tables
    group = only_group(records)
    assert cells(runs, "test accuracy, after fine-tuning, %") == tuple(r.accuracy("pruned").mean for r in group.runs)
    assert cells(runs, "test accuracy, just pruned, %") == tuple(r.accuracy("before").mean for r in group.runs)
    compared = [c for c in comparisons_of(group).methods if c.moment == "final"]
    assert cells(methods, "the method is") == tuple(VERDICTS.get(c.verdict, c.verdict) for c in compared)
    assert len(methods) == 2 * 3


def test_every_file_stands_in_the_details(make_grid):
    records = make_grid(seeds=(0, 1), epochs=1, sparsities=(0.5,))
    values = section(records).details[-1]
    assert len(values) == 6
    assert cells(values, "seed") == ("0", "1") * 3
    assert [table.name for table in section(records).details] == ["methods-just-pruned", "accuracy-values"]


def test_shares_that_channels_got_are_shown(make_grid):
    records = make_grid(seeds=(0,), epochs=0, sparsities=(0.5,))
    assert "share of zeros" not in [column.name for column in section(records).tables[0].columns]
    moved = [replace(r, sparsity=replace(r.sparsity, requested=0.505)) for r in records]
    assert "share of zeros" in [column.name for column in section(moved).tables[0].columns]


def test_without_accuracy_there_is_no_section(make_grid):
    records = make_grid(seeds=(0,), epochs=0, sparsities=(0.5,))
    assert section([replace(record, metrics=Metrics()) for record in records]) is None
