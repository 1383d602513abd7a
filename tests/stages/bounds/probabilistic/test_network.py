"""Descriptions of networks: torchvision's build, their bounds bound, and what has no bound is named."""

import copy

import pytest
import torch
import torch.nn.functional as F
import torchvision
from described_networks import apart, bounded, in_the_ball, pruned_at_random, settled
from torch import nn
from torchvision.models.resnet import Bottleneck

from apcli.models.fully_connected import FullyConnected
from apcli.models.resnet_cifar import CifarResNet
from apcli.probes.traced.operations import Refusal, operations
from apcli.stages.bounds.probabilistic.maps import Map
from apcli.stages.bounds.probabilistic.network import steps_of
from apcli.theory.closeness.propagation import Layer, Sum, propagate

IMAGE = torch.zeros(1, 3, 12, 12)


def kinds(network, example):
    """How many maps, sums and fixed steps a network has."""
    steps = steps_of(operations(network, example))
    return tuple(sum(isinstance(step, kind) for step in steps) for kind in (Map, Sum, Layer))


@pytest.mark.parametrize(
    ("name", "size", "maps"),
    [
        *[("alexnet", 64, 8), ("vgg16_bn", 32, 16), ("resnet50", 32, 54), ("densenet121", 32, None)],
        *[("googlenet", 32, 58), ("mobilenet_v2", 32, 53), ("squeezenet1_1", 32, 26)],
    ],
)
def test_networks_of_torchvision_are_described(name, size, maps):
    """Batch norms are part of the maps before them, and dropout is nothing."""
    with torch.device("meta"):
        network = torchvision.models.get_model(name, weights=None, num_classes=10, init_weights=False) if name in (
            "googlenet", "vgg16_bn"
        ) else torchvision.models.get_model(name, weights=None, num_classes=10)  # fmt: skip
        steps = steps_of(operations(network.eval(), torch.zeros(1, 3, size, size)))
    found = [step for step in steps if isinstance(step, Map)]
    assert maps is None or len(found) == maps
    layers = [n for n, m in network.named_modules() if isinstance(m, nn.Linear | nn.Conv2d) and "aux" not in n]
    assert [one.layer for one in found if not isinstance(network.get_submodule(one.layer), nn.BatchNorm2d)] == layers
    norms = {n for n, m in network.named_modules() if isinstance(m, nn.BatchNorm2d) and "aux" not in n}
    assert {one.norm or one.layer for one in found} >= norms


def vgg():
    layers = torchvision.models.vgg.make_layers([4, "M", 6, 6, "M"], batch_norm=True)
    network = torchvision.models.vgg.VGG(layers, num_classes=5, init_weights=False)
    network.classifier = nn.Sequential(nn.Linear(6 * 49, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 5))
    return network


def alexnet():
    features = nn.Sequential(
        *(nn.Conv2d(3, 6, 5, stride=2, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(6, 6, 3, padding=1, groups=2), nn.Sigmoid(), nn.AdaptiveAvgPool2d(3), nn.Flatten()),
    )
    return nn.Sequential(features, nn.Dropout(), nn.Linear(54, 10), nn.GELU(), nn.Linear(10, 5))


def bottleneck():
    downsample = nn.Sequential(nn.Conv2d(6, 8, 1, stride=2, bias=False), nn.BatchNorm2d(8))
    first = Bottleneck(6, 2, stride=2, downsample=downsample)
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(), first, Bottleneck(8, 2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)),
    )


class Functional(nn.Module):
    """Parts that networks take from torch.nn.functional and torch, and a batch norm before its convolution."""

    def __init__(self):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3, padding="same", dilation=2)
        self.up, self.fc = nn.ConvTranspose2d(4, 4, 2, stride=2), nn.Linear(8, 5)

    def forward(self, x):
        out = F.leaky_relu(self.conv(self.norm(x)), 0.2)
        pooled = F.avg_pool2d(F.pad(out, (1, 1, 1, 1)), 3, stride=2) * 0.5 + 1
        up = F.max_pool2d(self.up(pooled), 2)
        joined = torch.cat([pooled, up[:, :, ::1, ::1]], 1)
        return self.fc(F.dropout(torch.tanh(joined).mean(dim=(2, 3)), training=self.training)) / 2


