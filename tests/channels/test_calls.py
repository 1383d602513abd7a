"""Sizes in a network's code: found where they are wrong, kept as text, and used by the module."""

import copy

import numpy as np
import pytest
import torch
from channel_prunings import without
from torch import nn
from torch.nn import functional as F

from apcli.channels.calls import Compared, resize_calls_, state_as_built_
from apcli.channels.graph import graph_of
from apcli.channels.groups import channel_graph
from apcli.errors import ApcliError


class Stated(nn.Module):
    """Every kind of call that states a number of channels."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 12, 1), nn.Conv2d(3, 4, 1), nn.Conv2d(12, 12, 1)
        self.fc = nn.Linear(12, 5)

    def forward(self, x):
        n = len(x)
        wide = F.relu(self.a(x))
        wide = wide + F.pad(self.b(x), (0, 0, 0, 0, 4, 4))
        heads = wide.reshape(n, 3, 4, -1) * wide.view(n, 12, -1).unflatten(dim=1, sizes=(3, 4))
        first, second = torch.split(self.c(heads.reshape(n, 12, *x.shape[2:])), [4, 8], dim=1)
        one, two, three = torch.cat([second, first], 1).chunk(3, dim=1)
        joined = torch.cat([one, two, three], 1).mean((2, 3))
        return self.fc(joined + joined.new_zeros(n, 12) + torch.zeros(n, 12, device=x.device))


def halved(model):
    """The network with every second channel of each group removed, the sizes that it needs, and the same with zeros."""
    graph = channel_graph(model, torch.zeros(1, 3, 4, 4))
    groups = [group for group in graph.groups if not group.fixed]
    removed = {group.name: np.arange(0, group.size, 2) for group in groups}
    small, kept, sizes = without(model, graph, groups, removed, torch.randn(2, 3, 4, 4))
    masked = copy.deepcopy(model)
    with torch.no_grad():
        for name, whole in model.state_dict().items():
            left = whole
            for dim, stay in kept.get(name, {}).items():
                left = left.index_select(dim, torch.from_numpy(stay))
                if whole.dim() > 1:
                    gone = np.setdiff1d(np.arange(whole.shape[dim]), stay)
                    masked.state_dict()[name].index_fill_(dim, torch.from_numpy(gone), 0)
            small.state_dict()[name].copy_(left)
    state_as_built_(small)
    return small, sizes, masked


def test_a_network_runs_with_the_sizes_that_it_needs():
    model = Stated().eval()
    small, sizes, masked = halved(model)
    images = torch.randn(3, 3, 4, 4)
    with pytest.raises(RuntimeError):
        small(images)
    resize_calls_(small, sizes)
    with torch.no_grad():
        torch.testing.assert_close(small(images), masked(images))
        torch.testing.assert_close(copy.deepcopy(small)(images), masked(images))
    assert set(sizes) == {""}
    assert {form.partition(" ")[0] for form in sizes[""]} == {"shape", "unflatten", "pad", "split", "zeros"}
    state_as_built_(small)
    with pytest.raises(RuntimeError):
        small(images)


def test_a_number_that_counts_pixels_or_images_too_is_kept_as_a_share():

    class Viewed(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.fc = nn.Conv2d(3, 4, 1), nn.Linear(64, 5)

        def forward(self, x):
            return self.fc(self.a(x).view(len(x), 64))

    small, sizes, masked = halved(Viewed().eval())
    assert sizes == {"": {"shape ?,?": "?,1/2"}}
    images = torch.randn(3, 3, 4, 4)
    for wanted in ("?,1/2", "?,-1"):  # the second is of earlier versions
        resize_calls_(small, {"": {"shape ?,?": wanted}})
        torch.testing.assert_close(small(images), masked(images))


class Inner(nn.Module):
    """Calls of one form, of which the second alone counts what it loses; its own child has another such call."""

    class Child(nn.Module):
        def forward(self, x):
            return x.reshape(len(x), 6)

    def __init__(self):
        super().__init__()
        self.child, self.up, self.down = self.Child(), nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x):
        stream = self.child(x.reshape(len(x), 6))
        return stream + self.down(self.up(stream).relu().reshape(len(x), 6))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.inner, self.fc = nn.Linear(48, 6), Inner(), nn.Linear(6, 5)

    def forward(self, x):
        return self.fc(self.inner(self.inner(self.a(x.flatten(1)))))


def test_calls_of_one_form_that_need_different_numbers_have_them_in_order():
    model = Twice().eval()
    graph = channel_graph(model, torch.zeros(1, 3, 4, 4))
    (group,) = [group for group in graph.groups if group.name == "inner.up"]
    small, _, sizes = without(model, graph, [group], {"inner.up": np.arange(2)}, torch.randn(2, 3, 4, 4))
    assert sizes == {"inner": {"shape ?,6": "?,6 ?,6 ?,4"}}
    resize_calls_(small, sizes)
    assert small(torch.randn(3, 3, 4, 4)).shape == (3, 5)


def test_another_order_of_calls_is_refused():
    model = Stated().eval()
    calls = graph_of(model, torch.zeros(1, 3, 4, 4)).calls
    with pytest.raises(ApcliError, match="runs otherwise"), Compared(calls[1:], np.zeros(10**4, bool), [""]):
        model(torch.randn(2, 3, 4, 4))


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"other": {"shape ?,2": "?,1"}}, "has sizes of other, which the model lacks"),
        ({"fc": {"shape ?,2": "?,x"}}, "the sizes of fc in the compact file are no such numbers"),
        ({"fc": {"shape ?,2": "1"}}, "no such numbers"),
        ({"fc": {"shape ?,2": "?,1 1"}}, "no such numbers"),
        ({"fc": {"shape ?,2": "?,1 "}}, "no such numbers"),
        ({"fc": {"shape ?,2": "?,1/0"}}, "no such numbers"),
        ({"fc": {"split 2,2": "2,?,1"}}, "no such numbers"),
        ({"fc": {"shape ?,2": f"?,{'9' * 5000}"}}, "no such numbers"),
        ({"fc": {"forward 2": "1"}}, "no such numbers"),
    ],
)
def test_sizes_that_no_compact_file_has(sizes, words):
    with pytest.raises(ApcliError) as caught:
        resize_calls_(Stated(), sizes)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
