"""The pass: sampled inputs never leave the bounds, which are far tighter than intervals of each network."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from apcli.models.fully_connected import FullyConnected
from apcli.models.resnet_cifar import Block
from apcli.probes.traced.operations import Refusal
from apcli.probes.twins import propagation
from apcli.probes.twins.propagation import Twins

SIZE = (1, 6, 6)


def fully_connected():
    return FullyConnected(SIZE, (30, 20, 20, 12), 4)


def convolutional():
    norm = nn.BatchNorm2d(5)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    return nn.Sequential(
        *(nn.Conv2d(1, 5, 3, padding=1, bias=False), norm, nn.ReLU(), nn.MaxPool2d(2), nn.Dropout()),
        *(nn.Conv2d(5, 6, 2), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(6, 4)),
    )


def residual():
    """Two blocks, of which one halves the image and adds channels."""
    blocks = Block(1, 3, 2), Block(3, 3, 1)
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(27, 4))


def twin(network, change):
    """A copy whose weights all differ by a share ``change``, or of which that share, the smallest, is gone."""
    other = copy.deepcopy(network)
    for weight in other.parameters():
        if change == "pruned":
            weight.data[weight.abs() < weight.abs().flatten().quantile(0.3)] = 0
        else:
            weight.data += change * weight.abs().mean() * torch.randn_like(weight)
    return other


def sampled(box, draws):
    """As many inputs of the box, half of them corners."""
    inside = 2 * torch.rand(draws, *box.centre.shape[1:], dtype=torch.float64) - 1
    inside[draws // 2 :] = inside[draws // 2 :].sign()
    return box.centre + box.radius * inside


@pytest.mark.parametrize("change", [1e-3, 0.1, 2.0, "pruned"])
@pytest.mark.parametrize("make", [fully_connected, convolutional, residual])
def test_a_thousand_sampled_inputs_stay_within(make, change):
    torch.manual_seed(3)
    network = make().eval()
    twins = Twins(network, twin(network, change), SIZE)
    for radius in (1e-3, 0.3):
        box = twins.over(torch.randn(1, *SIZE), torch.full((1, *SIZE), radius))
        inputs = sampled(box, 1000)
        dense, pruned = (one(inputs) for one in twins.networks)
        reach = box.reach()
        rows = torch.eye(4, dtype=torch.float64)
        envelope = box.envelope(difference=rows)
        above = inputs.flatten(1).numpy() @ envelope.slopes.T + envelope.constants
        assert (above >= (dense - pruned).numpy() - 1e-9).all()
        assert (box.highest(dense=rows, pruned=-2 * rows) >= dense - 2 * pruned - 1e-9).all()
        for values, found in ((dense, reach.dense), (pruned, reach.pruned), (dense - pruned, reach.difference)):
            assert (values <= found.high + 1e-9).all()
            assert (values >= found.low - 1e-9).all()


def intervals(network, centre, radius):
    """Interval propagation: centre and radius of each output."""
    for module in network:
        if isinstance(module, nn.Linear | nn.Conv2d):
            sizes = copy.deepcopy(module)
            sizes.weight.data.abs_()
            sizes.bias = None
            centre, radius = module(centre), sizes(radius)
        elif isinstance(module, nn.BatchNorm2d):
            scale = (module.weight.abs() / (module.running_var + module.eps).sqrt()).view(1, -1, 1, 1)
            centre, radius = module(centre), scale * radius
        elif isinstance(module, nn.ReLU | nn.MaxPool2d):
            low, high = module(centre - radius), module(centre + radius)
            centre, radius = (low + high) / 2, (high - low) / 2
        else:
            centre, radius = module(centre), module(radius)
    return centre, radius


@pytest.mark.parametrize(("make", "change", "ratio"), [
    (fully_connected, 1e-3, 500), (fully_connected, 0.1, 8), (convolutional, 1e-3, 50), (convolutional, 0.1, 1.3),
])  # fmt: skip
def test_they_are_tighter_than_intervals_of_each(make, change, ratio):
    torch.manual_seed(0)
    network = make().eval()
    twins = Twins(network, twin(network, change), SIZE)
    centre, radius = torch.rand(1, *SIZE), torch.full((1, *SIZE), 0.03)
    plain = [
        nn.Sequential(*one) if isinstance(one, nn.Sequential) else nn.Sequential(
            nn.Flatten(), *(part for layer in one.children() for part in (layer, nn.ReLU()))
        )[:-1]
        for one in twins.networks
    ]  # fmt: skip
    (a, ra), (b, rb) = (intervals(one, centre.double(), radius.double()) for one in plain)
    apart = float(((a - b).abs() + ra + rb).max())
    difference = twins.over(centre, radius).reach().difference
    bound = max(float(difference.high.max()), -float(difference.low.min()))
    assert apart / bound > ratio
    reached = float((twins.networks[0](centre.double()) - twins.networks[1](centre.double())).abs().max())
    assert reached <= bound < 4 * reached, "and not far above what happens"


def test_a_linear_network_is_bounded_exactly():
    torch.manual_seed(1)
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
    twins = Twins(network, twin(network, 0.5), SIZE)
    box = twins.over(torch.randn(1, *SIZE), torch.rand(1, *SIZE))
    a, b = (one.get_submodule("1") for one in twins.networks)
    change, shift = a.weight - b.weight, a.bias - b.bias
    middle = change @ box.centre.flatten() + shift
    most = middle + change.abs() @ box.radius.flatten()
    assert torch.allclose(box.reach().difference.high, most, rtol=1e-12)


def test_equal_networks_do_not_differ_and_a_point_is_exact():
    torch.manual_seed(2)
    network = convolutional().eval()
    centre, radius = torch.randn(1, *SIZE), torch.full((1, *SIZE), 0.2)
    same = Twins(network, network, SIZE).over(centre, radius).reach()
    assert float(same.difference.high.abs().max()) == float(same.difference.low.abs().max()) == 0
    assert (same.dense.high > same.dense.low).all()
    twins = Twins(network, twin(network, 1.0), SIZE)
    point = twins.over(centre, 0 * radius).reach()
    difference = twins.networks[0](centre.double()) - twins.networks[1](centre.double())
    assert torch.allclose(point.difference.low, difference, atol=1e-12)
    assert torch.allclose(point.difference.high, difference, atol=1e-12)


def test_rows_in_parts_are_rows_at_once(monkeypatch):
    torch.manual_seed(2)
    network = fully_connected().eval()
    twins = Twins(network, twin(network, 0.1), SIZE)
    centre, radius = torch.randn(1, *SIZE), torch.full((1, *SIZE), 0.2)
    whole = twins.over(centre, radius).reach().difference
    monkeypatch.setattr(propagation, "_AT_ONCE", 7 * math.prod(SIZE))
    parts = twins.over(centre, radius).reach().difference
    assert torch.allclose(parts.high, whole.high, rtol=1e-10)


def test_the_networks_stay_as_they_are():
    network = convolutional()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    Twins(network, network, SIZE).over(torch.randn(1, *SIZE), torch.ones(1, *SIZE)).reach()
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(value.requires_grad for value in network.parameters())


class Skip(nn.Module):
    """A residual whose ReLU works in place, so that the skip passes it too; or whose result is not used at all."""

    def __init__(self, relu):
        super().__init__()
        self.first, self.relu, self.last = nn.Linear(36, 6), relu, nn.Linear(6, 4)

    def forward(self, x):
        x = self.first(x.flatten(1))
        return self.last(x + self.relu(x))


@pytest.mark.parametrize("relu", [nn.ReLU(inplace=True), F.relu_])
def test_an_operation_in_place_whose_tensor_is_used_again_is_refused(relu):
    with pytest.raises(Refusal, match=r"changed in place since$"):
        Twins(Skip(relu), Skip(relu), SIZE)


def test_networks_that_normalise_by_the_batch_are_refused():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten())
    with pytest.raises(Refusal, match="BatchNorm2d in 1: it normalises by the batch"):
        Twins(network, network, SIZE)


def test_what_is_refused():
    network = fully_connected()
    with pytest.raises(Refusal, match="differ in their shapes"):
        Twins(network, FullyConnected(SIZE, (30, 20, 20, 11), 4), SIZE)
    with pytest.raises(Refusal, match=r"FullyConnected: it has 40,000 values before ReLU .* 32,768 at most"):
        Twins(FullyConnected(SIZE, (40_000,), 2), FullyConnected(SIZE, (40_000,), 2), SIZE)