NETWORKS = {
    "fully connected": lambda: FullyConnected((3, 12, 12), (20, 10), 5),
    "resnet of the project": lambda: CifarResNet(8, 5),
    "vgg with batch norm": vgg,
    "alexnet": alexnet,
    "bottlenecks of resnet50": bottleneck,
    "functions": Functional,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_bound_bounds(name):
    """Over random masks, changed biases and running statistics, and inputs of a ball."""
    torch.manual_seed(0)
    dense = settled(NETWORKS[name](), IMAGE)
    for seed, share in enumerate((0.02, 0.3, 0.9)):
        pruned, radius = pruned_at_random(dense, share, seed), (0.5, 5.0, 50.0)[seed]
        difference, first, second = apart(dense, pruned, in_the_ball(IMAGE, radius, seed=seed))
        bounds = bounded(dense, pruned, IMAGE, radius)
        assert 0 < difference <= bounds.difference <= bounds.by_product * (1 + 1e-12)
        assert first <= bounds.dense
        assert second <= bounds.pruned


def test_the_same_network_is_not_apart():
    dense = settled(bottleneck(), IMAGE)
    bounds = bounded(dense, copy.deepcopy(dense), IMAGE, 3.0)
    assert (bounds.difference, bounds.by_product) == (0, 0)


def test_a_linear_network_is_as_far_apart_as_its_bound():
    dense = nn.Sequential(nn.Flatten(), nn.Linear(12, 4, bias=False))
    pruned = copy.deepcopy(dense)
    with torch.no_grad():
        pruned[1].weight[:, :5] = 0
    taken = float(torch.linalg.matrix_norm(dense[1].weight[:, :5].detach().double(), 2))
    assert bounded(dense, pruned, torch.zeros(1, 3, 2, 2), 7.0).difference == pytest.approx(7 * taken, rel=1e-9)


class Calls(nn.Module):
    """A layer that calls a function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


@pytest.mark.parametrize("width", [4, 6])
def test_a_batch_norm_over_tokens_is_a_map_by_itself(width):
    """It multiplies tokens, not the layer's outputs: of which there are as many, or not."""
    norm = nn.BatchNorm1d(4)
    dense = nn.Sequential(nn.Linear(8, width, bias=False), norm, nn.Flatten()).eval()
    with torch.no_grad():
        norm.running_var.copy_(torch.tensor([1e-4, 1.0, 1.0, 1.0]))
        dense[0].weight[0] *= 1e-3
    pruned = copy.deepcopy(dense)
    with torch.no_grad():
        pruned[0].weight[1:, :4] = 0
    inputs = torch.zeros(1, 4, 8, dtype=torch.float64)
    inputs[:, 0] = torch.linalg.svd((dense[0].weight - pruned[0].weight).detach().double())[2][0]
    difference, first, _ = apart(dense, pruned, inputs)
    bounds = bounded(dense, pruned, torch.zeros(1, 4, 8), 1.0)
    assert difference == pytest.approx(bounds.difference, rel=1e-6)
    assert first <= bounds.dense


def test_an_image_that_is_several_rows_for_a_layer_has_a_bias_in_each():
    dense = nn.Sequential(Calls(lambda x: x.view(-1, 3)), nn.Linear(3, 2), Calls(lambda x: x.view(-1, 8)))
    _, first, _ = apart(dense, dense, torch.zeros(1, 12, dtype=torch.float64))
    assert bounded(dense, dense, torch.zeros(1, 12), 0.0).dense == pytest.approx(first, rel=1e-6)


def test_branches_are_places():
    """A residual sum adds the outputs of two places, and a branch begins where its input is."""
    steps = steps_of(operations(bottleneck().eval(), IMAGE))
    assert kinds(bottleneck().eval(), IMAGE) == (9, 3, 8)
    sums = [step for step in steps if isinstance(step, Sum)]
    assert [step.places for step in sums] == [(2,), (7, 9), (16, 11)]
    layers = [step if not isinstance(step, Map) else Layer(2, 2, 1) for step in steps]
    assert propagate(layers, 1).difference > 0


class Gate(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x)


class Position(nn.Module):
    def __init__(self):
        super().__init__()
        self.place = nn.Parameter(torch.ones(1, 6))

    def forward(self, x):
        return x + self.place


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (Gate(), "mul in 0: how it combines two activations"),
        (Position(), "add in 0: it takes a tensor outside any layer"),
        (nn.LayerNorm(6), "LayerNorm in 0: it has no Lipschitz constant"),
        (nn.Softmax(1), "Softmax in 0: it has no Lipschitz constant"),
        (Calls(lambda x: x[:, [0, 0, 0, 1, 2, 3]]), "getitem in 0: no Lipschitz constant"),
        (Calls(lambda x: F.dropout(x, 0.5)), "dropout in 0: no Lipschitz constant"),
        (Calls(lambda x: F.dropout(x, 0.5, True, False)), "dropout in 0: no Lipschitz constant"),
        (nn.ELU(alpha=2.0), "ELU in 0: its parameters are not the usual ones"),
    ],
)
def test_what_has_no_bound_is_named(part, message):
    with pytest.raises(Refusal, match=message):
        steps_of(operations(nn.Sequential(part, nn.Linear(6, 2)).eval(), torch.ones(1, 6)))


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (nn.Conv2d(3, 2, 3, padding=1, padding_mode="reflect"), "Conv2d in 0: padding mode is reflect"),
        (nn.BatchNorm2d(3, track_running_stats=False), "BatchNorm2d in 0: it normalises by the batch"),
        (nn.Sequential(nn.Flatten(2), nn.MaxPool2d(2, 1)), "MaxPool2d in 0.1: it pools a tensor of 1x3x144"),
        (nn.AvgPool2d(5, ceil_mode=True), "AvgPool2d in 0: its windows run over the end"),
    ],
)
def test_parts_of_images_without_a_bound_are_named(part, message):
    with pytest.raises(Refusal, match=message):
        steps_of(operations(nn.Sequential(part, nn.Flatten()), IMAGE))


