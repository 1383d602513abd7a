"""Sizes that a network's code states, such as a number of heads: what they are once channels are gone.

Code that reshapes activations, pads channels or splits them says how many there are: ``x.reshape(n, 197, 3, 12, 64)``.
A network with fewer channels needs other numbers there. They are found by running it beside the traced one, call by
call, and are kept by module as text, ``{"blocks.0.attn": {"shape ?,?,3,12,64": "?,?,3,6,64"}}``: a call of that form in
that module is made with the other numbers. A question mark is any number, and stays; ``1/2`` halves one that counts
images or pixels too. Where calls of one form need different numbers, these follow each other, ``"?,?,96 ?,?,64"``: for
the first such call, the second, and from the first again.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import cycle
from types import MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from apcli.channels.trace.atoms import NOTHING
from apcli.channels.trace.axes import Axis
from apcli.channels.trace.tracing import Tracer
from apcli.checkpoints.files.kept_channels import Sizes
from apcli.errors import ApcliError

_ANY = "?"
_NUMBER = re.compile(r"\?|-?[0-9]{1,15}|[0-9]{1,15}/[1-9][0-9]{0,14}")
_SPLITS = ("split", "chunk")  # of fewer channels, pieces of a given size are fewer


@dataclass(frozen=True)
class Call:
    """A call that states sizes, with the atoms that each of them counts; None: it counts no channels."""

    kind: str
    stated: tuple[int, ...]
    counted: tuple[np.ndarray | None, ...]


@dataclass(frozen=True)
class _Kind:
    """What such a call states, how it is made with other numbers, and what each of its numbers counts in its result."""

    stated: Callable[[tuple[Any, ...]], list[int] | None]
    made: Callable[[Any, tuple[Any, ...], list[int]], Any]
    counted: Callable[[Tracer, tuple[Any, ...], Any], list[np.ndarray | None]]


def _shape(args: tuple[Any, ...]) -> list[int] | None:
    sizes = args[1] if len(args) == 2 and isinstance(args[1], tuple | list) else args[1:]
    return None if any(isinstance(size, torch.dtype) for size in sizes) else list(sizes)


def _ids(axes: Sequence[Axis | None]) -> list[np.ndarray | None]:
    return [None if axis is None or (axis.ids == NOTHING).all() else axis.ids for axis in axes]


def _pieces(args: tuple[Any, ...]) -> list[int] | None:
    """The sizes of the pieces that ``split`` and ``split_with_sizes`` give."""
    tensor, sizes = args[:2]
    total = tensor.shape[args[2] if len(args) > 2 else 0]
    if not isinstance(sizes, int):
        return list(sizes)
    return [min(sizes, total - start) for start in range(0, total, sizes)]


def _chunks(args: tuple[Any, ...]) -> list[int] | None:
    tensor, number = args[:2]
    total = tensor.shape[args[2] if len(args) > 2 else 0]
    return _pieces((tensor, -(-total // number), *args[2:]))


def _of_pieces(tracer: Tracer, args: tuple[Any, ...], result: Any) -> list[np.ndarray | None]:
    dim = args[2] if len(args) > 2 else 0
    return _ids([tracer.axes(piece)[dim] for piece in result])


def _of_padding(tracer: Tracer, args: tuple[Any, ...], result: Any) -> list[np.ndarray | None]:
    counted: list[np.ndarray | None] = []
    for k in range(len(args[1]) // 2):
        axis, (before, after) = tracer.axes(result)[-1 - k], args[1][2 * k : 2 * k + 2]
        is_of_channels = axis is not None and before >= 0 and after >= 0 and before + after > 0
        ends = (axis.ids[:before], axis.ids[len(axis.ids) - after :]) if axis is not None and is_of_channels else ()
        counted += ends or (None, None)
    return counted


_KINDS = {
    "shape": _Kind(
        _shape, lambda f, args, sizes: f(args[0], tuple(sizes)), lambda tracer, args, result: _ids(tracer.axes(result))
    ),
    "unflatten": _Kind(
        lambda args: list(args[2]),
        lambda f, args, sizes: f(args[0], args[1], tuple(sizes)),
        lambda tracer, args, result: _ids(tracer.axes(result)[args[1] % args[0].dim() :][: len(args[2])]),
    ),
    "pad": _Kind(
        lambda args: list(args[1]), lambda f, args, sizes: f(args[0], list(sizes), *args[2:]), _of_padding
    ),
    "split": _Kind(_pieces, lambda f, args, sizes: torch.split(args[0], list(sizes), *args[2:]), _of_pieces),
    "chunk": _Kind(_chunks, lambda f, args, sizes: torch.split(args[0], list(sizes), *args[2:]), _of_pieces),
    "zeros": _Kind(
        lambda args: _shape((None, *args)),
        lambda f, args, sizes: f(tuple(sizes)),
        lambda tracer, args, result: _ids(tracer.axes(result)),
    ),
}  # fmt: skip
_NAMES: dict[Any, str] = {
    **dict.fromkeys([torch.reshape, Tensor.reshape, Tensor.view, Tensor.expand, Tensor.new_zeros], "shape"),
    **dict.fromkeys([Tensor.unflatten, torch.unflatten], "unflatten"),
    **dict.fromkeys((torch.split, Tensor.split, Tensor.split_with_sizes, torch.split_with_sizes), "split"),
    **dict.fromkeys([torch.chunk, Tensor.chunk], "chunk"),
    F.pad: "pad",
    torch.zeros: "zeros",
}
_ORDER = {"split": ("split_size_or_sections", "split_size", "split_sizes"), "chunk": ("chunks",), "pad": ("pad",),
          "unflatten": ("dim", "sizes"), "shape": ("shape", "size")}  # fmt: skip


def _positional(kind: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with those of sizes and dimensions by position."""
    left = dict(kwargs)
    for name in ("input", "self", *_ORDER.get(kind, ()), *(("dim",) if kind in ("split", "chunk") else ())):
        if name in left:
            args += (left.pop(name),)
    return args, left


