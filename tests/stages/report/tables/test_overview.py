"""The two tables that a study comes down to, against its runs."""

import statistics

import pytest
from studies import only_group

from apcli.stages.report.comparisons.estimates import estimate_of
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.tables.overview import accuracy_tables, following


def test_accuracy_by_method_and_sparsity_before_and_after(small):
    group = only_group(small)
    before, after = accuracy_tables(group)
    assert (before.state, after.state) == ("just pruned", "after fine-tuning")
    for table, state in ((before, "before"), (after, "pruned")):
        assert table.sparsities == (0.1, 0.5)
        assert [row.method for row in table.rows] == group.methods
        assert len(table.estimates) == 6
        for row in table.rows:
            runs = [run for run in group.runs if run.method == row.method]
            assert list(row.estimates) == [estimate_of(run, lambda t, s=state: t.accuracy(s)) for run in runs]
        dense = {trial.network: trial.accuracy("dense") for run in group.runs for trial in run.trials}
        assert table.dense.mean == pytest.approx(statistics.fmean(dense.values()))
        assert (table.dense.n, table.dense.unit) == (2, "dense network")


def test_epochs_are_those_of_the_highest_sparsity(small):
    group = only_group(small)
    row = accuracy_tables(group)[-1].rows[0]
    trials = [t for run in group.runs if (run.method, run.sparsity) == (row.method, 0.5) for t in run.trials]
    assert len(row.epochs) == 3
    assert row.epochs[0] == pytest.approx(statistics.fmean(t.accuracy("before") for t in trials))


def test_networks_as_they_stand_have_one_table(make_grid):
    (table,) = accuracy_tables(only_group(make_grid(seeds=(0,), epochs=0)))
    assert table.state == "pruned"
    assert {row.epochs for row in table.rows} == {()}


def test_a_run_that_is_not_there_is_not_known(make_grid):
    records = [r for r in make_grid(seeds=(0,), epochs=0) if (r.method, r.sparsity.requested) != ("lowest", 0.3)]
    (table,) = accuracy_tables(only_group(records))
    lowest = next(row for row in table.rows if row.method.startswith("lowest"))
    assert [estimate is None for estimate in lowest.estimates] == [False, True, False, False]


def test_a_row_for_each_measure_and_pd(small):
    group = only_group(small)
    rows = following(group)
    assert {(row.measure.label, row.target.words) for row in rows} == {
        (measure.label, target) for measure in group.measures for target in ("test loss", "train loss")
    }
    compared = comparisons_of(group)
    for row in rows:
        about = (row.measure, row.target)
        assert {(a.over, a.moment) for a in compared.agreements if a in (row.final, row.just_pruned)} == {
            ("all", "final"),
            ("all", "just pruned"),
        }
        assert (row.same_sparsity.over, row.same_sparsity.moment) == ("same sparsity", "final")
        assert all((a.measure, a.target) == about for a in (row.final, row.just_pruned, row.same_sparsity, row.within))
        assert row.epochs[0] == row.just_pruned.tau
        assert len(row.epochs) == 3


def test_one_run_is_followed_by_nothing(make_grid):
    records = [r for r in make_grid(seeds=(0,), epochs=0, sparsities=(0.3,)) if r.method == "lowest"]
    assert following(only_group(records)) == []
