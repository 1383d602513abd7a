"""The paths of channels through a network: torch-pruning's dependency graph, corrected by traced shapes.

The graph (Fang et al. 2023, DepGraph, arXiv:2301.12900) consists of the operations of a forward pass and shows which of
them a channel passes. torch-pruning guesses from channel counts how reshapes and concatenations move channels; here the
traced shapes decide, and where they cannot, channels are followed no further.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from apcli.errors import ApcliError
from apcli.libraries import library


class Index(NamedTuple):
    """Entry ``idx`` of a node, which belongs to channel ``root_idx``: the pairs of torch-pruning's mappings."""

    idx: int
    root_idx: int


class Graph(Protocol):
    """The parts of torch-pruning's dependency graph that are used here."""

    module2node: Mapping[nn.Module, "Node"]

    def get_pruner_of_module(self, module: nn.Module) -> Any:
        """The functions that prune such a module, of which ``prune_out_channels`` is used to identify them."""


class Node(Protocol):
    """An operation of the graph: of a module, or with an autograd step."""

    module: nn.Module
    grad_fn: Any
    inputs: Sequence["Node"]
    outputs: Sequence["Node"]
    dependencies: Sequence["Dependency"]


class Dependency(Protocol):
    """A way from one node to another, taken if a pruning function is applied to the first."""

    target: Node
    handler: Callable[..., Any]
    index_mapping: list[Callable[[Iterable[Index]], list[Index]] | None]

    def is_triggered_by(self, due: Callable[..., Any], /) -> bool:
        """Whether this function takes it."""


Reached = Mapping[tuple[Node, Callable[..., Any]], set[Index]]  # by node and the pruning function to apply there


def graph_of(model: nn.Module, example: Tensor) -> Graph:
    """Build torch-pruning's dependency graph; an extra operation follows every output, so that none is missed.

    Raises:
        ApcliError: the network does not run on ``example``, or its graph cannot be built.
    """
    pruning = library("torch_pruning")

    class Traced(pruning.DependencyGraph):  # type: ignore[name-defined]
        """Takes the moves of channels by reshapes and concatenations from traced shapes, where the library guesses."""

        def _build_dependency(self, module2node: Mapping[Any, Any]) -> None:
            super()._build_dependency(module2node)
            for node in module2node.values():
                if _kind(node) in _MOVING:
                    node.type = pruning.ops.OPTYPE.ELEMENTWISE
                    _map_(node)

    def outputs(output: object) -> list[Tensor]:
        flat = pruning.utils.flatten_as_list(output)
        return [each * 1 for each in flat if isinstance(each, Tensor) and each.grad_fn is not None]

    try:
        with torch.enable_grad():
            return Traced().build_dependency(
                model,
                example,
                forward_fn=lambda network, images: network(images),
                output_transform=outputs,
                verbose=False,
            )
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # the network's own code and the library may raise anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ApcliError(
            f"the channels of this network cannot be traced ({reason}): "
            "prune single weights, by a method that needs no neighbouring layers"
        ) from error


