"""A network as ``propagate`` takes it: affine maps whose weights are pruned, and steps with a Lipschitz constant."""

import inspect
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from apcli.probes.traced.operations import Operation, Refusal
from apcli.stages.bounds.probabilistic.maps import Map, map_of, sliding_of
from apcli.theory.closeness import factors
from apcli.theory.closeness.propagation import Layer, Sum
from apcli.words import by

Step = Layer | Sum | Map

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
_AVERAGE_POOLS = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
_ADAPTIVE_POOLS = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
_DIMENSIONS = {
    pool: number for pools in (_MAX_POOLS, _AVERAGE_POOLS, _ADAPTIVE_POOLS) for number, pool in enumerate(pools, 1)
}
_AFFINE = (nn.Linear, nn.modules.conv._ConvNd, *_NORMS)
# They move numbers, leave some out or, in evaluation, do nothing: no longer in any norm.
_PASSING_MODULES = (nn.Identity, nn.Flatten, nn.Unflatten, nn.ChannelShuffle, nn.modules.dropout._DropoutNd)
_PASSING = {
    *("flatten", "unflatten", "view", "reshape", "contiguous", "permute", "transpose", "movedim", "squeeze"),
    *("unsqueeze", "clone", "detach", "chunk", "split", "unbind", "narrow", "channel_shuffle"),
}
_TRAINING = {"dropout": 1, "dropout2d": 1, "stochastic_depth": 2}  # the place of the argument, after the tensor
_SUMS = ("add", "iadd", "add_", "sub", "isub", "sub_")
_JOINTS = ("cat", "concat", "concatenate")


def steps_of(operations: Sequence[Operation]) -> tuple[Step, ...]:
    """The steps of a network; batch norm behind a layer is part of the layer's map.

    Raises:
        Refusal: an operation has no Lipschitz constant, or none that is known here.
    """
    uses = Counter(number for operation in operations for number in operation.inputs)
    folded: set[int] = set()
    steps: list[Step] = []
    places = {-1: 0}
    for number, operation in enumerate(operations):
        terms = tuple(places[one] for one in operation.inputs)
        if number in folded:
            places[number] = terms[0]
            continue
        if len(terms) > 1 or operation.others:
            steps.append(_joined(operation, terms))
        else:
            behind = operations[number + 1] if number + 1 < len(operations) else None
            norm = behind if behind and _folds(operation, behind, number) and uses[number] == 1 else None
            step = _step(operation, norm)
            if step is None:
                places[number] = terms[0]
                continue
            if norm is not None:
                folded.add(number + 1)
            if terms[0] != len(steps):
                steps.append(Sum(terms))
            steps.append(step)
        places[number] = len(steps)
    last = places[len(operations) - 1]
    return tuple(steps if last == len(steps) else [*steps, Sum((last,))])


def _folds(operation: Operation, behind: Operation, number: int) -> bool:
    """Whether what is behind is a batch norm that can be a part of this layer: one of its outputs, dimension 1."""
    layer: Any = operation.kind
    linear = isinstance(layer, nn.Linear) and len(operation.after) == 2
    plain = linear or (isinstance(layer, nn.modules.conv._ConvNd) and not layer.transposed)
    return plain and isinstance(behind.kind, _NORMS) and behind.inputs == (number,)


def _joined(operation: Operation, terms: tuple[int, ...]) -> Sum:
    """The sum or concatenation of several tensors."""
    if operation.others and operation.kind in (*_SUMS, *_JOINTS):
        raise Refusal(operation.name, "it takes a tensor outside any layer")
    if len(terms) == 1:
        raise Refusal(operation.name, "no Lipschitz constant of this function is known here")
    scaled = "alpha" in operation.keywords
    if operation.kind in _SUMS and len(set(operation.before)) == 1 and not scaled:
        return Sum(terms)
    if operation.kind in _JOINTS:
        return Sum(terms, joined=True)
    raise Refusal(operation.name, "how it combines two activations has no Lipschitz constant")


def _step(operation: Operation, norm: Operation | None) -> Layer | Map | None:
    """The step of an operation on one tensor; None if it lengthens nothing."""
    try:
        if isinstance(operation.kind, _AFFINE):
            return map_of(operation, norm)
        if isinstance(operation.kind, str):
            return _function(operation, operation.kind)
        return _module(operation, operation.kind)
    except Refusal:
        raise
    except ValueError as error:
        raise Refusal(operation.name, str(error)) from error


