"""The map of nHSIC between layers."""

import pytest
from studies import LOOKS, areas, rows, words

from apcli.figures.canvas.marks import Missing
from apcli.figures.dependence import dependence
from apcli.figures.study import Dependence, Study

MAP = Dependence("itpruner, 256 images", ("conv", "input", "labels"), ((1.0, 0.5, -0.01), (0.5, 1, 0), (-0.01, 0, 1)))


def test_a_row_and_a_column_for_each_name():
    drawing = dependence(Study(LOOKS, dependences=(MAP,)))
    assert {"itpruner, 256 images", "conv  1", "input  2", "labels  3", "1", "2", "3"} <= set(words(drawing))
    assert len([area for area in areas(drawing) if area.name]) == 9
    assert rows(drawing)[1] == {"measured": MAP.title, "layer": "conv", "other": "input", "nHSIC": 0.5}


def test_without_a_measurement_there_is_none():
    with pytest.raises(Missing, match="nHSIC was not measured: prune --scope itpruner does so"):
        dependence(Study(LOOKS))
