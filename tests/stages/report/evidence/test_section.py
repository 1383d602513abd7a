"""Columns that several sections have: what tells runs apart, and means with their spread."""

import statistics

from studies import only_group

from apcli.stages.report.evidence.section import Section, exactly, means, named, replicated


def test_runs_are_named_by_method_and_sparsity(small):
    group = only_group(small)
    method, sparsity = named(group.runs)
    assert method.cells == tuple(run.method for run in group.runs)
    assert sparsity.cells == tuple(run.sparsity for run in group.runs)
    assert [text.main for text in sparsity.texts()][:2] == ["0.1", "0.5"]


def test_chosen_numbers_have_the_decimals_that_they_have():
    assert [text.main for text in exactly("s", [0.1, 0.985, None]).texts()] == ["0.100", "0.985", "–"]
    assert [text.main for text in exactly("s", [1 / 3]).texts()] == ["0.3333"]


def test_means_are_over_dense_networks(small):
    group = only_group(small)
    column = means("final", group.runs, lambda trial: trial.accuracy("pruned"), decimals=1)
    values = [trial.accuracy("pruned") for trial in group.runs[0].trials]
    assert (column.cells[0], column.spread[0]) == (statistics.fmean(values), statistics.stdev(values))
    close = means("close", group.runs, lambda trial: 90 + 0.01 * trial.seed, decimals=1)
    assert close.texts()[0].whole == "90.00 ± 0.01", "as many decimals as an sd needs"
    tiny = means("tiny", group.runs, lambda trial: 90 + 1e-4 * trial.seed, decimals=1)
    assert (tiny.texts()[0].whole, tiny.spread) == ("90.0", ())
    assert means("same", group.runs, lambda trial: 1.0).spread == (), "no spread is shown where there is none"


def test_files_are_counted_where_there_are_more_than_networks(small):
    group = only_group(small)
    assert [column.name for column in replicated(group.runs)] == ["dense networks"]


def test_an_empty_section_is_empty():
    assert Section().is_empty
    assert not Section(("words",)).is_empty
