"""Channels on trial: a network with channels set to zero, and the same network without them, must compute the same."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from apcli.errors import ApcliError
from apcli.models.channels import ChannelGroup
from apcli.models.copies import copy_of
from apcli.models.fit import fit_
from apcli.probes import logits_of

Removed = Mapping[str, np.ndarray]  # by group, the channels that go
Cuts = Mapping[int, np.ndarray]  # by dimension of a tensor, the indices that go

# What networks raise of shapes that do not go together, and of numbers of a type that they do not expect.
_MISFITS = (RuntimeError, ValueError, TypeError, IndexError, AssertionError, ApcliError)
_TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-3}  # of the largest logit


def cuts_of(groups: Iterable[ChannelGroup], removed: Removed) -> dict[str, dict[int, np.ndarray]]:
    """Where the removed channels lie, by tensor and dimension; of every part of the groups, also where nothing goes."""
    found: dict[str, dict[int, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    for group in groups:
        for part in group.parts:
            found[part.tensor][part.dim].append(part.positions[removed[group.name]].ravel())
    return {
        tensor: {dim: np.concatenate(positions) for dim, positions in by_dim.items()}
        for tensor, by_dim in found.items()
    }


def masked(tensor: Tensor, cuts: Cuts) -> Tensor:
    """A copy with zeros at the indices that go. Vectors (biases, norms) stay: no layer reads the channel any more."""
    tensor = tensor.clone()
    if tensor.dim() > 1:
        for dim, positions in cuts.items():
            tensor.index_fill_(dim, torch.from_numpy(positions).to(tensor.device), 0)
    return tensor


def compacted(tensor: Tensor, cuts: Cuts) -> Tensor:
    """The tensor without the indices that go."""
    for dim, positions in cuts.items():
        stay = np.setdiff1d(np.arange(tensor.shape[dim]), positions)
        tensor = tensor.index_select(dim, torch.from_numpy(stay).to(tensor.device))
    return tensor


def _shape(tensor: Tensor, cuts: Cuts) -> list[int]:
    """That of the compacted tensor."""
    return [size - len(cuts.get(dim, ())) for dim, size in enumerate(tensor.shape)]


class Trial:
    """A copy of a network with random weights, which hide nothing: zeros and ones that training starts from would.

    Args:
        input_size: channels, height and width of its images.

    Raises:
        ApcliError: the network does not run on random images.
    """

    def __init__(self, network: nn.Module, input_size: Sequence[int]) -> None:
        draws = torch.Generator().manual_seed(0)
        device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
        images = torch.randn(2, *input_size, generator=draws, dtype=torch.float64)
        error: Exception | None = None
        for dtype, self.tolerance in _TOLERANCES.items():  # some networks make float32 tensors of their own
            self.images = images.to(device, dtype)
            self.model = copy_of(network).to(dtype).eval()
            try:
                self._logits(self.model, {})
                break
            except torch.OutOfMemoryError:
                raise
            except _MISFITS as failure:
                error = failure
        else:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ApcliError(
                f"the network does not run on random images ({reason}): give --structure weight"
            ) from error
        self.state = self.model.state_dict()
        for name, tensor in self.state.items():
            if tensor.is_floating_point() and tensor.dim():
                tensor.copy_(_drawn(name, tensor, draws))

    def failing(self, groups: Sequence[ChannelGroup], removed: Removed) -> list[ChannelGroup]:
        """The groups to leave whole so that removing channels of all others changes no more than rounding does."""
        good = self._agreeing([], list(groups), removed)
        return [group for group in groups if group not in good]

    def _agreeing(self, good: list[ChannelGroup], groups: list[ChannelGroup], removed: Removed) -> list[ChannelGroup]:
        """``good`` and those of ``groups`` that agree together with them; found by halves, as most do."""
        if self._agree(good + groups, removed):
            return good + groups
        if len(groups) == 1:
            return good
        half = len(groups) // 2
        return self._agreeing(self._agreeing(good, groups[:half], removed), groups[half:], removed)

    def _agree(self, groups: Sequence[ChannelGroup], removed: Removed) -> bool:
        cuts = cuts_of(groups, removed)
        # A second network of the same tensors: those that become smaller are replaced.
        shared = {id(tensor): tensor for tensor in (*self.model.parameters(), *self.model.buffers())}
        compact = copy_of(self.model, shared)
        try:
            fit_(compact, {name: _shape(self.state[name], cut) for name, cut in cuts.items()})
            state = compact.state_dict()
            for name, cut in cuts.items():
                state[name].copy_(compacted(self.state[name], cut))
            found = self._logits(compact, {})
            expected = self._logits(self.model, {name: masked(self.state[name], cut) for name, cut in cuts.items()})
        except torch.OutOfMemoryError:
            raise
        except _MISFITS:
            return False
        if found.shape != expected.shape:
            return False
        return bool((found - expected).abs().max() <= self.tolerance * expected.abs().max())

    def _logits(self, model: nn.Module, replaced: Mapping[str, Tensor]) -> Tensor:
        with torch.no_grad():
            return logits_of(functional_call(model, dict(replaced), (self.images,)))


def _drawn(name: str, tensor: Tensor, draws: torch.Generator) -> Tensor:
    """Numbers in place of a tensor's, on the CPU, that keep activations at the size of the inputs."""
    if name.endswith("running_var"):
        return torch.rand(tensor.shape, generator=draws) + 0.5
    inputs = tensor[0].numel() if tensor.dim() > 1 else 2
    return torch.randn(tensor.shape, generator=draws) * (2 / max(1, inputs)) ** 0.5
