"""Outputs of layers, against a network taken apart."""

import pytest
import torch
from torch import nn

from apcli.errors import UsageError
from apcli.probes import representations
from apcli.probes.representations import outputs_of


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(48, 5), nn.Linear(5, 2))


def batches(size=8):
    images = torch.randn(20, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    return lambda: ((part, torch.zeros(len(part))) for part in images.split(size))


def test_they_are_the_outputs_of_all_images_in_order(network):
    found = outputs_of(network, ["3.weight", "0.weight"], batches())
    assert list(found) == ["3.weight", "0.weight"]
    images = torch.cat([part for part, _ in batches()()])
    with torch.no_grad():
        conv = network[0](images)
        # the ReLU after it works in place: the outputs are those before it
        assert torch.allclose(found["0.weight"], conv.flatten(1), atol=1e-6)
        assert torch.allclose(found["3.weight"], network[:4](images), atol=1e-6)
    assert not network[0]._forward_hooks


def test_what_is_refused(network, monkeypatch):
    with pytest.raises(UsageError, match=r"layer 3\.bias is no weight"):
        outputs_of(network, ["3.bias"], batches())
    twice = nn.Sequential(layer := nn.Linear(36, 36), layer)
    with pytest.raises(UsageError, match=r"layer 1\.0 is not called once a batch"):
        outputs_of(nn.Sequential(nn.Flatten(), twice), ["1.0.weight"], batches())
    monkeypatch.setattr(representations, "LARGEST", 100)
    with pytest.raises(UsageError, match="give fewer --images"):
        outputs_of(network, ["0.weight"], batches())
