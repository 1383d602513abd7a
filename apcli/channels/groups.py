"""Channel groups: the rows, columns and entries of a network's tensors that belong to one channel.

A channel is a feature that layers make (rows of their weights), that norms and depthwise layers transform entry by
entry, and that other layers read (columns). Layers whose outputs are summed share their channels, so they are pruned
together.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from apcli.channels.graph import Node, Reached, graph_of, is_depthwise, obstacle, reached_from
from apcli.checkpoints.layers import layer_name
from apcli.errors import ApcliError
from apcli.models.copies import emptied, holds_numbers


@dataclass(frozen=True)
class Part:
    """A group's channels in one tensor: channel c has the entries ``positions[c]`` along ``dim``."""

    tensor: str  # as in the state dict
    dim: int
    positions: np.ndarray  # int64 [channels, k]; k > 1 after a map of k pixels was flattened


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that exist together.

    Attributes:
        name: the first layer that makes them, with their range if a layer's channels are in several groups.
        size: the number of channels.
        producers: weights whose rows make the channels.
        consumers: weights whose columns read them.
        others: further entries of each channel: biases, norms' scales, shifts and statistics, depthwise weights.
        fixed: the reason why no channel can be removed; empty if the graph shows none.
    """

    name: str
    size: int
    producers: tuple[Part, ...]
    consumers: tuple[Part, ...]
    others: tuple[Part, ...]
    fixed: str = ""

    @property
    def parts(self) -> tuple[Part, ...]:
        return self.producers + self.consumers + self.others


def channel_groups(model: nn.Module, example: Tensor) -> list[ChannelGroup]:
    """All groups of channels made by linear layers and convolutions, in the order of the model's modules.

    No channel is in two groups. Layers that do not contribute to the output are not traced and in no group.

    Args:
        example: images [B, ...] as the model takes them; only their shape matters.

    Raises:
        ApcliError: the network does not run on ``example``, or cannot be traced.
    """
    network, graph = traced(model, example)
    tensors = TensorsOf(network)
    covered: dict[str, set[int]] = defaultdict(set)  # by weight, the rows that are in a group
    groups: list[ChannelGroup] = []
    for name, module in network.named_modules():
        weight = f"{name}.weight" if name else "weight"
        if module in graph.module2node and tensors.makes_channels(module):
            size = module.weight.shape[tensors.dims(module)[0]]
            roots = [row for row in range(size) if row not in covered[weight]]
            for group in _groups_of(layer_name(weight), roots, reached_from(graph, module, roots), tensors):
                groups.append(group)
                for part in group.producers:
                    covered[part.tensor].update(part.positions.ravel().tolist())
    return groups


def traced(model: nn.Module, example: Tensor) -> tuple[nn.Module, Any]:
    """A copy of the network and its graph, traced with shapes alone if its code allows that, otherwise with zeros."""
    try:
        network = _learning(emptied(model, "meta").to("meta"))
        with torch.device("meta"):  # also what the network makes itself
            return network, graph_of(network, torch.empty(example.shape))
    except ApcliError:
        network = _learning(emptied(model, "cpu").cpu())
        for tensor in (*network.parameters(), *network.buffers()):
            if holds_numbers(tensor):
                tensor.detach().zero_()
        return network, graph_of(network, torch.zeros(example.shape))


def _learning(model: nn.Module) -> nn.Module:
    """Set single precision, evaluation mode and gradients for every parameter, from which the graph is built."""
    model.float().eval()
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.requires_grad_(True)
    return model


_Place = tuple[str, str, int]  # a field of ChannelGroup, a tensor, a dimension


class TensorsOf:
    """The entries of each module in a model's state dict."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.state = model.state_dict()
        self.order = {name: number for number, name in enumerate(self.state)}
        self.names = {module: name for name, module in model.named_modules()}
        uses: dict[int, list[str]] = defaultdict(list)
        for name, parameter in model.named_parameters(remove_duplicate=False):
            uses[id(parameter)].append(name)
        self.tied = {name for names in uses.values() if len(names) > 1 for name in names}

    @staticmethod
    def makes_channels(module: nn.Module) -> bool:
        plain = isinstance(module, nn.modules.conv._ConvNd) and not is_depthwise(module)
        return plain or isinstance(module, nn.Linear)

    @staticmethod
    def dims(module: nn.Module) -> tuple[int, int]:
        """The dimensions of a weight's outputs and inputs."""
        return (1, 0) if getattr(module, "transposed", False) else (0, 1)

    def own(self, module: nn.Module) -> list[str]:
        """The module's own non-scalar parameters and buffers, by their names in the state dict."""
        prefix = f"{self.names[module]}." if self.names[module] else ""
        tensors = itertools.chain(module.named_parameters(recurse=False), module.named_buffers(recurse=False))
        return [prefix + name for name, tensor in tensors if tensor.dim() and prefix + name in self.state]

    def parts(self, node: Node, reads: bool) -> list[_Place]:
        """Role, tensor and dimension of a node's entries for each channel; ``reads``: the channels are its inputs."""
        module = node.module
        if isinstance(module, nn.Parameter) or module not in self.names:
            return []
        own = self.own(module)
        if self.makes_channels(module):
            outputs, inputs = self.dims(module)
            weights = [name for name in own if name.endswith("weight")]
            if reads:  # a grouped convolution numbers its columns within groups
                return [("consumers", name, inputs) for name in weights if getattr(module, "groups", 1) == 1]
            return [("producers", name, outputs) for name in weights] + [
                ("others", name, 0) for name in own if name not in weights
            ]
        if isinstance(module, nn.PReLU) and module.num_parameters == 1:
            return []
        known = (nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.PReLU, nn.GroupNorm)
        is_vector_norm = isinstance(module, nn.LayerNorm) and len(module.normalized_shape) == 1
        return [("others", name, 0) for name in own] if is_vector_norm or isinstance(module, known) else []

    def problem(self, module: nn.Module) -> str:
        """The reason why a module's tensors cannot lose channels; empty if they can."""
        if module not in self.names:
            return ""
        weighs = isinstance(module, nn.Linear | nn.modules.conv._ConvNd)
        if weighs and not any(name.endswith("weight") for name in self.own(module)):
            return f"the weight of {self.names[module]} is computed from other tensors"
        shared = [name for name in self.own(module) if name in self.tied]
        return f"{shared[0]} has another name too" if shared else ""


