"""Widths as heat maps."""

import pytest
from studies import LOOKS, rows, words

from apcli.figures.canvas.marks import Missing
from apcli.figures.study import LayerValues, Study
from apcli.figures.widths import widths


def test_a_cell_for_each_layer_and_run():
    values = (
        LayerValues("lowest", 0.5, "conv", {"kept share": 0.5, "importance": 1.0}),
        LayerValues("random", 0.5, "conv", {"kept share": 0.4}),
    )
    drawing = widths(Study(LOOKS, widths=values))
    assert {"kept share", "importance", "conv", "lowest", "random"} <= set(words(drawing))
    assert [row["value"] for row in rows(drawing)] == [0.5, 1.0, 0.4]


def test_without_a_budget_there_are_none():
    with pytest.raises(Missing, match="no file says how a budget was shared"):
        widths(Study(LOOKS))
