"""One pass through a network: with shapes alone or with zeros, leaving the network as it was, or saying why not."""

import pytest
import torch
from torch import nn

from apcli.channels.graph import graph_of
from apcli.errors import ApcliError


def test_a_pass_gives_roles_flows_and_calls():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Unflatten(1, (2, 2)), nn.Flatten(), nn.Linear(16, 5)
    )
    graph = graph_of(model, torch.zeros(1, 3, 2, 2))
    assert graph.traced.roles.made == {("0.weight", 0), ("4.weight", 0)}
    assert graph.traced.roles.read == {("0.weight", 1), ("4.weight", 1)}
    assert [call.kind for call in graph.calls] == ["unflatten"]
    assert [ids is None or len(ids) for ids in graph.calls[0].counted] == [2, 2]


class Counted(nn.Module):
    """It runs with numbers only."""

    def __init__(self):
        super().__init__()
        self.a, self.fc = nn.Conv2d(3, 4, 1), nn.Linear(4, 5)

    def forward(self, x):
        x = self.a(x)
        return self.fc(x.mean((2, 3))) * int(x.sum() >= 0)


def test_a_network_that_needs_numbers_is_traced_with_zeros():
    model = Counted()
    before = [parameter.clone() for parameter in model.parameters()]
    graph = graph_of(model, torch.ones(1, 3, 4, 4))
    assert ("a.weight", 0, "fc.weight", 1) in graph.traced.flows
    assert all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))


def test_a_network_that_does_not_run_says_so_in_a_line():
    with pytest.raises(ApcliError, match=r"cannot be traced \(.*\): prune single weights") as caught:
        graph_of(nn.Linear(7, 2), torch.zeros(1, 3, 2, 2))
    assert "\n" not in str(caught.value)


def test_settings_of_pytorch_are_as_before():
    fast = torch.backends.mha.get_fastpath_enabled()
    with pytest.raises(ApcliError):
        graph_of(nn.Linear(7, 2), torch.zeros(1, 3, 2, 2))
    assert torch.backends.mha.get_fastpath_enabled() == fast
    assert torch.is_grad_enabled()
