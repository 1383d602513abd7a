"""nHSIC of layers with images and labels, also of the networks that a trace remembers."""

import numpy as np
import pytest
import torch
from measured_pairs import measured
from torch import nn

import apcli
from apcli.checkpoints.state_dicts import entries_of
from apcli.probes.representations import Tap, grams
from apcli.stages.bounds.information import dependence
from apcli.stages.bounds.information.dependence import _at_epoch, _thinned, statements
from apcli.theory.dependence import nhsic


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A fine-tuned network with a trace of its pruned layers, and its dense ancestor."""
    folder = tmp_path_factory.mktemp("traced")
    [dense] = apcli.train("fc5", data="digits", epochs=1, output=folder / "dense.safetensors", device="cpu")
    [pruned] = apcli.prune(dense, sparsity=0.5, output=folder / "pruned.safetensors")
    [tuned] = apcli.finetune(pruned, epochs=2, output=folder / "tuned.safetensors", device="cpu")
    return measured(dense.path, tuned.path, images=64)


def test_every_layer_state_and_epoch_is_stated(pair):
    found = list(statements(pair, pair.on_data))
    names = [layer.name for layer in pair.layers]
    assert {(one.layer, one.epoch) for one in found if "pruned" in one.bound.statement} == {
        (name, epoch) for name in names for epoch in (None, 0, 1, 2)
    }
    assert {one.epoch for one in found if "dense" in one.bound.statement} == {None}
    values = {(one.bound.statement, one.layer, one.epoch): one.bound.measured for one in found}
    images = "nHSIC with the images, pruned"
    for name in names:  # the trace's last epoch is the file
        assert values[images, name, 2] == pytest.approx(values[images, name, None], abs=1e-6)
    tensors = {name: [Tap(f"{name}.weight", output=True)] for name in names}
    given = grams(pair.on_data.dense, tensors, pair.on_data.batches)
    expected = nhsic([*(given.features[name][0] for name in names), given.images, given.labels])
    assert values["nHSIC with the labels, dense", "fc1", None] == pytest.approx(expected[0, -1], abs=1e-6)
    assert {one.bound.standing for one in found} == {"diagnostic"}
    assert {bool(one.bound.assumptions) for one in found if one.epoch is not None} == {True}


def test_a_few_hundred_images_in_one_batch():
    batches = _thinned(
        lambda: ((torch.arange(i, i + 100.0)[:, None], torch.arange(100)) for i in range(0, 1000, 100)), 1000
    )
    ((images, labels),) = batches()
    assert images.ravel().tolist() == list(range(0, 1000, 4))
    assert len(labels) == 250


def test_norms_are_measured_again_with_an_epoch_s_weights():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3)).eval()
    images = torch.randn(40, 1, 4, 4)
    weights = {"0.weight": 3 * network[0].weight.detach()}
    copy = _at_epoch(network, entries_of(weights), lambda: iter([(images, None)]))
    assert torch.equal(copy[0].weight, weights["0.weight"])
    expected = copy[0](images).mean(dim=(0, 2, 3))
    np.testing.assert_allclose(copy[1].running_mean, expected.detach(), rtol=1e-4, atol=1e-6)
    assert torch.equal(network[1].running_mean, torch.zeros(4))
    assert not copy.training


def test_too_few_images_are_said(pair, caplog, monkeypatch):
    monkeypatch.setattr(dependence, "FEWEST", 100)
    assert list(statements(pair, pair.on_data)) == []
    assert "nHSIC needs 100 images or more" in caplog.text
