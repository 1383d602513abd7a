"""Copies of networks that keep computed weights beside what those are computed from."""

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from apcli.models.copies import copy_of, emptied
from apcli.training.optim.averages import Average

warnings.filterwarnings("ignore", message=".*weight_norm. is deprecated")


def old_weight_norm(layer: nn.Linear) -> nn.Linear:
    return nn.utils.weight_norm(layer)


def old_spectral_norm(layer: nn.Linear) -> nn.Linear:
    return nn.utils.spectral_norm(layer)


def masked(layer: nn.Linear) -> nn.Linear:
    prune.l1_unstructured(layer, "weight", 0.5)
    return layer


MADE = [old_weight_norm, old_spectral_norm, masked, parametrizations.weight_norm, parametrizations.orthogonal]


@pytest.mark.parametrize("made", MADE, ids=lambda made: made.__name__)
def test_a_copy_computes_the_same_and_is_its_own(made):
    network = nn.Sequential(made(nn.Linear(4, 3)), nn.Linear(3, 2)).eval()
    x = torch.randn(5, 4)
    network(x)  # which leaves a weight with a history behind
    again = copy_of(network)
    assert torch.equal(again(x), network(x))
    with torch.no_grad():
        for parameter in again.parameters():
            parameter.mul_(2)
    assert not torch.equal(again(x), network(x))
    assert torch.equal(copy_of(network)(x), network(x))
    assert {id(p) for p in again.parameters()}.isdisjoint(id(p) for p in network.parameters())
    Average(network, 0.9).update()


def test_plain_copies_fail_on_these():
    """Else this module need not be."""
    for made in (old_weight_norm, masked):
        with pytest.raises(RuntimeError, match="deepcopy protocol"):
            copy.deepcopy(made(nn.Linear(4, 3)))


def test_what_is_shared_is_not_copied():
    network = nn.Linear(4, 3)
    again = copy_of(network, {id(network.weight): network.weight})
    assert again.weight is network.weight
    assert again.bias is not network.bias


class Mixed(nn.Module):
    """Weights under two names, a single number, a table of indices, and a buffer that no file brings."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(3, 3), nn.Linear(3, 3)
        self.two.weight = self.one.weight
        self.one.bias.requires_grad_(False)
        self.temperature = nn.Parameter(torch.tensor(2.5))
        self.norm = nn.BatchNorm1d(3)
        self.register_buffer("table", torch.tensor([2, 0, 1]))
        self.register_buffer("steps", torch.tensor([0.5, 1.5]), persistent=False)


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_structure_and_small_tensors_stay(device):
    model = Mixed()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    copied = emptied(model, device)
    assert copied.one.weight is copied.two.weight
    assert copied.one.weight is not model.one.weight
    assert [p.requires_grad for p in copied.parameters()] == [p.requires_grad for p in model.parameters()]
    for name, tensor in copied.state_dict().items():
        assert (tensor.shape, tensor.dtype) == (before[name].shape, before[name].dtype)
        numbers = tensor.is_floating_point() and tensor.dim()
        assert tensor.device.type == (device if numbers else "cpu")
    assert copied.temperature == 2.5
    assert copied.table.tolist() == [2, 0, 1]
    assert copied.steps.tolist() == [0.5, 1.5]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_an_outline_can_be_filled():
    model = Mixed()
    again = emptied(emptied(model, "meta"), "cpu")
    again.load_state_dict(model.state_dict())
    images = torch.randn(2, 3)
    assert torch.equal(again.one(images), model.one(images))
