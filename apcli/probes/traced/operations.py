"""The operations that a network makes of its input, in the order of execution: torch.fx, with traced shapes.

Bounds are propagated through them, so they are those of the network's code, with their modules, and each can be applied
by itself. ``channels.trace`` is for another question, which entries of tensors exist together: it watches PyTorch's own
operations while the network runs, so any code can be followed, but not taken apart.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from apcli.errors import ApcliError, first_line
from apcli.probes.undisturbed import logits_of, undisturbed

INPUT = -1  # the number of the network's input among its operations


class Refusal(ApcliError):
    """A network, or a part of one, with which a theory can do nothing; ``what`` names it, ``reason`` says why."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what}: {reason}")


@dataclass(frozen=True)
class Operation:
    """One operation on tensors that depend on the network's input.

    Attributes:
        where: path of the module, or of the one whose code calls a function; "" is the network itself.
        kind: the module, or the name of a function or method: "add", "relu", "getitem".
        inputs: numbers of the operations whose tensors it takes, in their order; ``INPUT`` is the network's input.
        before: shapes of these tensors, of one image: [1, ...]; () of several in a tuple.
        after: shape of its own.
        others: how many tensors it takes that do not depend on the network's input.
        arguments: positional arguments but the first; tensors among them are None.
        keywords: keyword arguments.
        apply: computes its result for one image, given the tensors that it takes; one in place changes them.
    """

    where: str
    kind: nn.Module | str
    inputs: tuple[int, ...]
    before: tuple[tuple[int, ...], ...]
    after: tuple[int, ...]
    others: int
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    apply: Callable[..., Any]

    @property
    def name(self) -> str:
        """What it is, in words."""
        return _name(self.where, self.kind)


def operations(network: nn.Module, example: Tensor) -> tuple[Operation, ...]:
    """All operations in evaluation mode, up to the one that gives the output (the first of several outputs).

    Args:
        example: one image [1, ...] as the network takes it; only its shape matters.

    Raises:
        Refusal: the network's code asks for numbers of a tensor, takes one that has been changed in place since it was
            computed, or computes nothing of its input.
    """
    with undisturbed(network), torch.no_grad():
        try:
            traced = fx.symbolic_trace(network)
            modules = dict(traced.named_modules(remove_duplicate=False))
            _Results(traced, modules).run(example.clone())
        except (MemoryError, torch.OutOfMemoryError, Refusal):
            raise
        except Exception as error:  # the network's own code may raise anything when it meets a proxy
            reason = first_line(error)
            raise Refusal(type(network).__name__, f"its operations cannot be traced ({reason})") from error
    numbers: dict[fx.Node, int] = {}
    found: list[Operation] = []
    for node in traced.graph.nodes:
        if node.op == "output":
            number = next((numbers[one] for one in _nodes(node) if one in numbers), INPUT)
            if number != INPUT:
                return tuple(found[: number + 1])
        elif node.meta["follows"]:
            numbers[node] = INPUT if node.op == "placeholder" else len(found)
            if node.op != "placeholder":
                found.append(_operation(node, numbers, modules))
    raise Refusal(type(network).__name__, "no operation makes its output of its input")


