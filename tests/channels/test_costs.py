"""The polynomial of widths against what is counted in networks that were really cut."""

from functools import partial

import numpy as np
import pytest
import timm
import torch
import torchvision
from channel_prunings import Branches, without
from torchvision.models import densenet, resnet

from apcli.channels.costs import width_cost, width_time
from apcli.channels.groups import channel_graph
from apcli.models.copies import emptied
from apcli.models.resnet_cifar import resnet20, resnet56
from apcli.probes.costs import macs
from apcli.theory.widths.program import Program, solve
from apcli.theory.widths.times import LayerTime

NETWORKS = {
    "user": (Branches, 16),
    "resnet20": (partial(resnet20, 5, (3, 32, 32)), 32),
    "bottleneck": (partial(resnet.ResNet, resnet.Bottleneck, [1, 2, 1, 1], num_classes=5), 32),
    "resnext": (partial(resnet.ResNet, resnet.Bottleneck, [1, 1, 1, 1], 5, groups=4, width_per_group=16), 32),
    "densenet": (partial(densenet.DenseNet, 6, (2, 2), 8, num_classes=5), 32),
    "timm efficientnet": (partial(timm.create_model, "test_efficientnet", num_classes=5), 32),
    "timm vit": (partial(timm.create_model, "test_vit", num_classes=5, img_size=32), 32),
    "vgg16_bn": (torchvision.models.vgg16_bn, 32),
}


def outline_of(build, size):
    with torch.device("meta"):
        model = build().eval()
    images = torch.empty(1, 3, size, size, device="meta")
    groups = [group for group in channel_graph(model, images).groups if not group.fixed]
    return model, images, groups, {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def cut(model, groups, widths):
    """The network with so many channels of each group: its modules are resized."""
    removed = {group.name: np.arange(group.size - width) for group, width in zip(groups, widths, strict=True)}
    images = torch.empty(2, 3, 32, 32, device="meta")
    return without(emptied(model, "meta").to("meta"), channel_graph(model, images), groups, removed, images)[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_what_a_cut_network_costs(name):
    model, images, groups, shapes = outline_of(*NETWORKS[name])
    counts = macs(model, images)
    by_macs = width_cost(groups, shapes, counts.weights, counts.others, mixings=True)
    sizes = {name: tensor.numel() for name, tensor in model.named_parameters()}
    by_parameters = width_cost(groups, shapes, sizes)
    draws = np.random.default_rng(0)
    full = np.array([group.size for group in groups])
    for widths in (full, *(draws.integers(1, full + 1) for _ in range(3))):
        small = cut(model, groups, widths)
        assert by_macs.at(widths.astype(float)) == macs(small, images).total
        assert by_parameters.at(widths.astype(float)) == sum(p.numel() for p in small.parameters())


def real(build, size, weighted):
    """A network's cost of shares at half of its multiply-adds: the widths of equally important groups."""
    model, images, groups, shapes = outline_of(build, size)
    counts = macs(model, images)
    full = np.array([group.size for group in groups], float)
    cost = width_cost(groups, shapes, counts.weights, counts.others).of_shares(full)
    values = cost.slope(np.ones(len(full))) if weighted else np.ones(len(full))
    found = solve(Program(values, cost, counts.total / 2, 1 / full))
    return cost, {group.name: share for group, share in zip(groups, found.shares, strict=True)}, found


@pytest.mark.slow
def test_resnet50_at_half_of_its_multiply_adds():
    """37 groups; weighted by what they cost, equally important ones get about the same width."""
    cost, shares, found = real(torchvision.models.resnet50, 224, weighted=True)
    assert cost.at(np.ones(37)) == pytest.approx(4089.2e6, rel=1e-4)
    eigenvalues = np.linalg.eigvalsh(cost.products)
    assert [(eigenvalues < -1).sum(), (eigenvalues > 1).sum()] == [20, 17]
    assert shares.pop("conv1") == pytest.approx(0.625, abs=0.002)
    assert min(shares.values()) > 0.695
    assert max(shares.values()) < 0.715
    assert found.residual < 1e-9
    _, shares, _ = real(torchvision.models.resnet50, 224, weighted=False)
    outputs = [shares[f"layer{stage}.0.conv3"] for stage in (1, 2, 3, 4)]
    assert outputs == pytest.approx([0.471, 0.419, 0.351, 0.574], abs=0.002)
    inner = [share for name, share in shares.items() if "conv3" not in name and name != "conv1"]
    assert min(inner) > 0.735
    assert max(inner) < 0.895


@pytest.mark.slow
def test_other_networks_at_half_of_theirs():
    mobilenet = partial(timm.create_model, "mobilenetv1_100")
    cost, shares, _ = real(mobilenet, 224, weighted=True)
    assert cost.at(np.ones(14)) == pytest.approx(568.7e6, rel=1e-3)
    eigenvalues = np.linalg.eigvalsh(cost.products)
    assert [(eigenvalues < -1).sum(), (eigenvalues > 1).sum()] == [7, 7]
    assert min(shares.values()) > 0.645
    assert max(shares.values()) < 0.715


def test_the_cifar_networks_with_shortcuts_that_pad():
    """By hand: the stem, then pairs of 3x3 convolutions, and the classifier."""
    for build, blocks in ((resnet20, 3), (resnet56, 9)):
        stage = 9 * 16 * 16 * 32**2  # of a convolution: the same in all stages, half of it where one begins
        total = 27 * 16 * 32**2 + stage * (6 * blocks - 1) + 640
        model, images, groups, shapes = outline_of(partial(build, 10, (3, 32, 32)), 32)
        counts = macs(model, images)
        widths = np.array([group.size for group in groups], float)
        assert width_cost(groups, shapes, counts.weights, counts.others).at(widths) == total


def test_the_time_of_a_cut_network_is_that_of_its_layers_shares():
    model, _, groups, shapes = outline_of(*NETWORKS["timm efficientnet"])
    weights = {f"{name}.weight": layer for name, layer in model.named_modules() if hasattr(layer, "groups")}
    draws = np.random.default_rng(0)
    times = {}
    for name, layer in weights.items():
        by_columns = layer.groups == 1
        fixed, rows, columns, both = draws.uniform(0, 1, 4)
        times[name] = LayerTime(fixed, rows, columns * by_columns, both * by_columns, 0.0)
    cost = width_time(groups, shapes, times, 5.0)
    full = np.array([group.size for group in groups])
    widths = draws.integers(1, full + 1)
    small = cut(model, groups, widths)
    expected = 5.0
    for name, time in times.items():
        size, cut_size = shapes[name], small.get_parameter(name).shape
        r, c = cut_size[0] / size[0], cut_size[1] / size[1]
        expected += time.fixed + time.by_rows * r + time.by_columns * c + time.by_both * r * c
    assert cost.at(widths.astype(float)) == pytest.approx(expected)
