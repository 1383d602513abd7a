"""Maps of dependence: both networks and their difference, of the sparsest file of each method."""

from dataclasses import replace

import pytest
from studies import BEHAVED, drawn_study

from apcli.figures.canvas.marks import Area, Missing, Words
from apcli.figures.information import information


def test_maps_of_both_networks_and_their_difference():
    drawing = information(drawn_study(behaved=BEHAVED))
    texts = [mark.text for mark in drawing.marks if isinstance(mark, Words)]
    assert {"dense", "lowest", "difference, lowest"} <= set(texts)
    assert set(drawing.columns["sparsity"]) == {0.3}, "the highest"
    assert drawing.columns["pruned"] == (1.0, -0.25, -0.25, 1.0)
    named = [mark.name for mark in drawing.marks if isinstance(mark, Area) and mark.name]
    assert named == ["1", "0.5", "0.5", "1", "1", "0", "0", "1", "0", "0.75", "0.75", "0"]


def test_too_many_layers_have_no_map():
    one = replace(BEHAVED[0], cka={str(n): 1.0 for n in range(61)})
    with pytest.raises(Missing, match="more than 60 layers"):
        information(drawn_study(behaved=(one,)))