def check(operations: Sequence[Operation], network: nn.Module, example: Tensor) -> None:
    """Check that the operations, one after another, give what the network gives for two random inputs together.

    So what is known of each operation is known of the network, and no image depends on the others of a batch.

    Args:
        example: one image [1, ...] as the network takes it; only its shape matters.

    Raises:
        Refusal: they give something else.
        ApcliError: the network's output is not logits.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, *example.shape[1:], generator=generator, dtype=torch.float64).to(example)
    with undisturbed(network), torch.no_grad():
        expected = logits_of(network(images.clone()))
        found = [_applied_in_turn(operations, image[None]) for image in images]
    if not all(one.shape == expected[:1].shape for one in found) or not _agree(torch.cat(found), expected):
        raise Refusal(
            type(network).__name__, "its operations, one after another and image by image, do not give its output"
        )


def _applied_in_turn(operations: Sequence[Operation], image: Tensor) -> Tensor:
    results: list[Any] = []
    for operation in operations:
        taken = (image if number == INPUT else results[number] for number in operation.inputs)
        results.append(operation.apply(*map(_copied, taken)))
    last: Tensor = results[-1]
    return last


def _copied(result: Any) -> Any:
    return result.clone() if isinstance(result, Tensor) else [one.clone() for one in result]


def _agree(one: Tensor, other: Tensor) -> bool:
    allowed = torch.finfo(other.dtype).eps ** 0.5 * float(other.abs().max())
    return bool((one - other).abs().max() <= allowed)


class _Results(fx.Interpreter):
    """Notes what each node gives.

    ``shape``: that of a tensor, () of several, None of other things. ``follows``: whether it is a tensor that depends
    on the network's input. ``value``: itself, if it does not. ``changes``: how often it has been changed in place,
    which tensors of one storage count together.
    """

    def __init__(self, traced: fx.GraphModule, modules: Mapping[str, nn.Module]) -> None:
        super().__init__(traced)
        self.extra_traceback = False  # it would be appended to the message
        self.modules = modules
        self.first = next(iter(traced.graph.nodes))

    def run_node(self, n: fx.Node) -> Any:
        for one in n.all_input_nodes:
            if one.meta["changes"] != _changes(self.env[one]):
                raise Refusal(
                    _name(*_called(n, self.modules)), f"it takes what {one} gave, which was changed in place since"
                )
        value = super().run_node(n)
        several = isinstance(value, tuple | list) and all(isinstance(one, Tensor) for one in value)
        shape = tuple(value.shape) if isinstance(value, Tensor) else () if several else None
        follows = n is self.first or (shape is not None and any(one.meta["follows"] for one in n.all_input_nodes))
        n.meta |= {"shape": shape, "follows": follows, "changes": _changes(value)}
        n.meta["value"] = None if follows else value
        return value


def _changes(value: Any) -> list[int]:
    return [one._version for one in (value if isinstance(value, tuple | list) else [value]) if isinstance(one, Tensor)]


def _nodes(node: fx.Node) -> list[fx.Node]:
    found: list[fx.Node] = []
    fx.node.map_arg((node.args, node.kwargs), found.append)
    return found


def _name(where: str, kind: nn.Module | str) -> str:
    word = kind if isinstance(kind, str) else type(kind).__name__
    return f"{word} in {where}" if where else word


def _called(node: fx.Node, modules: Mapping[str, nn.Module]) -> tuple[str, nn.Module | str]:
    """Where and what a node calls."""
    if node.op == "call_module":
        return str(node.target), modules[str(node.target)]
    where = next(reversed(node.meta.get("nn_module_stack") or {"": None}))
    return where, node.target if isinstance(node.target, str) else node.target.__name__


def _operation(node: fx.Node, numbers: Mapping[fx.Node, int], modules: Mapping[str, nn.Module]) -> Operation:
    tensors = [one for one in _nodes(node) if one.meta["shape"] is not None]
    inputs = [one for one in tensors if one.meta["follows"]]
    where, kind = _called(node, modules)
    plain: Any = fx.node.map_arg((node.args[1:], node.kwargs), lambda one: None)
    return Operation(
        where,
        kind,
        tuple(numbers[one] for one in inputs),
        tuple(one.meta["shape"] for one in inputs),
        node.meta["shape"],
        len(tensors) - len(inputs),
        tuple(plain[0]),
        plain[1],
        _applied(node, kind),
    )


def _applied(node: fx.Node, kind: nn.Module | str) -> Callable[..., Any]:
    def apply(*given: Any) -> Any:
        left = iter(given)
        args, kwargs = fx.node.map_arg(
            (node.args, node.kwargs), lambda one: next(left) if one.meta["follows"] else one.meta["value"]
        )
        if isinstance(kind, nn.Module):
            return kind(*args, **kwargs)
        if isinstance(node.target, str):
            return getattr(args[0], node.target)(*args[1:], **kwargs)
        return node.target(*args, **kwargs)

    return apply
