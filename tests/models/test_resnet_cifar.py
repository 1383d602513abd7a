"""The CIFAR ResNets against what was published: sizes, tensor names, and the option-A shortcut."""

import pytest
import torch
from torch import nn

from apcli.models import MODELS
from apcli.models.resnet_cifar import Block, CifarResNet


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)]
)  # He et al. 2016, table 6
def test_resnet_sizes_are_the_published_ones(depth, millions):
    count = parameters(CifarResNet(depth, num_classes=10))
    digits = 1 if depth == 110 else 2
    assert round(count / 1e6, digits) == millions


def test_resnet20_parameters_by_hand():
    convolutions = 9 * (3 * 16 + 6 * 16 * 16 + 16 * 32 + 5 * 32 * 32 + 32 * 64 + 5 * 64 * 64)
    norms = 2 * (7 * 16 + 6 * 32 + 6 * 64)
    assert parameters(CifarResNet(20, num_classes=10)) == convolutions + norms + 64 * 10 + 10


def test_resnet_tensor_names_are_those_of_public_state_dicts():
    names = set(CifarResNet(20, num_classes=10).state_dict())
    assert {"conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight", "layer3.2.bn2.bias", "fc.bias"} <= names
    assert not any("shortcut" in name for name in names)


@pytest.mark.parametrize("size", [8, 7])
def test_downsampling_shortcut_is_option_a(size):
    block = Block(4, 8, stride=2).eval()
    nn.init.zeros_(block.conv1.weight)
    nn.init.zeros_(block.conv2.weight)
    x = torch.randn(2, 4, size, size)
    half = (size + 1) // 2
    expected = torch.zeros(2, 8, half, half)
    for channel in range(4):
        for row in range(half):
            for column in range(half):
                expected[:, 2 + channel, row, column] = x[:, channel, 2 * row, 2 * column].clamp(min=0)
    assert torch.equal(block(x), expected)


def test_plain_block_keeps_its_input_when_its_convolutions_are_zero():
    block = Block(4, 4, stride=1).eval()
    nn.init.zeros_(block.conv1.weight)
    nn.init.zeros_(block.conv2.weight)
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(block(x), x.relu())


def test_resnet_stages_halve_the_resolution_and_double_the_channels():
    model = CifarResNet(20, num_classes=10).eval()
    out = model.layer1(model.bn1(model.conv1(torch.randn(1, 3, 32, 32))))
    shapes = [out.shape]
    for stage in (model.layer2, model.layer3):
        out = stage(out)
        shapes.append(out.shape)
    assert shapes == [(1, 16, 32, 32), (1, 32, 16, 16), (1, 64, 8, 8)]


def test_resnet_refuses_other_depths_and_grey_input():
    with pytest.raises(ValueError, match="6n"):
        CifarResNet(21, num_classes=10)
    with pytest.raises(ValueError, match="3 channels"):
        MODELS.row("resnet20").load()(num_classes=10, input_size=(1, 8, 8))
