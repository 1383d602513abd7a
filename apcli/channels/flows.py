"""Flows of channels from the layer that makes them to the layers that read them, in the order of execution."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from apcli.channels.graph import graph_of


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
    found_flows = []
    for (maker, maker_dim, reader, reader_dim), pairs in graph_of(model, example).traced.flows.items():
        made, read = np.unique(np.concatenate(pairs, axis=1), axis=1)
        found_flows.append(Flow(maker, maker_dim, made, reader, reader_dim, read))
    return found_flows
