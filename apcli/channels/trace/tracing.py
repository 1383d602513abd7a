"""One pass through a network that follows every entry of every axis, operation by operation."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from apcli.channels.trace.atoms import Atoms, Reason
from apcli.channels.trace.axes import Axes, Axis, Origin, ids_of
from apcli.models.copies import holds_numbers

OUTPUT = Reason("they are the network's output")
INPUT = Reason("they are the images, or numbers that no layer makes")
COMPUTED = Reason("a weight is computed from other tensors before a layer takes it")


@dataclass(frozen=True)
class Operation:
    """An operation of PyTorch's core (ATen): its name without ``aten::``, its arguments by name, and its results."""

    name: str
    arguments: Mapping[str, Any]
    results: tuple[Tensor, ...]
    is_pointwise: bool

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self.arguments.get(name, default)

    @property
    def tensors(self) -> list[Tensor]:
        return [each for each in tree_leaves(list(self.arguments.values())) if isinstance(each, Tensor)]


@dataclass
class Roles:
    """The axes of weights, by tensor and dimension: those that layers make channels with, and read them with."""

    made: set[tuple[str, int]] = field(default_factory=set)
    read: set[tuple[str, int]] = field(default_factory=set)


@dataclass(frozen=True)
class Product:
    """A product of two activations, with a sum for each entry of a grid of these axes."""

    axes: Axes
    sizes: tuple[int, ...]

    @property
    def multiply_adds(self) -> int:
        return math.prod(self.sizes)


Rule = Callable[["Tracer", Operation], None]
Flows = dict[tuple[str, int, str, int], list[np.ndarray]]  # by maker and reader, entries made and read: [2, n] each


class Tracer(TorchDispatchMode):
    """Follows the entries of a network's tensors through the operations that run while it is active.

    Args:
        rules: by an operation's name.
        default: for all other operations.
        place: the modules that are running, the innermost last.
    """

    def __init__(self, network: nn.Module, rules: Mapping[str, Rule], default: Rule, place: Sequence[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.atoms = Atoms()
        self.roles = Roles()
        self.flows: Flows = {}
        self.products: list[Product] = []
        self.norms: set[tuple[str, int]] = set()  # operations that take statistics: the name, and which one of it
        self.counts: Counter[str] = Counter()
        self.place = place
        self._rules, self._default, self._name = rules, default, ""
        self._axes: Any = WeakTensorKeyDictionary()
        self._plain: Any = WeakTensorKeyDictionary()  # tensors computed from parameters alone, without a product
        state = network.state_dict(keep_vars=True)
        named = {id(tensor): (name, tensor) for name, tensor in reversed(state.items()) if holds_numbers(tensor)}
        self.owners: list[tuple[str, int]] = []  # of the state dict's axes
        self.starts: list[int] = []
        order = {name: number for number, name in enumerate(state)}
        for name, tensor in sorted(named.values(), key=lambda pair: order[pair[0]]):
            axes = []
            for dim, size in enumerate(tensor.shape):
                ids = self.atoms.new(size)
                self.owners.append((name, dim))
                self.starts.append(int(ids[0]) if size else self.atoms.count)
                axes.append(Axis(ids))
            self._axes[tensor] = tuple(axes)
            self._plain[tensor] = True
        self.starts.append(self.atoms.count)

    def axes(self, tensor: Tensor) -> Axes:
        """The axes of a tensor; those of one that no operation made stay."""
        known: Axes = self._axes.get(tensor, (None,) * tensor.dim())
        return known

    def set(self, tensor: Tensor, axes: Axes) -> None:
        """Note what an operation found."""
        self._axes[tensor] = tuple(axes)

    def is_plain(self, tensor: Tensor) -> bool:
        """Whether a tensor is computed from parameters alone, without a product of two."""
        return tensor in self._plain

    def set_plain(self, tensor: Tensor) -> None:
        self._plain[tensor] = True

    def equate(self, ones: Axis | None, others: Axis | None, reason: Reason) -> None:
        """Say that two axes of one size lose the same entries; those that meet one that stays must stay."""
        size = len(ones.ids if ones is not None else others.ids) if ones is not others else 0  # type: ignore[union-attr]
        if size:
            self.atoms.equate(ids_of(ones, size), ids_of(others, size), reason)

    def fix(self, axis: Axis | None, reason: Reason) -> None:
        """Say that no entry of an axis can be removed."""
        if axis is not None:
            self.atoms.fix(axis.ids, reason)
            if reason.of_norm:
                self.norms.add((self._name, self.counts[self._name]))

    def owner(self, axis: Axis | None) -> tuple[tuple[str, int], np.ndarray] | None:
        """The weight and dimension that an axis is (a part of), and the entries there; None: it is of no weight."""
        if axis is None or not len(axis.ids) or axis.ids.min() < self.starts[0]:
            return None
        number = int(np.searchsorted(self.starts, axis.ids[0], side="right")) - 1
        if number >= len(self.owners) or axis.ids.min() < self.starts[number]:
            return None
        places = axis.ids - self.starts[number]
        return (self.owners[number], places) if axis.ids.max() < self.starts[number + 1] else None

    def made(self, axis: Axis | None) -> Axis | None:
        """The channels that a weight makes along this axis of it."""
        found = self.owner(axis)
        if axis is None or found is None:
            self.fix(axis, COMPUTED)
            return axis
        self.roles.made.add(found[0])
        return Axis(axis.ids, (Origin(*found[0], found[1]),))

    def read(self, axis: Axis | None, by: Axis | None) -> None:
        """Let the columns ``by`` of a weight read the channels of an activation."""
        found = self.owner(by)
        if by is None or found is None:
            self.fix(by, COMPUTED)
            self.fix(axis, COMPUTED)
            return
        self.roles.read.add(found[0])
        self.equate(axis, by, INPUT)
        self.flow(axis, *found)

    def multiply(self, axes: Axes, sizes: Sequence[int]) -> None:
        """Note a product of two activations."""
        self.products.append(Product(tuple(axes), tuple(sizes)))

    def flow(self, axis: Axis | None, reader: tuple[str, int], places: np.ndarray) -> None:
        """Note that entries ``places`` of a weight read what comes along an axis."""
        for origin in () if axis is None else axis.origins:
            real = origin.made >= 0
            pairs = np.stack([origin.made[real], places[real]])
            self.flows.setdefault((origin.tensor, origin.dim, *reader), []).append(pairs)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        schema = func._schema.arguments
        given = {argument.name: argument.default_value for argument in schema if argument.has_default_value()}
        given |= dict(zip((argument.name for argument in schema), args, strict=False)) | (kwargs or {})
        results = tuple(each for each in tree_leaves(result) if isinstance(each, Tensor))
        name = func._schema.name.partition("::")[2]
        self._name = name
        self.counts[name] += 1
        operation = Operation(name, given, results, torch.Tag.pointwise in func.tags)
        rule = self._rules.get(name) or self._rules.get(name.removesuffix("_")) or self._default
        rule(self, operation)
        return result


@contextmanager
def places_of(network: nn.Module) -> Iterator[list[str]]:
    """The names of the modules that are running, the innermost last."""
    place = [""]
    handles = []
    for name, module in network.named_modules():

        def enter(_module: nn.Module, _inputs: Any, name: str = name) -> None:
            place.append(name)

        def leave(_module: nn.Module, _inputs: Any, _output: Any) -> None:
            place.pop()

        handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        yield place
    finally:
        for handle in handles:
            handle.remove()