def _map_(node: Node) -> None:
    """Set the index maps between the inputs' and the output's channels of a flattening or a concatenation."""
    if obstacle(node)[1]:
        return
    before, after = _shapes(node.grad_fn)
    maps: list[tuple[Callable[[int], Iterable[int]], Callable[[int], Iterable[int]]]] = []
    if _kind(node) == "_ConcatOp":
        ends = list(itertools.accumulate(shape[1] for shape in before))
        for shape, end in zip(before, ends, strict=True):
            maps.append((partial(_shifted, end - shape[1], math.inf), partial(_shifted, shape[1] - end, shape[1])))
    elif _kind(node) == "_ReshapeOp" and len(after) == 2 and before[0][:2] != after and before[0][-1] != after[-1]:
        pixels = math.prod(before[0][2:])
        maps.append((lambda i: range(i * pixels, (i + 1) * pixels), lambda i: (i // pixels,)))
    inputs = zip(node.inputs, node.dependencies, maps, strict=False)  # dependencies on inputs come first
    for source, backwards, (there, back) in inputs:
        onwards = next(d for d in source.dependencies if d.target is node and d.index_mapping[0] is None)
        onwards.index_mapping[0], backwards.index_mapping[0] = partial(_mapped, there), partial(_mapped, back)


def _shifted(by: int, limit: float, index: int) -> Iterable[int]:
    return (index + by,) if 0 <= index + by < limit else ()


def _mapped(numbers: Callable[[int], Iterable[int]], indices: Iterable[Index]) -> list[Index]:
    return [Index(number, root) for index, root in indices for number in numbers(index)]


def reached_from(graph: Graph, module: nn.Module, roots: Iterable[int]) -> Reached:
    """Follow the channels ``roots`` that ``module`` makes through the graph, both ways, to all that they reach."""
    node = graph.module2node[module]
    reached: dict[tuple[Any, Callable[..., Any]], set[Index]] = defaultdict(set)
    pending = [(node, graph.get_pruner_of_module(module).prune_out_channels, [Index(i, i) for i in roots])]
    while pending:
        node, due, indices = pending.pop()
        known = reached[node, due]
        new = [index for index in dict.fromkeys(indices) if index not in known]
        known.update(new)
        if not new or obstacle(node)[1]:
            continue
        for dependency in node.dependencies:
            if dependency.is_triggered_by(due):
                pending.append((dependency.target, dependency.handler, _through(dependency, new)))
    return reached


def onwards_from(graph: Graph, module: nn.Module, size: int) -> Reached:
    """Follow the channels that ``module`` makes forwards to the next layers with weights.

    Norms, activations, pooling, sums and concatenations pass them on. Nothing is followed against the order of
    execution: the other terms of a sum, and readers of the stream before the sum, are not reached.
    """
    start = graph.module2node[module]
    reached: dict[tuple[Any, Callable[..., Any]], set[Index]] = defaultdict(set)
    pending = [(start, graph.get_pruner_of_module(module).prune_out_channels, [Index(i, i) for i in range(size)])]
    while pending:
        node, due, indices = pending.pop()
        if obstacle(node)[1]:
            continue
        for dependency in node.dependencies:
            target, handler = dependency.target, dependency.handler
            if any(target is output for output in node.outputs) and dependency.is_triggered_by(due):
                known = reached[target, handler]
                new = [index for index in _through(dependency, indices) if index not in known]
                known.update(new)
                if new and not is_weighing(target.module):
                    pending.append((target, handler, new))
    return reached


def _through(dependency: Dependency, indices: Iterable[Index]) -> list[Index]:
    """Map the channels' indices to the node that a dependency leads to."""
    mapped: Any = list(indices)
    for mapping in dependency.index_mapping:
        mapped = mapped if mapping is None else mapping(mapped)
    return list(dict.fromkeys(mapped))


def is_weighing(module: object) -> bool:
    """Whether a module multiplies channels by its own weight of two or more dimensions."""
    return isinstance(module, nn.Linear | nn.modules.conv._ConvNd)


def obstacle(node: Node) -> tuple[str, bool]:
    """The reason why channels that pass this node cannot be removed ("" if they can), and whether they end here."""
    module, step = node.module, node.grad_fn
    kind = _kind(node)
    operation = step.name().removesuffix("0").removesuffix("1").removesuffix("Backward") if step is not None else ""
    if kind == "_OutputOp":
        return "they are the network's output", True
    if isinstance(module, nn.Parameter):
        return "they are combined with a parameter outside any layer", True
    if isinstance(module, nn.LayerNorm | nn.GroupNorm) or "LayerNorm" in operation or "GroupNorm" in operation:
        return "a norm takes its statistics over them", False
    if isinstance(module, nn.MultiheadAttention) or "Attention" in operation:
        return "attention mixes them", True
    if "Bmm" in operation or "baddbmm" in operation.lower():
        return "they meet in a product of two activations, as in attention", True
    if "Softmax" in operation:
        return "a softmax weighs them against others", True
    if isinstance(module, nn.Embedding | nn.RNNBase):
        return f"{kind} makes or reads them", True
    if isinstance(module, nn.modules.conv._ConvNd) and module.groups > 1 and not is_depthwise(module):
        return "a grouped convolution makes or reads them", True
    if kind in ("_SplitOp", "_UnbindOp", "_SliceOp", "_ExpandOp") and _is_over_channels(step):
        return "they are split or repeated", True
    if operation == "ConstantPadNd" and _pads_channels(step):
        return "a shortcut pads them", True
    if kind == "_ReshapeOp" and _regroups(step):
        if _is_of_parameters(step):
            return "a weight is computed from a parameter (standardised, say) before a layer takes it", True
        return "they are regrouped", True
    if kind == "_ConcatOp" and not _joins_channels(node):
        return "they are concatenated along another dimension, or with a constant", True
    return "", False


_MOVING = ("_ReshapeOp", "_ConcatOp", "_SplitOp", "_UnbindOp", "_SliceOp", "_ExpandOp")


def _kind(node: Node) -> str:
    return type(node.module).__name__


def is_depthwise(module: Any) -> bool:
    return 1 < module.groups == module.in_channels == module.out_channels


def _is_over_channels(step: Any) -> bool:
    """Whether a split or slice may run over channels: the second dimension, or the last one except in images."""
    (before, *_), _ = _shapes(step)
    dim = _dim(step, len(before))
    return dim == 1 or (dim == len(before) - 1 and len(before) != 4)


def _joins_channels(node: Node) -> bool:
    """Whether a concatenation is along the second dimension of images or vectors, with all its inputs traced."""
    before, after = _shapes(node.grad_fn)
    traced = len(node.inputs) == len(before) and sum(shape[1] for shape in before) == after[1]
    return traced and len(after) != 3 and _dim(node.grad_fn, len(after)) == 1


def _dim(step: Any, dimensions: int) -> int:
    """The dimension of an operation; torch reports a negative one as unsigned."""
    dim = getattr(step, "_saved_dim", 1)
    return int(dim - 2**64 if dim >= 2**63 else dim) % dimensions


def _pads_channels(step: Any) -> bool:
    """Whether a constant padding extends the second dimension; torch lists its amounts from the last one."""
    _, after = _shapes(step)
    amounts = list(step._saved_pad)[2 * (len(after) - 2) :][:2]
    return any(amounts)


def _regroups(step: Any) -> bool:
    """Whether a reshape does more than flatten maps, fold or unfold pixels, or merge batch and tokens."""
    (before, *_), after = _shapes(step)
    of_parameter = "AccumulateGrad" in step.next_functions[0][0].name()  # inside a module such as PReLU
    keeps_channels = before[:2] == after[:2]
    flattens = len(after) == 2 and before[0] == after[0]
    folds_tokens = before[-1:] == after[-1:] and min(len(before), len(after)) <= 3
    return not (of_parameter or keeps_channels or flattens or folds_tokens)


def _is_of_parameters(step: Any) -> bool:
    """Whether an operation's input is computed from parameters alone, without a product with a weight."""
    pending, seen = [step], {step}
    while pending:
        for before, _ in pending.pop().next_functions:
            if before is not None and before not in seen:
                if any(word in before.name() for word in _PRODUCTS):
                    return False
                seen.add(before)
                pending.append(before)
    return True


_PRODUCTS = ("Convolution", "mm", "Embedding", "Attention", "Rnn")  # mm: matrix products, also Addmm and Bmm


def _shapes(step: Any) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
    """The shapes of an operation's inputs, those with an autograd history, and of its output."""

    def shape(of: Any, output: int = 0) -> tuple[int, ...]:
        return tuple(of._input_metadata[output].shape)

    return [shape(before, output) for before, output in step.next_functions if before is not None], shape(step)
