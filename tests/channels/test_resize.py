"""Modules take the sizes of a compact file, run with them, and refuse what cannot be."""

import numpy as np
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


def kept(**given):
    """By tensor and dimension, the first indices or those given."""
    return {
        name.replace("__", "."): {
            dim: np.arange(stay) if isinstance(stay, int) else np.array(stay) for dim, stay in dims.items()
        }
        for name, dims in given.items()
    }


VECTORS = {f"norm__{name}": {0: 5} for name in ("weight", "bias", "running_mean", "running_var")}
SMALLER = kept(
    conv__weight={0: 5}, conv__bias={0: 5}, **VECTORS, act__weight={0: 5}, depth__weight={0: 5}, depth__bias={0: 5},
    up__weight={0: 5}, grouped__weight={0: [0, 1, 2]}, grouped__bias={0: [0, 1, 2]},
)  # fmt: skip


def test_modules_become_what_the_lists_say():
    model = Small()
    model.conv.bias.requires_grad_(False)
    fit_(model, SMALLER)
    for name, dims in SMALLER.items():
        assert {dim: model.state_dict()[name].shape[dim] for dim in dims} == {d: len(i) for d, i in dims.items()}
    assert (model.conv.in_channels, model.conv.out_channels, model.conv.groups) == (3, 5, 1)
    assert (model.depth.in_channels, model.depth.out_channels, model.depth.groups) == (5, 5, 5)
    assert (model.up.in_channels, model.up.out_channels) == (5, 6)
    assert (model.grouped.in_channels, model.grouped.out_channels, model.grouped.groups) == (3, 3, 1)
    assert (model.norm.num_features, model.act.num_parameters) == (5, 5)
    assert not model.conv.bias.requires_grad
    assert model.conv.weight.requires_grad
    out = model.train().depth(model.act(model.norm(model.conv(torch.randn(2, 3, 6, 6)))))
    assert model.up(out).shape == (2, 6, 5, 5)


def test_groups_go_whole_or_lose_the_same_channels():
    model = nn.ModuleDict({"a": nn.Conv2d(8, 12, 1, groups=4), "b": nn.ConvTranspose2d(8, 12, 1, groups=4)})
    fit_(model, kept(a__weight={0: [0, 1, 2, 9, 10, 11]}, a__bias={0: 6}, b__weight={0: [2, 3, 4, 5]}, b__bias={0: 6}))
    assert (model["a"].groups, model["a"].in_channels, model["a"].out_channels) == (2, 4, 6)
    assert (model["b"].groups, model["b"].in_channels, model["b"].out_channels) == (2, 4, 6)
    assert model["a"](torch.zeros(1, 4, 2, 2)).shape == (1, 6, 2, 2)
    assert model["b"](torch.zeros(1, 4, 2, 2)).shape == (1, 6, 2, 2)
    thin = nn.ModuleDict({"a": nn.Conv2d(8, 8, 1, groups=2)})
    fit_(thin, kept(a__weight={0: [0, 2, 4, 6], 1: [1, 3]}, a__bias={0: 4}))
    assert (thin["a"].groups, thin["a"].in_channels, thin["a"].out_channels) == (2, 4, 4)
    assert thin["a"](torch.zeros(1, 4, 2, 2)).shape == (1, 4, 2, 2)


def test_norms_and_attention_learn_their_size():
    model = nn.ModuleDict(
        {
            "ln": nn.LayerNorm(6),
            "gn": nn.GroupNorm(3, 6),
            "one": nn.GroupNorm(1, 6),
            "rms": nn.RMSNorm(6),
            "at": nn.MultiheadAttention(6, 3),
        }
    )
    rows = [0, 1, 4, 5, 6, 7, 10, 11, 12, 13, 16, 17]
    fit_(model, kept(
        ln__weight={0: 4}, ln__bias={0: 4}, gn__weight={0: 4}, gn__bias={0: 4}, one__weight={0: 4}, one__bias={0: 4},
        rms__weight={0: 4},
        at__in_proj_weight={0: rows}, at__in_proj_bias={0: rows}, **{"at__out_proj__weight": {1: [0, 1, 4, 5]}},
    ))  # fmt: skip
    assert (model["ln"].normalized_shape, model["rms"].normalized_shape) == ((4,), (4,))
    assert (model["gn"].num_groups, model["gn"].num_channels) == (2, 4)
    assert (model["one"].num_groups, model["one"].num_channels) == (1, 4)
    images = torch.randn(5, 2, 6)
    for tensor in model["at"].parameters():
        nn.init.normal_(tensor)
    assert model["at"](images, images, images)[0].shape == (5, 2, 6)