class _Calls(TorchFunctionMode):
    """Looks at each call that states sizes; others pass."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kind = _NAMES.get(func)
        if kind is None:
            return func(*args, **(kwargs or {}))
        args, others = _positional(kind, tuple(args), kwargs or {})

        def run(*given: Any) -> Any:
            return func(*given, **others)

        stated = _KINDS[kind].stated(args)
        return run(*args) if stated is None else self.made(kind, run, args, stated)

    def made(self, kind: str, func: Any, args: tuple[Any, ...], stated: list[int]) -> Any:
        """Make a call of this kind, which states these sizes, and return its result."""
        raise NotImplementedError


class Recorded(_Calls):
    """Notes what the sizes of each call count, while a tracer follows the channels."""

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self.tracer = tracer
        self.calls: list[Call] = []

    def made(self, kind: str, func: Any, args: tuple[Any, ...], stated: list[int]) -> Any:
        result = func(*args)
        self.calls.append(Call(kind, tuple(stated), tuple(_KINDS[kind].counted(self.tracer, args, result))))
        return result


@dataclass(frozen=True)
class _Made:
    """A call as the functions of a module see it: the numbers of its form, and those that it needs."""

    kind: str
    stated: list[int]
    known: str
    wanted: str

    @property
    def form(self) -> str:
        return f"{self.kind} {self.known}"


class Compared(_Calls):
    """Makes the same calls in a network with fewer channels, with the sizes that it needs, and notes where they differ.

    Args:
        calls: those of the network with all channels, in order.
        gone: by atom, whether it is removed.
        place: the modules that are running, the innermost last.
    """

    def __init__(self, calls: Sequence[Call], gone: np.ndarray, place: Sequence[str]) -> None:
        super().__init__()
        self.left = iter(calls)
        self.gone = gone
        self.place = place
        self.calls: dict[str, list[_Made]] = {}  # by module, those of the modules within it too

    @property
    def sizes(self) -> dict[str, dict[str, str]]:
        """What the modules need, see ``resize_calls_``."""
        needed = {name: _replies(calls) for name, calls in self.calls.items()}
        return {name: replies for name, replies in needed.items() if replies}

    def made(self, kind: str, func: Any, args: tuple[Any, ...], stated: list[int]) -> Any:
        call = next(self.left, None)
        counts = [] if call is None else self._counts(call, stated)
        other_pieces = kind in _SPLITS and len(counts) != len(stated) and None not in counts
        if call is None or call.kind != kind or (len(counts) != len(stated) and not other_pieces):
            raise ApcliError("the network with fewer channels runs otherwise than the one with all")
        if other_pieces:
            needed = [count for count in counts if count is not None]
            known, wanted = list(map(str, stated)), list(map(str, needed))
        else:
            needed = [was if new is None or was == -1 else new for was, new in zip(stated, counts, strict=True)]
            known = [_ANY if count is None else str(was) for was, count in zip(stated, counts, strict=True)]
            wanted = [_ANY if count is None else str(new) for new, count in zip(needed, counts, strict=True)]
        for k, ids in enumerate(call.counted):
            repeats = counts[k] is not None and ids is not None and len(np.unique(ids)) < len(ids)
            if repeats and kind == "shape":  # it counts images or pixels too
                known[k], wanted[k] = _ANY, _ANY if needed[k] == stated[k] else _ratio(needed[k], stated[k])
        made = _Made(kind, stated, ",".join(known), ",".join(wanted))
        for name in dict.fromkeys(reversed(self.place)):
            self.calls.setdefault(name, []).append(made)
            if made.wanted != made.known:  # the modules around see the call with its other numbers
                made = _Made("split" if kind == "chunk" else kind, needed, made.wanted, made.wanted)
        return func(*args) if needed == stated else _KINDS[kind].made(func, args, needed)

    def _counts(self, call: Call, stated: Sequence[int]) -> list[int | None]:
        counts = [self._count(ids) for ids in call.counted]
        if len(counts) != len(stated):
            return counts
        # A number that counts no channels stays what it was, though the code may take it from a tensor that lost some.
        numbers = zip(counts, call.stated, stated, strict=True)
        return [was if count is None and was != now else count for count, was, now in numbers]

    def _count(self, ids: np.ndarray | None) -> int | None:
        """How many entries are left; None for tokens and the like, of which some have no atom and none goes."""
        if ids is None:
            return None
        gone = self.gone[ids] & (ids != NOTHING)
        return None if (ids == NOTHING).any() and not gone.any() else int((~gone).sum())


def _replies(calls: Sequence[_Made]) -> dict[str, str]:
    """The numbers that calls of a module need, by form: those of one call, or of several until they repeat."""
    wanted: dict[str, list[str]] = {call.form: [] for call in calls if call.wanted != call.known}
    for call in calls:
        form = _form_of(wanted, call.kind, call.stated)
        if form is not None:
            wanted[form].append(form.partition(" ")[2] if call.wanted == call.known else call.wanted)
    return {form: " ".join(each[: _period(each)]) for form, each in wanted.items() if each}


def _period(values: Sequence[str]) -> int:
    return next(n for n in range(1, len(values) + 1) if all(a == b for a, b in zip(values, values[n:], strict=False)))


def _form_of(forms: Iterable[str], kind: str, stated: Sequence[int]) -> str | None:
    """The first of the forms that a call has."""
    for form in forms:
        known = form.partition(" ")[2].split(",")
        is_of_form = form.startswith(f"{kind} ") and len(known) == len(stated)
        if is_of_form and all(k in (_ANY, str(size)) for k, size in zip(known, stated, strict=True)):
            return form
    return None


class _Resized(_Calls):
    """Makes calls of a module with the sizes of a network that has fewer channels."""

    def __init__(self, sizes: Mapping[str, str]) -> None:
        super().__init__()
        self.replies = {form: cycle(wanted.split(" ")) for form, wanted in sizes.items()}

    def made(self, kind: str, func: Any, args: tuple[Any, ...], stated: list[int]) -> Any:
        form = _form_of(self.replies, kind, stated)
        if form is None:
            return func(*args)
        sizes = [_number(text, stated, k) for k, text in enumerate(next(self.replies[form]).split(","))]
        return func(*args) if sizes == stated else _KINDS[kind].made(func, args, sizes)


def resize_calls_(model: nn.Module, sizes: Sizes) -> None:
    """Let modules make their calls with the sizes of a network that has fewer channels.

    Raises:
        ApcliError: the model has no such module, or a form is no such text.
    """
    for name, forms in sizes.items():
        try:
            module = model.get_submodule(name)
        except AttributeError:
            raise ApcliError(
                f"the compact file has sizes of {name}, which the model lacks: give the model that it was made from"
            ) from None
        if not all(_is_form(*form) for form in forms.items()):
            raise ApcliError(f"the sizes of {name} in the compact file are no such numbers: is it damaged?")
        module.sizes_of_calls = dict(forms)  # type: ignore[assignment]
        module.forward = MethodType(_forward, module)


def state_as_built_(model: nn.Module) -> None:
    """Undo ``resize_calls_``."""
    for module in model.modules():
        if "sizes_of_calls" in vars(module):
            del module.sizes_of_calls, module.forward


def _ratio(needed: int, stated: int) -> str:
    if stated == 0:
        raise ApcliError("the network with fewer channels states a size of 0")
    ratio = Fraction(needed, stated)
    return f"{ratio.numerator}/{ratio.denominator}"


def _number(text: str, stated: Sequence[int], k: int) -> int:
    """The number at place ``k`` of a call that states others."""
    number, _, part = text.partition("/")
    return stated[k] if text == _ANY else stated[k] * int(number) // int(part) if part else int(number)


def _is_form(form: str, wanted: str) -> bool:
    kind, _, known = form.partition(" ")
    given = [known.split(","), *(numbers.split(",") for numbers in wanted.split(" "))]
    are_numbers = all(_NUMBER.fullmatch(size) for each in given for size in each)
    fit = all(len(each) == len(given[0]) or (kind in _SPLITS and all(map(str.isdecimal, each))) for each in given)
    return kind in _KINDS and are_numbers and fit


def _forward(self: Any, *args: Any, **kwargs: Any) -> Any:
    with _Resized(self.sizes_of_calls):
        return type(self).forward(self, *args, **kwargs)
