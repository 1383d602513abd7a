"""Histograms of weights."""

import pytest
from studies import LOOKS, areas, lines, rows, words

from apcli.figures.canvas.marks import Line, Missing
from apcli.figures.study import Study, Weights
from apcli.figures.weights import weights

STATES = {
    "dense": ((0.25, 0.25, 0.25, 0.25), 0.0),
    "just pruned": ((0.25, 0.0, 0.0, 0.25), 0.5),
    "after fine-tuning": ((0.2, 0.05, 0.05, 0.2), 0.5),
}


def test_states_are_told_apart_and_zeros_are_a_bar():
    network = Weights("lowest", 0.5, "a.safetensors", (-1.0, -0.5, 0.0, 0.5, 1.0), STATES)
    drawing = weights(Study(LOOKS, weights=(network,)))
    assert {"lowest at 0.5", "share of weights; 50 % are zero", "dense", "just pruned", "exactly zero"} <= set(
        words(drawing)
    )
    (dense,) = areas(drawing)
    assert len(dense.places) == 2 * 4
    assert not lines(drawing, "just pruned"), "its bins have no neighbours"
    assert [(line.dash, len(line.places)) for line in lines(drawing, "after fine-tuning")] == [("solid", 4)]
    bars = [mark for mark in drawing.marks if isinstance(mark, Line) and mark.width == 5.0]
    assert len(bars) == 2, "one in the legend, one in the panel"
    zeros = [row for row in rows(drawing) if row["from"] == row["to"] == 0.0]
    assert [row["share of weights"] for row in zeros] == [0.0, 0.5, 0.5]
    assert len(rows(drawing)) == 3 * 5


def test_no_file_at_hand_is_no_figure():
    with pytest.raises(Missing, match="not at hand"):
        weights(Study())
