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
    assert all(line.width > 2 for line in lines(drawing, "after fine-tuning")), "wide, below what is dashed"
    bars = [mark for mark in drawing.marks if isinstance(mark, Line) and mark.width == 5.0]
    assert len(bars) == 2, "one in the legend, one in the panel"
    zeros = [row for row in rows(drawing) if row["from"] == row["to"] == 0.0]
    assert [row["share of weights"] for row in zeros] == [0.0, 0.5, 0.5]
    assert len(rows(drawing)) == 3 * 5


def test_states_that_are_the_same_are_all_seen():
    shares = (0.25, 0.2, 0.2, 0.25)
    states = dict.fromkeys(STATES, (shares, 0.1))
    network = Weights("random", 0.1, "a.safetensors", (-1.0, -0.5, 0.0, 0.5, 1.0), states)
    drawing = weights(Study(LOOKS, weights=(network,)))
    (below,), (above,) = lines(drawing, "after fine-tuning"), lines(drawing, "just pruned")
    (channel,) = [mark for mark in drawing.marks if isinstance(mark, Line) and mark.color == "paper"]
    assert below.places == above.places == channel.places
    order = [drawing.marks.index(mark) for mark in (below, channel, above)]
    assert order == sorted(order), "the later one is drawn on top"
    assert below.width > channel.width > above.width
    assert (above.dash, channel.dash) == ("dashed", "solid")
    assert above.color != below.color


def test_no_file_at_hand_is_no_figure():
    with pytest.raises(Missing, match="not at hand"):
        weights(Study())
