"""The graph of a network's channels: one pass, traced with shapes alone if the network's code allows that."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from apcli.channels.calls import Call, Recorded
from apcli.channels.trace.products import RULES, followed
from apcli.channels.trace.tracing import OUTPUT, Tracer, places_of
from apcli.errors import ApcliError, first_line
from apcli.models.copies import emptied, holds_numbers


@dataclass(frozen=True)
class Graph:
    """What a pass through a network couples, and the calls of its code that state how many channels there are."""

    traced: Tracer
    calls: tuple[Call, ...]


def graph_of(model: nn.Module, example: Tensor) -> Graph:
    """Follow the entries of all tensors from the images to the output.

    Args:
        example: images [B, ...] as the model takes them; only the shape of one matters.

    Raises:
        ApcliError: the network does not run on ``example``.
    """
    shape = (2, *example.shape[1:])  # of one image, its dimension would look like any that is broadcast
    try:
        with torch.device("meta"):  # also what the network makes itself
            return _run(emptied(model, "meta").to("meta"), torch.empty(shape))
    except ApcliError:
        network = emptied(model, "cpu").cpu()
        for tensor in network.state_dict(keep_vars=True).values():
            if holds_numbers(tensor):
                tensor.detach().zero_()
        return _run(network, torch.zeros(shape))


def _run(network: nn.Module, images: Tensor) -> Graph:
    network.float().eval()
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # it would hide what attention does
    try:
        with torch.no_grad(), places_of(network) as place:
            tracer = Tracer(network, RULES, followed, place)
            with tracer, Recorded(tracer) as recorded:
                outputs: Any = network(images)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # the network's own code may raise anything
        reason = first_line(error)
        raise ApcliError(
            f"the channels of this network cannot be traced ({reason}): "
            "prune single weights, by a method that needs no neighbouring layers"
        ) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    for output in tree_leaves(outputs):
        if isinstance(output, Tensor):
            for axis in tracer.axes(output):
                tracer.fix(axis, OUTPUT)
    return Graph(tracer, tuple(recorded.calls))
