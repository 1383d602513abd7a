"""Features of two networks, against the same from all outputs at once."""

import numpy as np
import pytest
import torch
from torch import nn

from apcli.errors import UsageError
from apcli.probes import features as module
from apcli.probes.features import LayerChange, Range, features
from apcli.theory.dependence import DEBIASED, nhsic

IMAGES = torch.randn(20, 2, 6, 6, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(20) % 3
TENSORS = ["0.weight", "4.weight", "5.weight"]


def network(seed=0, channels=3):
    torch.manual_seed(seed)
    last = nn.Linear(16 * channels, 5), nn.Linear(5, 3)
    return nn.Sequential(nn.Conv2d(2, channels, 3), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Flatten(), *last)


def batches(size):
    return lambda: zip(IMAGES.split(size), LABELS.split(size), strict=True)


def outputs(model):
    model = model.eval()
    with torch.no_grad():
        first = model[0](IMAGES)
        fourth = model[4](first.relu().flatten(1))
        return [one.flatten(1).double() for one in (first, fourth, model[5](fourth))]


def test_one_minibatch_is_the_dense_reference():
    dense, pruned = network(), network()
    with torch.no_grad():
        pruned[0].weight[1] = 0
        pruned[4].weight.mul_(pruned[4].weight.abs() > 0.05)
    found = features(dense, pruned, TENSORS, batches, 20)
    assert (list(found.layers), found.left_out, found.size, found.images) == (TENSORS, {}, 20, 20)
    assert dense.training, "left as it was"
    before, after = outputs(dense), outputs(pruned)
    hot = nn.functional.one_hot(LABELS).double()
    expected = nhsic([(x @ x.T).numpy() for x in (IMAGES.flatten(1).double(), hot, *before, *after)], DEBIASED)
    assert found.minibatches.nhsic == pytest.approx(expected, abs=1e-5)
    for layer, x, y in zip(found.layers.values(), before, after, strict=True):
        assert layer.relative == pytest.approx(((y - x).norm() / x.norm()).item(), rel=1e-5)
    assert not dense[0]._forward_hooks


def test_dead_inputs_and_channels():
    dense, pruned = network(), network()
    with torch.no_grad():
        pruned[0].weight[1], pruned[0].bias[1] = 0, 7
    found = features(dense, pruned, TENSORS, batches, 20).layers["4.weight"]
    with torch.no_grad():
        values = dense[0](IMAGES).relu().flatten(1)
    alive = (values.amax(0) != values.amin(0)).double().mean().item()
    assert found.dense.dead_units == pytest.approx(1 - alive)
    assert found.pruned.dead_units >= 16 / 48
    found = Range(0)
    found.add(torch.tensor([[[1.0, 2], [3, 4]], [[1, 2], [3, 5]]]))
    assert (found.dead_units, found.dead_channels) == (0.75, 0.5)
    last = Range(-1)
    last.add(torch.tensor([[1.0, 2, 4]]))
    last.add(torch.tensor([[1.0, 3, 4]]))
    assert last.dead_units == last.dead_channels == pytest.approx(2 / 3)


def test_a_network_against_itself():
    found = features(network(), network(), TENSORS, batches, 20)
    dependence = found.minibatches.nhsic
    assert [dependence[2 + i, 5 + i] for i in range(3)] == pytest.approx([1, 1, 1], abs=1e-12)
    assert [layer.relative for layer in found.layers.values()] == [0, 0, 0]


def test_minibatches_bound_what_is_held(monkeypatch):
    monkeypatch.setattr(module, "_HELD", 5 * (48 + 5 + 3))
    sizes = []

    def watched(size):
        sizes.append(size)
        return batches(size)

    found = features(network(), network(1), TENSORS, watched, 20)
    assert (sizes, found.size, found.images) == ([2, 5], 5, 20)
    whole = features(network(), network(1), TENSORS, batches, 20)
    for name, layer in found.layers.items():
        assert layer.relative == pytest.approx(whole.layers[name].relative, rel=1e-6)
        assert layer.dense.dead_units == whole.layers[name].dense.dead_units
    monkeypatch.setattr(module, "_HELD", 1)
    assert features(network(), network(1), TENSORS, batches, 18).images == 20, "4 at least"


def test_removed_channels_change_by_no_number():
    found = features(network(), network(channels=2), TENSORS, batches, 20)
    relative = [layer.relative for layer in found.layers.values()]
    assert relative[0] is None
    assert None not in relative[1:]
    assert np.isfinite(found.minibatches.nhsic).all()
    silent = LayerChange(0)
    silent.add(torch.zeros(2, 3), torch.ones(2, 3))
    assert silent.relative is None


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.norm, self.unused = nn.Linear(72, 72), nn.LayerNorm(72), nn.Linear(3, 3)
        self.last = nn.Linear(72, 3)

    def forward(self, x):
        return self.last(self.norm(self.layer(self.layer(x.flatten(1)))))


def test_layers_that_cannot_be_compared_are_left_out():
    names = ["layer.weight", "norm.weight", "unused.weight", "last.weight"]
    found = features(Twice(), Twice(), names, batches, 20)
    assert list(found.layers) == ["last.weight"]
    assert {name: reason.split(" ")[0] for name, reason in found.left_out.items()} == dict.fromkeys(names[:3], "is")
    with pytest.raises(UsageError, match="3 images are too few to compare"):
        features(network(), network(), TENSORS, batches, 3)


class ByKeyword(nn.Sequential):
    def forward(self, x):
        return self[1](input=self[0](input=x.flatten(1)).relu())


def test_layers_may_be_called_by_keyword():
    torch.manual_seed(0)
    network = ByKeyword(nn.Linear(72, 5), nn.Linear(5, 3))
    found = features(network, network, ["0.weight", "1.weight"], batches, 20)
    assert [layer.relative for layer in found.layers.values()] == [0, 0]
