"""Channel groups: the rows, columns and entries of a network's tensors that belong to one channel.

A channel is a feature that layers make (rows of their weights), that norms and depthwise layers transform entry by
entry, and that other layers read (columns). Layers whose outputs are summed share their channels, so they are pruned
together.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from apcli.channels.calls import Call
from apcli.channels.graph import Graph, graph_of
from apcli.channels.trace.atoms import NOTHING, OUTSIDE, Reason
from apcli.checkpoints.layers import layer_name


@dataclass(frozen=True)
class Part:
    """A group's channels in one tensor: channel c has the entries ``positions[c]`` along ``dim``."""

    tensor: str  # as in the state dict
    dim: int
    positions: np.ndarray  # int64 [channels, k]; k > 1 after a map of k pixels was flattened


@dataclass(frozen=True)
class Mixing:
    """A group's channels along one dimension of a product of two activations, as in attention.

    Attributes:
        product: the number of the product; in another group it is the same one.
        entries: of each channel, of ``size`` along ``dim``.
        multiply_adds: of the product for one image, with all channels.
    """

    product: int
    dim: int
    entries: int
    size: int
    multiply_adds: int


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
        mixings: where the channels are in products of two activations.
        of_norm: whether the only reason is that a norm takes its statistics over them.
    """

    name: str
    size: int
    producers: tuple[Part, ...]
    consumers: tuple[Part, ...]
    others: tuple[Part, ...]
    fixed: str = ""
    of_norm: bool = False
    mixings: tuple[Mixing, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        return self.producers + self.consumers + self.others


def channel_graph(model: nn.Module, example: Tensor) -> "ChannelGraph":
    """The channels of a network.

    Args:
        example: images [B, ...] as the model takes them; only their shape matters.

    Raises:
        ApcliError: the network does not run on ``example``.
    """
    return ChannelGraph(graph_of(model, example), _other_names(model))


def _other_names(model: nn.Module) -> dict[str, list[str]]:
    """The further names of tensors that have several, by the first one in the state dict."""
    names: dict[int, list[str]] = defaultdict(list)
    for name, tensor in model.state_dict(keep_vars=True).items():
        names[id(tensor)].append(name)
    return {first: others for first, *others in names.values() if others}


class ChannelGraph:
    """The channels of a network, by the tensors that they lie in.

    Attributes:
        groups: all groups of channels made by linear layers and convolutions, in the order of the model's modules. No
            channel is in two groups. Layers that do not contribute to the output are in none.
        calls: the calls of the network's code that state how many channels there are.
        norms: the operations that take statistics over channels: the name, and which one of it.
    """

    def __init__(self, graph: Graph, other_names: Mapping[str, Sequence[str]]) -> None:
        self.graph = graph.traced
        self.norms = frozenset(self.graph.norms)
        self.other_names = other_names
        self.classes = self.graph.atoms.classes()
        self.starts = np.array(self.graph.starts)
        first, end = self.starts[0], self.starts[-1]
        self.order = first + np.argsort(self.classes.of[first:end], kind="stable")  # the state's atoms by class
        labels = np.arange(self.classes.of.max() + 2)
        self.bounds = np.searchsorted(self.classes.of[self.order], labels)  # where each class begins in that order
        self.owner = np.searchsorted(self.starts, self.order, side="right") - 1
        self.mixings = self._mixings()
        self.calls = [self._of_channels(call) for call in graph.calls]
        self.groups = self._all()

    def _mixings(self) -> dict[int, list[Mixing]]:
        """Where each class is in products of two activations; the network was traced with two images."""
        found: dict[int, list[Mixing]] = defaultdict(list)
        for number, product in enumerate(self.graph.products):
            for dim, (axis, size) in enumerate(zip(product.axes, product.sizes, strict=True)):
                ids = np.array([], int) if axis is None else axis.ids[axis.ids != NOTHING]
                labels, counts = np.unique(self.classes.of[ids], return_counts=True)
                for label, entries in zip(labels.tolist(), counts.tolist(), strict=True):
                    if label not in self.classes.reasons:
                        found[label].append(Mixing(number, dim, entries, size, product.multiply_adds // 2))
        return found

    def _of_channels(self, call: Call) -> Call:
        """The call without its numbers of images, tokens or pixels."""
        reasons = self.classes.reasons

        def stays(ids: np.ndarray) -> bool:
            return all(OUTSIDE in reasons.get(label, ()) for label in np.unique(self.classes.of[ids]).tolist())

        return replace(call, counted=tuple(None if ids is None or stays(ids) else ids for ids in call.counted))

    def gone(self, positions: Mapping[str, Mapping[int, np.ndarray]]) -> np.ndarray:
        """By atom, whether it is removed with these entries of the tensors, by dimension: bool [atoms]."""
        numbers = {place: number for number, place in enumerate(self.graph.owners)}
        removed = np.zeros(self.classes.of.max() + 1, bool)
        for tensor, dims in positions.items():
            for dim, indices in dims.items():
                if (tensor, dim) in numbers:  # not of a further name
                    removed[self.classes.of[self.starts[numbers[tensor, dim]] + indices]] = True
        return removed[self.classes.of]

    def _all(self) -> list[ChannelGroup]:
        """All groups; a class of entries is in the group of the first layer that makes some of them."""
        done: set[int] = set()
        groups: list[ChannelGroup] = []
        for number, (tensor, dim) in enumerate(self.graph.owners):
            if (tensor, dim) in self.graph.roles.made:
                rows = self.classes.of[self.starts[number] : self.starts[number + 1]].tolist()
                labels = [label for label in dict.fromkeys(rows) if label not in done]
                done.update(labels)
                groups += self._of(layer_name(tensor), labels, rows)
        return groups

    def _of(self, name: str, labels: Sequence[int], rows: Sequence[int]) -> Iterator[ChannelGroup]:
        """Groups of the channels that lie in the same tensors; usually these are all channels of a layer."""
        clusters: dict[Any, list[int]] = defaultdict(list)
        for label in labels:
            span = self._span(label)
            clusters[self.owner[span].tobytes(), self.classes.reasons.get(label, ())].append(label)
        for (_, reasons), members in clusters.items():
            first, last = rows.index(members[0]), len(rows) - 1 - rows[::-1].index(members[-1])
            own = name if len(clusters) == 1 else f"{name}[{first}-{last}]"
            yield self._group(own, members, reasons)

    def _span(self, label: int) -> slice:
        return slice(self.bounds[label], self.bounds[label + 1])

    def _group(self, name: str, members: Sequence[int], reasons: Sequence[Reason]) -> ChannelGroup:
        atoms = np.stack([self.order[self._span(label)] for label in members])
        owner = self.owner[self._span(members[0])]
        parts: dict[str, list[Part]] = {"producers": [], "consumers": [], "others": []}
        roles = self.graph.roles
        for number in np.unique(owner).tolist():
            tensor, dim = self.graph.owners[number]
            role = "producers" if (tensor, dim) in roles.made else "consumers"
            role = role if (tensor, dim) in roles.made | roles.read else "others"
            positions = atoms[:, owner == number] - self.starts[number]
            parts[role].append(Part(tensor, dim, positions))
            parts["others"] += [Part(other, dim, positions) for other in self.other_names.get(tensor, ())]
        why = [reason.text for reason in reasons]
        why += [] if why or parts["consumers"] else ["no layer reads them by operations of PyTorch"]
        of_norm = bool(reasons) and all(reason.of_norm for reason in reasons) and bool(parts["consumers"])
        producers, consumers, others = (tuple(parts[role]) for role in ("producers", "consumers", "others"))
        text, mixings = ", ".join(sorted(why)), tuple(self.mixings.get(members[0], ()))
        return ChannelGroup(name, len(members), producers, consumers, others, text, of_norm, mixings)
