"""The traced operations: their order, what they take, their shapes, and what cannot be traced."""

import operator

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from apcli.probes.traced.operations import INPUT, Refusal, check, operations


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x):
        return torch.cat([F.relu(self.conv(x) + x), x * self.scale], dim=1)


class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.block, self.last = nn.Conv2d(3, 4, 3), Block(), nn.Linear(8, 5)

    def forward(self, x):
        out = self.block(self.first(x))
        return self.last(out.mean((2, 3)).view(x.shape[0], -1)), out


def test_operations_in_order():
    network = Whole().train()
    found = operations(network, torch.zeros(1, 3, 8, 8))
    kinds = [one.kind if isinstance(one.kind, str) else type(one.kind) for one in found]
    assert kinds == [nn.Conv2d, nn.Conv2d, "add", "relu", "mul", "cat", "mean", "view", nn.Linear]
    assert [one.inputs for one in found] == [(INPUT,), (0,), (1, 0), (2,), (0,), (3, 4), (5,), (6,), (7,)]
    assert [one.where for one in found] == ["first", "block.conv", *["block"] * 4, "", "", "last"]
    assert (found[5].before, found[5].after) == (((1, 4, 6, 6), (1, 4, 6, 6)), (1, 8, 6, 6))
    assert found[5].keywords == {"dim": 1}
    assert found[6].arguments == ((2, 3),)
    assert [one.others for one in found] == [0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert (found[4].name, found[0].name) == ("mul in block", "Conv2d in first")
    assert network.training, "left as it was"


class Deciding(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Constant(nn.Module):
    def forward(self, x):
        return torch.ones(1, 2)


@pytest.mark.parametrize(
    ("network", "message"),
    [(Deciding(), "Deciding: its operations cannot be traced"), (Constant(), "Constant: no operation makes its")],
)
def test_networks_whose_operations_are_not_known(network, message):
    with pytest.raises(Refusal, match=message):
        operations(network, torch.zeros(1, 2))


class Splitting(nn.Module):
    def forward(self, x):
        first, second = x.chunk(2, dim=1)
        return operator.add(first, second)


def test_a_result_of_several_tensors_is_one_operation():
    found = operations(Splitting(), torch.zeros(1, 4))
    assert [one.kind for one in found] == ["chunk", "getitem", "getitem", "add"]
    assert (found[0].after, found[1].after, found[3].inputs) == ((), (1, 2), (1, 2))


def of_functions(*functions):
    """A network that calls functions one after another."""

    class Calling(nn.Module):
        def forward(self, x):
            for function in functions:
                x = function(x)
            return x

    return Calling()


def without_result(function):
    def changed(x):
        function(x)
        return x

    return changed


@pytest.mark.parametrize(
    ("functions", "user"),
    [
        ([without_result(F.relu_)], "output"),
        ([without_result(lambda x: x.mul_(10)), F.relu], "relu"),
        ([without_result(lambda x: F.relu(x[:, :2], inplace=True)), F.relu], "relu"),
        ([lambda x: x + nn.functional.relu(x, inplace=True)], "add"),
        ([lambda x: (lambda view: (x.add_(1), view)[1])(x.flatten(1)), F.relu], "relu"),
    ],
)
def test_a_tensor_that_is_used_after_it_was_changed_in_place_is_refused(functions, user):
    network = of_functions(lambda x: x * 1, *functions)
    with pytest.raises(Refusal, match=f"^{user}: it takes what [a-z_0-9]+ gave, which was changed in place since$"):
        operations(network, torch.ones(1, 4))


class Residual(nn.Module):
    """As torchvision writes it: in place wherever the tensor is not needed again."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.relu = nn.Linear(4, 4), nn.Linear(4, 4), nn.ReLU(inplace=True)

    def forward(self, x):
        out = self.two(self.relu(self.one(x)))
        out += x
        return self.relu(out).view(x.size(0), -1)


def test_operations_in_place_whose_tensors_are_not_needed_again():
    network, example = Residual(), torch.zeros(1, 4)
    found = operations(network, example)
    assert len(found) == 6
    check(found, network, example)
    image = torch.randn(1, 4)
    assert torch.equal(found[0].apply(image), network.one(image))


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Unflatten(1, (2, 2)), nn.BatchNorm1d(2, track_running_stats=False), nn.Flatten()),
        of_functions(lambda x: x * 1, lambda x: operator.iadd(x, 1) + x),  # += is traced as a sum by itself
        of_functions(F.dropout),
        of_functions(lambda x: x - x.mean(0)),
        of_functions(lambda x: x.view(-1, 4, 1).flatten(0).view(-1, 4).flip(0)),
    ],
)
def test_operations_that_are_not_the_network_are_refused(network):
    example = torch.zeros(1, 4)
    with pytest.raises(Refusal, match="one after another and image by image, do not give its output"):
        check(operations(network, example), network, example)
