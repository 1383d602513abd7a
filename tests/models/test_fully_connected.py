"""The fully connected networks: their published sizes, and what they compute."""

import torch
from torch import nn

from apcli.models.fully_connected import fc5, fc12


def weights(model: nn.Module) -> int:
    return sum(module.weight.numel() for module in model.modules() if isinstance(module, nn.Linear))


def test_fully_connected_sizes_are_those_of_the_pruning_limit_paper():
    assert weights(fc5(10, (3, 32, 32))) == 3072 * 1000 + 1000 * 600 + 600 * 300 + 300 * 100 + 100 * 10  # 3.883 M
    twelve = fc12(10, (3, 32, 32))
    assert weights(twelve) == 7_263_000
    assert sum(isinstance(module, nn.Linear) for module in twelve.modules()) == 12


def test_fully_connected_is_relu_between_linear_layers():
    model = fc5(10, (1, 4, 4))
    images = torch.randn(3, 1, 4, 4)
    out = images.reshape(3, 16)
    for index in range(1, 6):
        layer = model.get_submodule(f"fc{index}")
        out = out @ layer.weight.T + layer.bias
        out = out if index == 5 else out.clamp(min=0)
    torch.testing.assert_close(model(images), out)