def _function(operation: Operation, name: str) -> Layer | None:
    number = next((one for one in operation.arguments if isinstance(one, int | float)), None)
    if name in _PASSING or name in _JOINTS:
        return None
    if name == "getitem" and _takes_once(operation.arguments[0]):
        return None
    if name in _TRAINING and _argument(operation, _TRAINING[name], "training", "train") is False:
        return None
    if name == "pad" and _pads_zeros(operation):
        return None
    if name == "mean":
        return Layer.fixed(math.sqrt(math.prod(operation.after) / math.prod(operation.before[0])))
    if name in ("mul", "imul", "truediv") and number is not None:
        return Layer.fixed(abs(number if "mul" in name else 1 / number))
    if name in _SUMS and number is not None:
        shift = abs(number * operation.keywords.get("alpha", 1))
        return Layer.fixed(1.0, shift * math.sqrt(math.prod(operation.after)))
    kind = _MODULES.get(name.strip("_").replace("_", ""))
    if kind is None:
        raise Refusal(operation.name, "no Lipschitz constant of this function is known here")
    return _module(operation, kind(*operation.arguments, **operation.keywords))


def _takes_once(index: Any) -> bool:
    """Whether an index takes no number twice, as a list of indices may."""
    return all(one is None or one is ... or isinstance(one, int | slice) for one in _tuple(index))


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _argument(operation: Operation, place: int, *names: str) -> Any:
    """An argument by its place or one of its names; None if it is not given."""
    if place < len(operation.arguments):
        return operation.arguments[place]
    return next((operation.keywords[name] for name in names if name in operation.keywords), None)


def _pads_zeros(operation: Operation) -> bool:
    amounts, mode, value = [*operation.arguments, *[None] * 3][:3]
    mode, value = operation.keywords.get("mode", mode), operation.keywords.get("value", value)
    return min(amounts or operation.keywords["pad"]) >= 0 and mode in (None, "constant") and not value


def _module(operation: Operation, module: Any) -> Layer | None:
    image = operation.before[0][2:]
    if isinstance(module, _PASSING_MODULES):
        return None
    if len(image) != _DIMENSIONS.get(type(module), len(image)):
        raise Refusal(operation.name, f"it pools a tensor of {by(operation.before[0])}: expected images and channels")
    if isinstance(module, _MAX_POOLS):
        return factors.max_pool(sliding_of(module, image).copies)
    if isinstance(module, _AVERAGE_POOLS):
        if module.ceil_mode or getattr(module, "divisor_override", None):
            raise Refusal(operation.name, "its windows run over the end, or are divided by another number")
        window, stride, padding = (
            _each(size, len(image)) for size in (module.kernel_size, module.stride, module.padding)
        )
        return factors.average_pool(image, window, stride, padding, module.count_include_pad)
    if isinstance(module, _ADAPTIVE_POOLS):
        return factors.adaptive_average_pool(image, operation.after[2:])
    if isinstance(module, nn.LeakyReLU):
        return Layer(1.0, 1.0, 0.0, lipschitz=max(1.0, abs(module.negative_slope)))
    name = _ACTIVATIONS.get(type(module))
    if name is None:
        raise Refusal(operation.name, "it has no Lipschitz constant that is known here")
    if module.extra_repr().replace("inplace=True", "").removesuffix(", ") != type(module)().extra_repr():
        raise Refusal(operation.name, f"its parameters are not the usual ones ({module.extra_repr()})")
    return factors.activation(name, math.prod(operation.after))


def _each(size: int | Sequence[int], dimensions: int) -> tuple[int, ...]:
    return (size,) * dimensions if isinstance(size, int) else tuple(size)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


_ACTIVATIONS: dict[type, str] = {
    kind: name
    for kind in (getattr(nn, one) for one in nn.modules.activation.__all__)
    for name in factors.ACTIVATIONS
    if _plain(kind.__name__) == _plain(name)
}
# Functions whose arguments are those of the module of the same name.
_MODULES: dict[str, Callable[..., Any]] = {
    _plain(kind.__name__): kind
    for kind in (*_ACTIVATIONS, nn.LeakyReLU, *_MAX_POOLS, *_AVERAGE_POOLS, *_ADAPTIVE_POOLS)
    if inspect.isclass(kind)
}
