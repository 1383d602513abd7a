"""Wanda against norms of inputs that are gathered by hand."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from apcli.criteria.activation import wanda
from apcli.criteria.subject import Subject
from apcli.errors import ApcliError, UsageError


def subject(model, images, tensors=None, size=3):
    tensors = tensors or [name for name, p in model.named_parameters() if p.dim() >= 2]
    return Subject(model, tensors, lambda: ((part, part) for part in images.split(size)), lambda scores, share: {})


def norms_of(layer, images):
    """||X_j|| for every weight of a convolution, [C/G, kernel] for each group, by torch's own unfolding."""
    patches = F.unfold(images, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    norms = patches.square().sum(dim=(0, 2)).sqrt()
    return norms.reshape(layer.groups, 1, *layer.weight.shape[1:]).expand(
        -1, len(layer.weight) // layer.groups, -1, -1, -1
    )


def test_a_linear_layer():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3, bias=False)).double()
    images = torch.randn(10, 6, dtype=torch.float64)
    found = wanda(subject(model, images))
    hidden = model[1](model[0](images))
    for name, x in [("0.weight", images), ("2.weight", hidden)]:
        weight = model.get_parameter(name).detach().numpy()
        expected = [[abs(w) * np.linalg.norm(x[:, j].detach().numpy()) for j, w in enumerate(row)] for row in weight]
        np.testing.assert_allclose(found[name], expected, rtol=1e-13)
        assert found[name].dtype == np.float64


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, padding=1),
        nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2)),
        nn.Conv2d(4, 6, 3, groups=2, padding=1, bias=False),
        nn.Conv2d(4, 8, 2, groups=4),
        nn.Conv2d(4, 3, 1),
    ],
    ids=["plain", "strided", "grouped", "depthwise", "pointwise"],
)
def test_a_convolution_over_samples_and_positions(layer):
    torch.manual_seed(1)
    layer.double()
    images = torch.randn(5, 4, 7, 6, dtype=torch.float64)
    found = wanda(subject(nn.Sequential(layer), images))["0.weight"]
    expected = layer.weight.detach().abs() * norms_of(layer, images).reshape(layer.weight.shape)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-12)


def test_of_equal_weights_that_with_the_larger_inputs_stays():
    model = nn.Sequential(nn.Linear(3, 2))
    nn.init.constant_(model[0].weight, -0.5)
    images = torch.tensor([[0.1, -3.0, 0.0], [0.1, 2.0, -0.0]])
    found = wanda(subject(model, images))["0.weight"]
    assert (found[:, 1] > found[:, 0]).all()
    assert (found[:, 2] == 0).all()


def test_zeros_of_either_sign_score_zero():
    model = nn.Sequential(nn.Linear(4, 2))
    model[0].weight.data[:, :2] = torch.tensor([0.0, -0.0])
    found = wanda(subject(model, torch.randn(5, 4)))["0.weight"]
    assert (found[:, :2] == 0).all()
    assert not np.signbit(found).any()
    assert (found[:, 2:] > 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_double(dtype):
    """2000 squares of 30 are beyond float16's range."""
    model = nn.Sequential(nn.Linear(4, 2)).to(dtype)
    found = wanda(subject(model, torch.full((2000, 4), 30.0, dtype=dtype), size=1000))["0.weight"]
    expected = model[0].weight.detach().double().abs().numpy() * 30 * 2000**0.5
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_a_weight_that_two_modules_share_has_the_inputs_of_both():
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4)).double()
    model[2].weight = model[0].weight
    images = torch.randn(6, 4, dtype=torch.float64)
    both = torch.cat([images, model[:2](images)]).detach()
    expected = model[0].weight.detach().abs() * both.norm(dim=0)
    found = wanda(subject(model, images, ["0.weight", "2.weight"]))
    np.testing.assert_allclose(found["0.weight"], expected.numpy(), rtol=1e-13)
    np.testing.assert_array_equal(found["2.weight"], found["0.weight"])


def test_the_network_stays_as_it_was():
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(64, 3)
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images = torch.randn(7, 2, 6, 6)
    first, again = (wanda(subject(model, images, size=size)) for size in (7, 2))
    assert model.training
    assert all(module.training and not module._forward_hooks for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    for name, scores in first.items():
        assert scores.shape == before[name].shape
        np.testing.assert_allclose(again[name], scores, rtol=1e-5)


def test_attention_is_refused_with_the_remedy():
    model = nn.TransformerEncoderLayer(4, 2, 6, batch_first=True)
    with pytest.raises(
        UsageError, match=r"in_proj_weight is no weight .*--exclude self_attn.in_proj_weight,self_attn.out"
    ):
        wanda(subject(model, torch.randn(3, 5, 4)))


def test_inputs_that_are_no_numbers_are_refused():
    with pytest.raises(ApcliError, match="layer 0 has NaN or Inf in its inputs"):
        wanda(subject(nn.Sequential(nn.Linear(2, 2)), torch.tensor([[1.0, np.nan]])))