def test_recurrent_layers_lose_outputs_of_all_gates():
    model = nn.ModuleDict({"rnn": nn.LSTM(3, 4, 2, bidirectional=True)})
    rows = [0, 3, 4, 7, 8, 11, 12, 15]
    lists = {}
    for layer in ("l0", "l0_reverse", "l1", "l1_reverse"):
        inputs = {1: [0, 3, 4, 7]} if "1" in layer else {}
        lists |= {f"rnn.weight_ih_{layer}": {0: rows, **inputs}, f"rnn.weight_hh_{layer}": {0: rows, 1: [0, 3]}}
        lists |= {f"rnn.bias_ih_{layer}": {0: rows}, f"rnn.bias_hh_{layer}": {0: rows}}
    fit_(model, kept(**lists))
    assert (model["rnn"].input_size, model["rnn"].hidden_size) == (3, 2)
    for tensor in model.parameters():
        nn.init.normal_(tensor)
    assert model["rnn"](torch.zeros(5, 1, 3))[0].shape == (5, 1, 4)


def test_linear_layers_keep_their_type():
    model = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 3)).to(torch.float16)
    fit_(model, kept(**{"0.weight": {0: 2}, "0.bias": {0: 2}, "1.weight": {1: 2}}))
    assert (model[0].out_features, model[1].in_features, model[1].out_features) == (2, 2, 3)
    assert model[0].weight.dtype == torch.float16


def test_tensors_of_several_names_stay_one():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    names = ("0.weight", "0.bias", "1.weight", "1.bias")
    fit_(model, kept(**{name: {0: 3, 1: 3} if "weight" in name else {0: 3} for name in names}))
    assert model[0].weight is model[1].weight
    assert model[1].in_features == model[1].out_features == 3


def test_lists_of_all_indices_change_nothing():
    model = Small()
    before = {name: id(tensor) for name, tensor in model.named_parameters()}
    fit_(model, {name: {0: np.arange(len(tensor))} for name, tensor in model.state_dict().items() if tensor.dim()})
    assert {name: id(tensor) for name, tensor in model.named_parameters()} == before


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"conv.weight": {0: 9}}, "conv.weight is 9x3x3x3 in the compact file and 8x3x3x3 in the model"),
        ({"conv.weight": {0: 0}}, "0x3x3x3"),
        ({"conv.weight": {4: 1}}, "conv.weight is"),
        ({"rnn.weight_hh_l0": {1: 3}}, "recurrent layers of rnn cannot have these sizes"),
        ({"other.weight": {0: 4}}, "has other.weight, the model does not"),
        ({"conv.other": {0: 4}}, "has conv.other, the model does not"),
        ({"conv.kernel_size": {0: 1}}, "has conv.kernel_size, the model does not"),
        ({"": {0: 1}}, "the model does not"),
        ({"conv.weight": {0: 5}}, "tensors of conv in the compact file have different sizes"),
        ({"norm.weight": {0: 5}}, "tensors of norm in"),
        ({"norm.num_batches_tracked": {0: 5}}, "norm.num_batches_tracked is"),
    ],
)
def test_lists_that_no_compact_file_has(given, words):
    model = Small()
    model.rnn = nn.GRU(3, 4)
    with pytest.raises(ApcliError) as caught:
        fit_(model, kept(**given))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
