"""Flows of channels from the layer that makes them to the layers that read them, in the order of execution."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from apcli.channels.graph import is_depthwise, is_weighing, obstacle, onwards_from
from apcli.channels.groups import TensorsOf, traced


@dataclass(frozen=True)
class Flow:
    """Channels that one weight makes and another reads, with no other weight between them.

    Channel ``made[i]`` along ``maker_dim`` of ``maker`` reaches entry ``read[i]`` along ``reader_dim`` of ``reader``,
    alone, as a term of a sum, or as a part of a concatenation. Both are int64 [n]; several entries may read a channel.
    """

    maker: str  # as in the state dict
    maker_dim: int
    made: np.ndarray
    reader: str
    reader_dim: int
    read: np.ndarray


def flows(model: nn.Module, example: Tensor) -> list[Flow]:
    """All flows between the linear layers and convolutions of a network, including depthwise ones.

    Flows end at attention, recurrent layers and grouped convolutions.

    Args:
        example: images [B, ...] as the model takes them; only their shape matters.

    Raises:
        ApcliError: the network does not run on ``example``, or cannot be traced.
    """
    network, graph = traced(model, example)
    tensors = TensorsOf(network)
    found_flows = []
    for module in network.modules():
        if module not in graph.module2node or obstacle(graph.module2node[module])[1]:
            continue
        for maker, maker_dim in _weights(tensors, module, reads=False):
            size = tensors.state[maker].shape[maker_dim]
            for (node, _), indices in onwards_from(graph, module, size).items():
                for reader, reader_dim in _weights(tensors, node.module, reads=True):
                    entries = tensors.state[reader].shape[reader_dim]
                    pairs = sorted((i.root_idx, i.idx) for i in indices if i.idx < entries)
                    made, read = np.array(pairs, np.int64).reshape(-1, 2).T
                    found_flows.append(Flow(maker, maker_dim, made, reader, reader_dim, read))
    return found_flows


def _weights(tensors: TensorsOf, module: nn.Module, *, reads: bool) -> Iterator[tuple[str, int]]:
    """Yield a module's weight and the dimension of its outputs or, if ``reads``, inputs; no grouped convolution's."""
    is_grouped = getattr(module, "groups", 1) > 1
    if not is_weighing(module) or (is_grouped and not is_depthwise(module)):
        return
    outputs, inputs = (0, 0) if is_grouped else tensors.dims(module)
    for name in tensors.own(module):
        if name.endswith("weight"):
            yield name, inputs if reads else outputs
