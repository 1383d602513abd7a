"""nHSIC of layers by epoch."""

import pytest
from studies import LOOKS, rows, words

from apcli.figures.canvas.marks import Missing
from apcli.figures.dependence_by_epoch import dependence_by_epoch
from apcli.figures.study import DependenceByEpoch, Study


def curves(title, target, epochs=(0, 1, 2)):
    return DependenceByEpoch(title, target, {name: tuple((e, 0.1 * e) for e in epochs) for name in ("conv", "fc")})


def test_a_panel_for_each_network_and_target():
    drawing = dependence_by_epoch(Study(LOOKS, dependence_by_epoch=(curves("a", "images"), curves("a", "labels"))))
    assert {"a", "nHSIC with the images", "nHSIC with the labels", "conv", "fc"} <= set(words(drawing))
    assert len(rows(drawing)) == 12
    assert rows(drawing)[1] == {"network": "a", "target": "images", "layer": "conv", "epoch": 1, "nHSIC": 0.1}


def test_of_many_networks_the_first_are_shown():
    many = tuple(curves(f"n{i}", target) for i in range(5) for target in ("images", "labels"))
    drawing = dependence_by_epoch(Study(LOOKS, dependence_by_epoch=many))
    assert "The first 4 of 5 networks." in words(drawing)
    assert "n4" not in words(drawing)


def test_one_epoch_is_no_curve():
    with pytest.raises(Missing, match="fewer than two epochs"):
        dependence_by_epoch(Study(LOOKS, dependence_by_epoch=(curves("a", "images", (0,)),)))
    with pytest.raises(Missing, match="fewer than two epochs"):
        dependence_by_epoch(Study(LOOKS))
