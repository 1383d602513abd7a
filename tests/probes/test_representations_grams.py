"""Gram matrices of what layers read and make, against the features themselves."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from apcli.errors import ApcliError, UsageError
from apcli.probes import representations as module
from apcli.probes.representations import Tap, grams


class Net(nn.Module):
    """Two convolutions that read one tensor, a norm between, and a linear layer that is called twice."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.left, self.right = nn.Conv2d(4, 5, 1), nn.Conv2d(4, 5, 3, padding=1)
        self.fc = nn.Linear(5, 5)
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        x = F.relu(self.norm(self.stem(x)), inplace=True)
        x = (self.left(x) + self.right(x)).mean(dim=(2, 3))
        return self.fc(F.relu(self.fc(x)))


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return Net().eval()


IMAGES, LABELS = torch.randn(11, 3, 6, 6, generator=torch.Generator().manual_seed(1)), torch.arange(11) % 3


def in_batches(size):
    return lambda: iter(list(zip(IMAGES.split(size), LABELS.split(size), strict=True)))


def gram(features):
    rows = features.detach().flatten(1).double()
    return (rows @ rows.T).numpy()


@pytest.mark.parametrize("size", [11, 4, 1])
def test_they_are_those_of_the_features_in_whatever_batches(net, size, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 64)
    taps = {
        "stream": [Tap("left.weight"), Tap("right.weight")],
        "half": [Tap("right.weight", np.array([1, 3]))],
        "made": [Tap("stem.weight", output=True)],
        "twice": [Tap("fc.weight")],
    }
    found = grams(net, taps, in_batches(size))
    stream = F.relu(net.norm(net.stem(IMAGES)))
    pooled = (net.left(stream) + net.right(stream)).mean(dim=(2, 3))
    expected = {
        "stream": [gram(stream)],
        "half": [gram(stream[:, [1, 3]])],
        "made": [gram(net.stem(IMAGES))],
        "twice": [gram(pooled), gram(F.relu(net.fc(pooled)))],
    }
    for name, parts in expected.items():
        assert len(found.features[name]) == len(parts)
        for one, other in zip(found.features[name], parts, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.images, gram(IMAGES), rtol=1e-6)
    assert found.labels.tolist() == (LABELS[:, None] == LABELS).double().tolist()


def test_the_network_is_run_in_evaluation_mode_and_left_as_it_was(net):
    net.train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    trained = grams(net, {"stream": [Tap("left.weight")]}, in_batches(11)).features["stream"][0]
    assert net.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    net.eval()
    assert np.array_equal(trained, grams(net, {"stream": [Tap("left.weight")]}, in_batches(11)).features["stream"][0])


def test_tokens_have_their_channels_last():
    layer = nn.Sequential(nn.Linear(3, 4))
    tokens = torch.randn(6, 5, 3)
    found = grams(layer, {"t": [Tap("0.weight", np.array([0, 2]))]}, lambda: iter([(tokens, torch.arange(6))]))
    np.testing.assert_allclose(found.features["t"][0], gram(tokens[..., [0, 2]]), rtol=1e-6)


def test_what_is_refused(net):
    with pytest.raises(UsageError, match="layer norm is no weight of a Linear"):
        grams(net, {"n": [Tap("norm.weight")]}, in_batches(11))
    with pytest.raises(UsageError, match="layer unused is not called: the network uses its weight directly"):
        grams(net, {"n": [Tap("unused.weight")]}, in_batches(11))
    broken = nn.Sequential(nn.Linear(3, 4))
    nan = torch.full((4, 3), torch.nan)
    with pytest.raises(ApcliError, match="the features of n have NaN or Inf"):
        grams(broken, {"n": [Tap("0.weight")]}, lambda: iter([(nan, torch.arange(4))]))
