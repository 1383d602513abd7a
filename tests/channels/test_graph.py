"""The graph of channels: what they reach through it, both ways, and the operations that end their way."""

import pytest
import torch
from torch import nn

from apcli.channels.graph import graph_of, is_depthwise, is_weighing, obstacle, reached_from
from apcli.errors import ApcliError


def reached(model: nn.Module, layer: str, *roots: int, shape=(3, 2, 2)) -> dict[str, dict[int, set[int]]]:
    """By module, of each channel the entries that it has there."""
    graph = graph_of(model, torch.zeros(1, *shape))
    names = {module: name for name, module in model.named_modules()}
    found: dict[str, dict[int, set[int]]] = {}
    for (node, _), indices in reached_from(graph, model.get_submodule(layer), roots).items():
        if node.module in names:
            for idx, root in indices:
                found.setdefault(names[node.module], {}).setdefault(root, set()).add(idx)
    return found


def test_channels_are_followed_through_a_norm_to_the_layer_that_reads_them():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1))
    assert reached(model, "0", 1, 3) == {name: {1: {1}, 3: {3}} for name in "013"}


def test_a_flattened_map_gives_each_channel_its_pixels():
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten(), nn.Linear(8, 5))
    assert reached(model, "0", 1)["2"] == {1: {4, 5, 6, 7}}


class Joined(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.read = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 2, 1), nn.Conv2d(6, 5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.read(torch.cat([self.a(x), self.b(x)], 1))


def test_a_concatenation_moves_channels_by_what_comes_before():
    assert reached(Joined(), "a", 3) == {"a": {3: {3}}, "read": {3: {3}}}
    assert reached(Joined(), "b", 1) == {"b": {1: {1}}, "read": {1: {5}}}


class Summed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.read = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.read(self.a(x) + self.b(x))


def test_a_sum_leads_back_to_its_other_term():
    assert reached(Summed(), "a", 2) == {name: {2: {2}} for name in ("a", "b", "read")}


def obstacles(model: nn.Module) -> set[tuple[str, bool]]:
    graph = graph_of(model, torch.zeros(1, 3, 2, 2))
    return {obstacle(node) for node in graph.module2node.values()} - {("", False)}


def test_operations_that_fix_channels_say_why():
    end = ("they are the network's output", True)
    assert obstacles(nn.Conv2d(3, 4, 1)) == {end}
    norm = nn.Sequential(nn.Conv2d(3, 4, 1), nn.GroupNorm(2, 4))
    assert obstacles(norm) == {end, ("a norm takes its statistics over them", False)}
    grouped = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 6, 1, groups=2))
    assert obstacles(grouped) == {end, ("a grouped convolution makes or reads them", True)}
    assert obstacles(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1, groups=4))) == {end}  # depthwise


def test_kinds_of_modules():
    assert is_weighing(nn.Linear(2, 2))
    assert is_weighing(nn.ConvTranspose2d(2, 2, 1))
    assert not is_weighing(nn.BatchNorm2d(2))
    convolutions = [nn.Conv2d(4, outputs, 1, groups=groups) for outputs, groups in ((4, 4), (8, 4), (4, 1), (4, 2))]
    assert [is_depthwise(convolution) for convolution in convolutions] == [True, False, False, False]


def test_a_network_that_does_not_run_says_so_in_a_line():
    with pytest.raises(ApcliError, match=r"cannot be traced \(.*\): prune single weights") as caught:
        graph_of(nn.Linear(7, 2), torch.zeros(1, 3, 2, 2))
    assert "\n" not in str(caught.value)
