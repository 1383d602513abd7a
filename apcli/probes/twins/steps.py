"""A network as a list of steps: affine, a sum, ReLU or a maximum over windows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from apcli.probes.traced.operations import INPUT, Operation, Refusal

Kind = Literal["input", "affine", "sum", "relu", "max"]
# In evaluation mode; exactly these classes, as a subclass may compute something else.
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_AFFINE = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, *_NORMS, nn.AvgPool1d, nn.AvgPool2d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.Flatten, nn.Identity, nn.Dropout, nn.Dropout2d, nn.ZeroPad2d),
)
_AFFINE_FUNCTIONS = ("flatten", "mean", "view", "reshape", "pad", "getitem", "avg_pool2d", "adaptive_avg_pool2d")
_SUMS, _RELUS = ("add", "iadd", "add_"), ("relu", "relu_")
_MAX_POOL = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")  # of the function
_KNOWN = "Linear, Conv, BatchNorm, average and maximum pooling, Flatten, Dropout, sums and ReLU"


@dataclass(frozen=True)
class Window:
    """The windows of a maximum over height and width: (height, width) each."""

    size: tuple[int, int]
    step: tuple[int, int]
    padding: tuple[int, int]


@dataclass(frozen=True)
class Step:
    """An operation on the results of earlier steps.

    Attributes:
        of: places of the steps whose results it takes.
        shape: of its result for one image: [1, ...].
        apply: computes its result for one image.
        window: of a maximum.
    """

    kind: Kind
    of: tuple[int, ...]
    shape: tuple[int, ...]
    apply: Callable[..., Tensor]
    window: Window | None = None


def steps_of(operations: Sequence[Operation]) -> list[Step]:
    """The steps of a network; the first is its input, the last its output.

    Raises:
        Refusal: an operation is none of those that are known; the message names it.
    """
    first = next(one for one in operations if INPUT in one.inputs)
    size = first.before[first.inputs.index(INPUT)]
    return [Step("input", (), size, lambda x: x), *map(_step, operations)]


def _step(operation: Operation) -> Step:
    of, shape = tuple(number + 1 for number in operation.inputs), operation.after
    module = _max_pool(operation) if operation.kind == "max_pool2d" else operation.kind
    if operation.others:
        raise Refusal(operation.name, "it takes a tensor outside any layer")
    if shape[:1] != (1,):
        raise Refusal(operation.name, "it mixes images: expected operations that keep them apart")
    if type(module) in _NORMS and getattr(module, "running_var", None) is None:
        raise Refusal(operation.name, "it normalises by the batch")
    if type(module) is nn.ReLU or module in _RELUS:
        return Step("relu", of, shape, operation.apply)
    if module in _SUMS and len(of) == 2 and operation.before[0] == operation.before[1] and not operation.keywords:
        return Step("sum", of, shape, operation.apply)
    if type(module) is nn.MaxPool2d and _is_plain(module):
        window = Window(_two(module.kernel_size), _two(module.stride), _two(module.padding))
        return Step("max", of, shape, operation.apply, window)
    if len(of) == 1 and (type(module) in _AFFINE or module in _AFFINE_FUNCTIONS):
        return Step("affine", of, shape, operation.apply)
    raise Refusal(operation.name, f"it cannot be bounded: expected a network of {_KNOWN}")


def _max_pool(operation: Operation) -> nn.MaxPool2d:
    return nn.MaxPool2d(**dict(zip(_MAX_POOL, operation.arguments, strict=False)), **operation.keywords)


def _is_plain(module: nn.MaxPool2d) -> bool:
    return module.dilation in (1, (1, 1)) and not module.ceil_mode and not module.return_indices


def _two(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])
