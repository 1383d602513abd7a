"""Check a removal of channels numerically: a network with zeros in their place must compute the same as one without."""

import math
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._pytree import tree_map

from apcli.channels.calls import Compared, resize_calls_, state_as_built_
from apcli.channels.groups import ChannelGraph, ChannelGroup
from apcli.channels.norms import WithoutNorms
from apcli.channels.resize import fit_
from apcli.channels.trace.tracing import places_of
from apcli.checkpoints.files.kept_channels import Sizes
from apcli.errors import ApcliError, first_line
from apcli.models.copies import copy_of, emptied, holds_numbers
from apcli.probes.undisturbed import logits_of, memory_restored

Removed = Mapping[str, np.ndarray]  # by group, the channels to remove
Gone = Mapping[int, np.ndarray]  # by dimension of a tensor, the indices to remove

# Errors that networks raise on shapes that do not fit together, and on numbers of an unexpected type.
_MISFITS = (RuntimeError, ValueError, TypeError, IndexError, AssertionError, ApcliError)
_TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-3}  # of the largest logit
_DRAWN = 1 << 16  # random numbers for a larger tensor, whose rows are windows on them


def gone_of(groups: Iterable[ChannelGroup], removed: Removed) -> dict[str, dict[int, np.ndarray]]:
    """The positions of the removed channels by tensor and dimension, for every part of the groups, even if empty."""
    positions_of: dict[str, dict[int, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    for group in groups:
        for part in group.parts:
            positions_of[part.tensor][part.dim].append(part.positions[removed[group.name]].ravel())
    return {
        tensor: {dim: np.concatenate(positions) for dim, positions in by_dim.items()}
        for tensor, by_dim in positions_of.items()
    }


def kept_of(shape: Sequence[int], gone: Gone) -> dict[int, np.ndarray]:
    """The indices to keep, ascending, along each dimension that loses some."""
    return {dim: np.setdiff1d(np.arange(shape[dim]), indices) for dim, indices in gone.items() if len(indices)}


Norms = Collection[tuple[str, int]]  # operations that take statistics over channels
Changes = Mapping[str, Callable[[Tensor], Tensor]]  # of tensors, by name


@dataclass(frozen=True)
class _Compared:
    """The largest difference of logits over the largest logit, and the sizes that the smaller network's code needs."""

    difference: float
    sizes: Sizes


class RemovalCheck:
    """A copy of a network with random weights, which reveal every difference; initial zeros and ones would hide some.

    Weights are drawn again for each operation that uses them, so that only one is in memory at a time. Norms that take
    their statistics over the channels are replaced (``channels.norms``): with them, no smaller network is the same.

    Args:
        network: only its structure is used; an outline will do.
        input_size: channels, height and width of its images.
        graph: of the network's channels.

    Attributes:
        sizes: what the calls of the network's code need after the last removal that agreed.
    """

    def __init__(self, network: nn.Module, input_size: Sequence[int], graph: ChannelGraph) -> None:
        self.graph = graph
        self.sizes: Sizes = {}
        device = next((p.device for p in network.parameters() if not p.is_meta), torch.device("cpu"))
        draws = torch.Generator().manual_seed(0)
        self.images = torch.randn(2, *input_size, generator=draws, dtype=torch.float64).to(device)
        self.model = emptied(network, "meta").eval()
        self._use(torch.float64)
        state = self.model.state_dict(keep_vars=True)
        self.extents = {name: tuple(tensor.shape) for name, tensor in state.items()}
        names = {id(tensor): name for name, tensor in reversed(state.items()) if holds_numbers(tensor)}
        # By the place of a tensor, once for a module of several names, one of the tensor's names.
        self.names = {
            f"{name}.{own}".removeprefix("."): names[id(tensor)]
            for name, module in self.model.named_modules()
            for listed in (module.named_parameters, module.named_buffers)
            for own, tensor in listed(recurse=False, remove_duplicate=False)
            if id(tensor) in names
        }

    def _use(self, dtype: torch.dtype) -> None:
        """Compute in this type from now on."""
        self.tolerance = _TOLERANCES[dtype]
        self.images, self.model = self.images.to(dtype), self.model.to(dtype)

    def _uses_another_type(self) -> bool:
        """Compute in float32 from now on if the network does not run in float64: some create such tensors themselves.

        Raises:
            ApcliError: it runs in neither.
        """
        try:
            self._logits(self.model, {})
        except torch.OutOfMemoryError:
            raise
        except _MISFITS as error:
            if self.images.dtype == torch.float32:
                raise ApcliError(
                    f"the network does not run on random images ({first_line(error)}): give --structure weight"
                ) from error
            self._use(torch.float32)
            return True
        return False

    def failing(self, groups: Sequence[ChannelGroup], removed: Removed) -> list[ChannelGroup]:
        """The groups to leave whole, so that removing channels from all others changes no more than rounding does.

        Raises:
            ApcliError: the network does not run on random images.
        """
        good = self._agreeing([], list(groups), removed)
        return [group for group in groups if group not in good]

    def _agreeing(self, good: list[ChannelGroup], groups: list[ChannelGroup], removed: Removed) -> list[ChannelGroup]:
        """``good`` and those of ``groups`` that agree together with them, found by bisection because most do."""
        if self._agree(good + groups, removed):
            return good + groups
        if len(groups) == 1:
            return good
        half = len(groups) // 2
        return self._agreeing(self._agreeing(good, groups[:half], removed), groups[half:], removed)

    def _agree(self, groups: Sequence[ChannelGroup], removed: Removed) -> bool:
        norms = self.graph.norms if any(group.of_norm for group in groups) else ()
        found = self._compared(groups, removed, norms)
        if found is None or not found.difference <= self.tolerance:
            return False
        self.sizes = found.sizes
        return True

    def difference(
        self, groups: Sequence[ChannelGroup], removed: Removed, own: Callable[[str], Tensor]
    ) -> float | None:
        """By how much the logits of noise differ without the channels: at most, over the largest logit.

        None: the network does not run without the channels.

        Args:
            own: the network's own tensors, by name.
        """
        found = self._compared(groups, removed, (), own)
        return None if found is None else found.difference

    def _compared(
        self,
        groups: Sequence[ChannelGroup],
        removed: Removed,
        norms: Norms,
        own: Callable[[str], Tensor] | None = None,
    ) -> _Compared | None:
        """Run the network with zeros for the channels, and one that lacks them; None: it does not run."""
        gone = gone_of(groups, removed)
        stay = {name: kept_of(self.extents[name], dims) for name, dims in gone.items()}
        masked: Changes = {name: partial(_masked, gone=dims) for name, dims in gone.items()}
        smaller: Changes = {name: partial(_compacted, stay=dims) for name, dims in stay.items()}
        try:
            expected = self._logits(self.model, masked, norms, own)
        except torch.OutOfMemoryError:
            raise
        except _MISFITS:
            return self._compared(groups, removed, norms, own) if self._uses_another_type() else None
        # The second network shares the tensors; only those that shrink are replaced.
        shared = {id(tensor): tensor for tensor in (*self.model.parameters(), *self.model.buffers())}
        compact = copy_of(self.model, shared)
        try:
            fit_(compact, stay)
            state_as_built_(compact)
            with places_of(compact) as place, Compared(self.graph.calls, self.graph.gone(gone), place) as compared:
                actual = self._logits(compact, smaller, norms, own)
            sizes = compared.sizes
            if sizes:
                resize_calls_(compact, sizes)
                three = torch.cat([self.images, self.images[:1]])  # the sizes must suit any number of images
                actual = self._logits(compact, smaller, norms, own, three)[:2]
        except torch.OutOfMemoryError:
            raise
        except _MISFITS:
            return None
        if actual.shape != expected.shape:
            return None
        least = torch.finfo(expected.dtype).tiny  # where all logits are zero
        difference = (actual - expected).abs().max() / expected.abs().max().clamp_min(least)
        return _Compared(float(difference), sizes)

    def _logits(
        self,
        model: nn.Module,
        changes: Changes,
        norms: Norms = (),
        own: Callable[[str], Tensor] | None = None,
        images: Tensor | None = None,
    ) -> Tensor:
        shapes = model.state_dict()
        late: dict[str, Tensor] = {
            place: _Late(shapes[name].shape, self.images, self._maker(name, changes.get(name), own))
            for place, name in self.names.items()
        }
        with torch.no_grad(), WithoutNorms(norms) if norms else nullcontext(), memory_restored(model):
            return logits_of(
                functional_call(model, late, (self.images if images is None else images,), tie_weights=False)
            )

    def _maker(
        self, name: str, change: Callable[[Tensor], Tensor] | None, own: Callable[[str], Tensor] | None
    ) -> Callable[[], Tensor]:
        def make() -> Tensor:
            tensor = _drawn(name, self.extents[name]) if own is None else own(name)
            tensor = tensor.to(self.images, copy=True, memory_format=torch.contiguous_format)
            return tensor if change is None else change(tensor)

        return make


class _Late(Tensor):
    """A tensor that is created for each operation that uses it, and freed afterwards."""

    make: Callable[[], Tensor]

    @staticmethod
    def __new__(cls, shape: Sequence[int], like: Tensor, make: Callable[[], Tensor]) -> "_Late":
        late: _Late = Tensor._make_wrapper_subclass(cls, shape, dtype=like.dtype, device=like.device)
        late.make = make
        return late

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        made = partial(tree_map, lambda given: given.make() if isinstance(given, _Late) else given)
        return func(*made(args), **made(kwargs or {}))


def _drawn(name: str, shape: Sequence[int]) -> Tensor:
    """A tensor's random numbers, on the CPU, scaled so that activations stay about as large as the inputs.

    The rows of a large tensor are windows on one sequence of random numbers, so that it needs little memory and time.
    """
    draws = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    if name.endswith("running_var"):
        return torch.rand(shape, generator=draws) + 0.5
    rows, row = shape[0], math.prod(shape[1:])
    step = min(row, max(1, (_DRAWN - row) // max(1, rows)))
    run = torch.randn(row + step * max(0, rows - 1), generator=draws)
    inner = torch.empty(shape[1:], device="meta").stride()
    return (run * (2 / max(1, row if len(shape) > 1 else 2)) ** 0.5).as_strided(shape, (step, *inner))


def _masked(tensor: Tensor, gone: Gone) -> Tensor:
    """The tensor, now with zeros at the removed indices. Vectors (biases, norms) stay: no layer reads them any more."""
    if tensor.dim() > 1:
        for dim, indices in gone.items():
            tensor.index_fill_(dim, torch.from_numpy(indices).to(tensor.device), 0)
    return tensor


def _compacted(tensor: Tensor, stay: Mapping[int, np.ndarray]) -> Tensor:
    for dim, indices in stay.items():
        tensor = tensor.index_select(dim, torch.from_numpy(indices).to(tensor.device))
    return tensor
