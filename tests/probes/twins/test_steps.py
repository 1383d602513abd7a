"""Which steps a network has, and which networks are refused with which words."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from apcli.models.fully_connected import FullyConnected
from apcli.models.resnet_cifar import CifarResNet
from apcli.probes.traced.operations import Refusal, operations
from apcli.probes.twins.steps import steps_of


class Calls(nn.Module):
    """A network that calls a function on its input."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Own(nn.Linear):
    """A layer that is called Linear and is not linear."""

    def forward(self, x):
        return super().forward(x).square()


def of(network, *size):
    return steps_of(operations(network.eval(), torch.zeros(1, *size)))


def test_the_steps_of_the_project_s_networks():
    steps = of(FullyConnected((1, 8, 8), (7, 5), 3), 1, 8, 8)
    assert [step.kind for step in steps] == ["input", *["affine"] * 2, *["relu", "affine"] * 2]
    assert [step.shape for step in steps] == [(1, 1, 8, 8), (1, 64), *[(1, 7)] * 2, *[(1, 5)] * 2, (1, 3)]
    kinds = [step.kind for step in of(CifarResNet(8, 10), 3, 8, 8)]
    assert (kinds.count("relu"), kinds.count("sum")) == (7, 3)


def test_applied_one_after_another_they_are_the_network():
    torch.manual_seed(0)
    pool = nn.MaxPool2d(3, 2, padding=1)
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(inplace=True), pool, nn.Flatten(), nn.Linear(27, 4)).eval()
    image, results = torch.randn(1, 1, 8, 8), []
    steps = of(network, 1, 8, 8)
    for step in steps:
        results.append(step.apply(*(results[place] for place in step.of) if step.of else (image,)))
    assert torch.equal(results[-1], network(image))
    assert [step.shape for step in steps] == [result.shape for result in results]
    assert (steps[3].window.size, steps[3].window.step, steps[3].window.padding) == ((3, 3), (2, 2), (1, 1))


def test_functions_as_modules():
    steps = of(Calls(lambda x: F.relu(F.max_pool2d(x + x, (2, 3), 1, padding=1)).view(x.size(0), -1)), 2, 6, 6)
    assert [(step.kind, step.of) for step in steps[1:]] == [
        *[("sum", (0, 0)), ("max", (1,)), ("relu", (2,)), ("affine", (3,))]
    ]
    assert (steps[2].window.size, steps[2].window.step, steps[2].window.padding) == ((2, 3), (1, 1), (1, 1))


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (nn.Sequential(nn.Linear(4, 4), nn.GELU()), "GELU in 1: it cannot be bounded: expected a network of Linear"),
        (nn.Sequential(nn.TransformerEncoderLayer(4, 2)), "TransformerEncoderLayer in 0"),
        (nn.Sequential(nn.Linear(4, 4), Own(4, 4)), "linear in 1: it takes a tensor outside any layer"),
        (Calls(lambda x: F.max_pool2d(x[None], 2, ceil_mode=True)), "max_pool2d: it cannot be bounded"),
        (Calls(lambda x: x.softmax(1)), "softmax: it cannot be bounded"),
        (Calls(lambda x: x * x), "mul: it cannot be bounded"),
        (Calls(lambda x: x + x.mean(1, keepdim=True)), "add: it cannot be bounded"),
        (nn.Sequential(nn.BatchNorm1d(4, track_running_stats=False)), "BatchNorm1d in 0: it normalises by the batch"),
    ],
)  # fmt: skip
def test_what_cannot_be_bounded_is_named(network, words):
    with pytest.raises(Refusal, match=words):
        of(network, 4, 4)


@pytest.mark.parametrize("function", [lambda x: x.mean(0), lambda x: x.flatten(0), lambda x: x[0], lambda x: x.mean()])
def test_functions_that_mix_images_are_refused(function):
    with pytest.raises(Refusal, match="it mixes images"):
        of(Calls(function), 3, 4)
