"""Accuracy over sparsity: which runs are compared, what the table and the figure say, and which lines are controls."""

import statistics
from dataclasses import replace

import pytest
from studies import dots, lines, only_group, words

from apcli.figures.accuracy import accuracy
from apcli.figures.canvas.colors import looks
from apcli.records.divergence import Metrics
from apcli.stages.report.drawing.studies import study_of
from apcli.stages.report.runs.accuracies import compared, dense_accuracy, states


def mean_accuracy(records, state, method, sparsity):
    """Of the files' own records, each file once; ``method`` as in ``lowest (layer)``."""
    found = {
        r.pruned.sha256: getattr(r.metrics, state).test.accuracy
        for r in records
        if (f"{r.method} ({r.scope})", r.sparsity.requested, r.epoch) == (method, sparsity, None)
    }
    return statistics.fmean(found.values()), statistics.stdev(found.values())


def study(records):
    group = only_group(records)
    controls = [method for method in group.methods if method.startswith("random")]
    return study_of(group, looks([method for method in group.methods if method not in controls], controls))


def test_a_panel_for_each_moment_and_dotted_controls(records):
    drawing = accuracy(study(records))
    assert {"Just pruned", "After fine-tuning", "0.1", "0.3", "0.5", "0.8"} <= set(words(drawing))
    for method in ("lowest (layer)", "random (layer)", "highest (layer)"):
        dash = "dotted" if method == "random (layer)" else "solid"
        assert [line.dash for line in lines(drawing, method)] == [dash, dash]
    panels = study(records).accuracies
    for title, state in (("just pruned", "before"), ("after fine-tuning", "pruned")):
        for curve in panels[title]:
            expected = [mean_accuracy(records, state, curve.method, s)[0] for s in (0.1, 0.3, 0.5, 0.8)]
            assert [point.mean for point in curve.points.values()] == pytest.approx(expected)


def test_one_panel_where_nothing_was_trained_between(make_grid):
    records = make_grid(seeds=(0,), epochs=0)
    assert states(compared(only_group(records))) == {"pruned": "pruned"}
    assert "Pruned" in words(accuracy(study(records)))


def test_nothing_is_shown_without_a_comparison(make_grid):
    one = make_grid(seeds=(0,), epochs=0, sparsities=(0.3,))
    assert compared(only_group(one)) == []
    unknown = [replace(r, metrics=Metrics()) for r in make_grid(seeds=(0,), epochs=0)]
    assert compared(only_group(unknown)) == []


def test_a_dense_network_counts_once_and_a_gap_is_a_gap(make_grid):
    records = make_grid(seeds=(0, 1), epochs=0)
    records = [r for r in records if not (r.method == "random" and r.sparsity.requested > 0.4)]
    group = only_group(records)
    assert dense_accuracy(compared(group)) == pytest.approx(91.5 - 0.15)
    assert len(dots(accuracy(study(records)), "random (layer)")[0].places) == 2
