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
from apcli.stages.report.runs.experiment import build
from apcli.stages.report.tables.markdown import to_markdown
from apcli.stages.report.tables.text_tables import accuracy_table


def mean_accuracy(records, state, method, sparsity):
    """Of the files' own records, each file once; ``method`` as in ``lowest (layer)``."""
    found = {
        r.pruned.sha256: getattr(r.metrics, state).test.accuracy
        for r in records
        if (f"{r.method} ({r.scope})", r.sparsity.requested, r.epoch) == (method, sparsity, None)
    }
    return statistics.fmean(found.values()), statistics.stdev(found.values())


@pytest.mark.slow
def test_the_table_says_both_moments_and_who_is_highest(records):
    group = only_group(records)
    table = accuracy_table(group)
    head, rows = table.head, table.rows
    assert head == ["method", "0.1", "0.3", "0.5", "0.8"]
    assert [row[0] for row in rows] == ["lowest (layer)", "random (layer)", "highest (layer)", "highest accuracy"]
    for row in rows[:3]:
        for sparsity, cell in zip((0.1, 0.3, 0.5, 0.8), row[1:], strict=True):
            before, _ = mean_accuracy(records, "before", row[0], sparsity)
            after, sd = mean_accuracy(records, "pruned", row[0], sparsity)
            assert cell == f"{before:.2f} → {after:.2f} ± {sd:.2f}"
    for column, sparsity in enumerate((0.1, 0.3, 0.5, 0.8), 1):
        best = max((row[0] for row in rows[:3]), key=lambda m: mean_accuracy(records, "pruned", m, sparsity)[0])
        assert rows[3][column] == best
    dense = statistics.fmean({r.dense.sha256: r.metrics.dense.test.accuracy for r in records}.values())
    assert f"just pruned → after fine-tuning; dense {dense:.2f} %" in table.caption
    assert "### Accuracy over sparsity" in to_markdown(build(records))


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
    assert "→" not in str(accuracy_table(only_group(records)))


def test_nothing_is_shown_without_a_comparison(make_grid):
    one = make_grid(seeds=(0,), epochs=0, sparsities=(0.3,))
    assert compared(only_group(one)) == []
    unknown = [replace(r, metrics=Metrics()) for r in make_grid(seeds=(0,), epochs=0)]
    assert compared(only_group(unknown)) == []
    for records in (one, unknown):
        assert "Accuracy over sparsity" not in to_markdown(build(records))


def test_a_dense_network_counts_once_and_a_gap_is_a_gap(make_grid):
    records = make_grid(seeds=(0, 1), epochs=0)
    records = [r for r in records if not (r.method == "random" and r.sparsity.requested > 0.4)]
    group = only_group(records)
    assert dense_accuracy(compared(group)) == pytest.approx(91.5 - 0.15)
    table = accuracy_table(group)
    head, rows = table.head, table.rows
    assert rows[1][head.index("0.5")] == "–"
    assert len(dots(accuracy(study(records)), "random (layer)")[0].places) == 2