@pytest.mark.parametrize(
    ("function", "shift"),
    [
        (lambda x: x[:, None, ..., :6][:, 0], 0),
        (lambda x: F.dropout(x, 0.5, False), 0),
        (lambda x: torchvision.ops.stochastic_depth(x, 0.5, "row", training=False), 0),
        (lambda x: torch.add(x, 2.0, alpha=5), 10),
    ],
)
def test_functions_that_move_numbers_by_a_shift(function, shift):
    network = nn.Sequential(Calls(function), nn.Linear(6, 2, bias=False))
    norm = float(torch.linalg.matrix_norm(network[1].weight.detach().double(), 2))
    assert bounded(network, network, torch.ones(1, 6), 1.0).dense == pytest.approx(norm * (1 + shift * 6**0.5))


@pytest.mark.parametrize("part", [nn.ReLU, nn.ELU, nn.Hardtanh, nn.SELU, nn.SiLU, nn.ReLU6])
def test_functions_in_place_have_the_bounds_of_the_others(part):
    plain, in_place = (nn.Sequential(nn.Linear(6, 4), part(inplace=each), nn.Linear(4, 2)) for each in (False, True))
    in_place.load_state_dict(plain.state_dict())
    bounds = [bounded(network, network, torch.ones(1, 6), 1.0) for network in (plain, in_place)]
    assert bounds[0] == bounds[1]
