"""Features in the record: which number stands where, and what is left out."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from apcli.probes.features import Features, LayerChange
from apcli.stages.behaviour.features import features

LAYERS = [SimpleNamespace(name=name, tensor=f"{name}.weight") for name in ("c", "a", "b")]
PRUNED = SimpleNamespace(label="p.safetensors")


def change(dense, pruned):
    found = LayerChange(-1)
    found.dense.add(torch.tensor(dense))
    found.pruned.add(torch.tensor(pruned))
    found.add(torch.tensor([[2.0]]), torch.tensor([[3.0]]))
    return found


def test_the_numbers_of_each_layer():
    table = np.arange(36).reshape(6, 6) / 100
    layers = {"a.weight": change([[1.0, 2]], [[1.0, 2]]), "b.weight": change([[1.0], [2]], [[1.0], [1]])}
    measured = Features(layers, {}, 8, 30, SimpleNamespace(nhsic=table))
    asked = []
    runs = SimpleNamespace(features=lambda *given: asked.append(given) or measured)
    found = features(runs, "dense", PRUNED, LAYERS)
    assert asked == [("dense", PRUNED, ["c.weight", "a.weight", "b.weight"])]
    assert (found.images, found.minibatch) == (30, 8)
    first, second = found.layers
    assert (first.layer, first.cka, first.change) == ("a", table[2, 4], 0.5)
    assert (second.layer, second.cka) == ("b", table[3, 5])
    assert (first.with_images.dense, first.with_images.pruned) == (table[2, 0], table[4, 0])
    assert (second.with_labels.dense, second.with_labels.pruned) == (table[3, 1], table[5, 1])
    assert second.dense_layers == pytest.approx(table[3, 2:4].tolist())
    assert second.pruned_layers == pytest.approx(table[5, 4:6].tolist())
    assert (second.dead_units.dense, second.dead_units.pruned) == (0, 1)
    assert (first.dead_channels.dense, second.dead_channels.pruned) == (1, 1)


def test_what_is_left_out_is_said(caplog):
    measured = Features({}, {"c.weight": "is odd"}, 8)
    with caplog.at_level(logging.WARNING):
        assert features(SimpleNamespace(features=lambda *_: measured), "dense", PRUNED, LAYERS) is None
    assert caplog.messages == ["features of p.safetensors leave out layers: c is odd"]
