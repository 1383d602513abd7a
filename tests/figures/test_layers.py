"""Layers as heat maps."""

import pytest
from studies import LOOKS, areas, rows, words

from apcli.figures.canvas.marks import Missing
from apcli.figures.layers import layers, single_layers
from apcli.figures.study import LayerValues, Study

VALUES = tuple(
    LayerValues(method, sparsity, layer, {"sparsity": sparsity, "AP2": sparsity * scale})
    for method in ("lowest", "random")
    for sparsity in (0.5, 0.8)
    for layer, scale in (("conv1", 1.0), ("fc", 10.0))
)


def test_a_cell_for_each_layer_and_run():
    drawing = layers(Study(LOOKS, layers=VALUES))
    assert {"sparsity", "AP2", "conv1", "fc", "0.5", "0.8", "lowest", "random"} <= set(words(drawing))
    named = [area.name for area in areas(drawing) if area.name]
    assert sorted(named) == sorted(["0.5", "0.8"] * 4 + ["0.5", "0.8", "5", "8"] * 2)
    assert len(rows(drawing)) == 16
    assert {"method": "lowest", "sparsity": 0.8, "layer": "fc", "quantity": "AP2", "value": 8.0} in rows(drawing)


def test_one_layer_is_no_figure():
    with pytest.raises(Missing, match="two layers"):
        layers(Study(LOOKS, layers=tuple(value for value in VALUES if value.layer == "fc")))


def test_layers_that_were_pruned_alone():
    assert "conv1" in words(single_layers(Study(LOOKS, single_layers=VALUES)))
    with pytest.raises(Missing, match="--layers each"):
        single_layers(Study(LOOKS, layers=VALUES))
