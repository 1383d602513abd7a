"""Modules take the shapes of a compact file, run with them, and refuse what cannot be."""

import pytest
import torch
from torch import nn

from apcli.channels.resize import fit_
from apcli.errors import ApcliError


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.act = nn.PReLU(8)
        self.depth = nn.Conv2d(8, 8, 3, groups=8)
        self.up = nn.ConvTranspose2d(8, 6, 2, bias=False)
        self.inner = nn.InstanceNorm2d(6, affine=True)
        self.grouped = nn.Conv2d(6, 6, 1, groups=2)
        self.layer_norm = nn.LayerNorm(6)
        self.fc = nn.Linear(6, 5)

    def forward(self, x):
        x = self.up(self.depth(self.act(self.norm(self.conv(x)))))
        x = self.inner(self.grouped(x)).mean((2, 3))
        return self.fc(self.layer_norm(x))


def shapes(**given):
    return {name.replace("__", "."): shape for name, shape in given.items()}


SMALLER = shapes(
    conv__weight=(5, 3, 3, 3), conv__bias=(5,), norm__weight=(5,), norm__bias=(5,), norm__running_mean=(5,),
    norm__running_var=(5,), act__weight=(5,), depth__weight=(5, 1, 3, 3), depth__bias=(5,), up__weight=(5, 6, 2, 2),
)  # fmt: skip


def test_modules_become_what_the_shapes_say():
    model = Small()
    model.conv.bias.requires_grad_(False)
    fit_(model, SMALLER)
    state = {name: torch.randn(tensor.shape).abs() for name, tensor in model.state_dict().items()}
    assert {name: tuple(state[name].shape) for name in SMALLER} == SMALLER
    state["norm.num_batches_tracked"] = torch.tensor(1)
    model.load_state_dict(state)  # strictly
    assert (model.conv.in_channels, model.conv.out_channels, model.conv.groups) == (3, 5, 1)
    assert (model.depth.in_channels, model.depth.out_channels, model.depth.groups) == (5, 5, 5)
    assert (model.up.in_channels, model.up.out_channels) == (5, 6)
    assert (model.norm.num_features, model.act.num_parameters) == (5, 5)
    assert not model.conv.bias.requires_grad
    assert model.conv.weight.requires_grad
    loss = model.train()(torch.randn(2, 3, 6, 6)).square().sum()
    loss.backward()
    assert model.depth.weight.grad.shape == (5, 1, 3, 3)


def test_linear_layers_keep_their_type():
    model = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 3)).to(torch.float16)
    fit_(model, {"0.weight": [2, 4], "0.bias": [2], "1.weight": [3, 2]})
    assert (model[0].out_features, model[1].in_features, model[1].out_features) == (2, 2, 3)
    assert model[0].weight.dtype == torch.float16


def test_equal_shapes_change_nothing():
    model = Small()
    before = {name: id(tensor) for name, tensor in model.named_parameters()}
    fit_(model, {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()})
    assert {name: id(tensor) for name, tensor in model.named_parameters()} == before


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"conv.weight": (5, 3, 1, 1)}, "conv.weight is 5x3x1x1 in the compact file and 8x3x3x3 in the model"),
        ({"conv.weight": (9, 3, 3, 3)}, "9x3x3x3"),
        ({"conv.weight": (0, 3, 3, 3)}, "0x3x3x3"),
        ({"conv.weight": (5, 3)}, "5x3 in"),
        ({"depth.weight": (4, 2, 3, 3)}, "4x2x3x3"),
        ({"grouped.weight": (4, 3, 1, 1)}, "grouped.weight is"),
        ({"layer_norm.weight": (4,)}, "layer_norm.weight is 4"),
        ({"other.weight": (4,)}, "has other.weight, the model does not"),
        ({"conv.other": (4,)}, "has conv.other, the model does not"),
        ({"conv.kernel_size": (1,)}, "has conv.kernel_size, the model does not"),
        ({"": (1,)}, "the model does not"),
        ({"conv.weight": (5, 3, 3, 3)}, "tensors of conv in the compact file have different sizes"),
        ({"norm.weight": (5,)}, "tensors of norm in"),
        ({"norm.num_batches_tracked": (5,)}, "norm.num_batches_tracked is 5"),
    ],
)
def test_shapes_that_no_compact_file_has(given, words):
    with pytest.raises(ApcliError) as caught:
        fit_(Small(), given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
