"""Accuracy against cost."""

import pytest
from studies import LOOKS, dots, lines, rows, words

from apcli.figures.canvas.marks import Missing
from apcli.figures.cost import cost
from apcli.figures.study import Cost, Point, Study


def runs(**alike):
    made = []
    for method in ("lowest", "random"):
        for sparsity in (0.5, 0.8):
            costs = {
                "parameters": Point((1 / (1 - sparsity),)),
                **{name: Point((value,)) for name, value in alike.items()},
            }
            made.append(Cost(method, sparsity, Point((90.0 - 10 * sparsity, 92.0 - 10 * sparsity)), costs))
    return tuple(made)


def test_a_panel_for_each_cost_that_differs():
    drawing = cost(Study(LOOKS, costs=runs(bytes=1.0), dense_accuracy=91.0))
    assert "Parameters" in words(drawing)
    assert "Bytes" not in words(drawing)
    assert [len(line.places) for line in lines(drawing, "lowest")] == [2]
    assert len(dots(drawing, "random")) == 1
    assert len(lines(drawing, "dense network")) == 1
    known = {(row["method"], row["sparsity"], row["quantity"]): row["mean"] for row in rows(drawing)}
    assert known["lowest", 0.8, "parameters"] == pytest.approx(5.0)
    assert known["lowest", 0.8, "test accuracy, %"] == pytest.approx(83.0)
    assert known["random", 0.5, "bytes"] == 1.0


def test_costs_that_are_alike_or_unknown_are_no_figure():
    alike = tuple(Cost(run.method, run.sparsity, run.accuracy, {"bytes": Point((1.0,))}) for run in runs())
    for costs in (alike, ()):
        with pytest.raises(Missing, match="report FILES --json"):
            cost(Study(LOOKS, costs=costs))