def _groups_of(name: str, roots: Iterable[int], reached: Reached, tensors: TensorsOf) -> list[ChannelGroup]:
    """Group the channels that lie in the same tensors; usually these are all channels of a layer."""
    places: dict[int, dict[_Place, list[int]]] = {root: defaultdict(list) for root in roots}
    reasons: dict[int, dict[str, None]] = {root: {} for root in roots}
    for (node, due), indices in reached.items():
        reason = obstacle(node)[0] or tensors.problem(node.module)
        reads = due.__name__ == "prune_in_channels"
        entries = tensors.parts(node, reads)
        for index, root in indices:
            if reason:
                reasons[root][reason] = None
            for key in entries:
                if index < tensors.state[key[1]].shape[key[2]]:
                    places[root][key].append(index)
    clusters: dict[Any, list[int]] = defaultdict(list)
    for root in _distinct(places, reasons):
        shape = frozenset((place, len(positions)) for place, positions in places[root].items())
        clusters[shape, tuple(sorted(reasons[root]))].append(root)
    groups = []
    for (_, why), members in clusters.items():
        label = name if len(clusters) == 1 else f"{name}[{members[0]}-{members[-1]}]"
        producers, consumers, others = _parts_of([places[root] for root in members], tensors)
        fixed = ", ".join(why) or ("" if consumers else "no layer reads them")
        groups.append(ChannelGroup(label, len(members), producers, consumers, others, fixed))
    return groups


def _distinct(places: dict[int, dict[_Place, list[int]]], reasons: dict[int, dict[str, None]]) -> list[int]:
    """One row per channel: rows that coincide (in a sum with the same channels concatenated twice) are one channel."""
    first: dict[tuple[_Place, int], int] = {}
    distinct = []
    for root, at in places.items():
        entries = {(place, index) for place, positions in at.items() for index in positions}
        met = {first[entry] for entry in entries if entry in first}
        for other in met:
            if {key: set(positions) for key, positions in at.items()} != {k: set(p) for k, p in places[other].items()}:
                reasons[root][_IRREGULAR] = reasons[other][_IRREGULAR] = None
        if not met or _IRREGULAR in reasons[root]:
            distinct.append(root)
            first |= {entry: root for entry in entries if entry not in first}
    return distinct


_IRREGULAR = "some of them are coupled and others not"


def _parts_of(channels: list[dict[_Place, list[int]]], tensors: TensorsOf) -> tuple[tuple[Part, ...], ...]:
    """Producers, consumers and other parts of channels that lie in the same tensors."""
    parts: dict[str, list[Part]] = {"producers": [], "consumers": [], "others": []}
    for role, tensor, dim in sorted(channels[0], key=lambda place: (tensors.order[place[1]], place[2])):
        positions = np.array([sorted(channel[role, tensor, dim]) for channel in channels], np.int64)
        parts[role].append(Part(tensor, dim, positions))
    return tuple(map(tuple, parts.values()))
