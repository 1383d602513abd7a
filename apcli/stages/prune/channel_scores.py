"""Score channels by a file's weights, read a block at a time, and by gradients."""

import zlib
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from apcli.channels.groups import ChannelGroup, Part
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Entry
from apcli.criteria.filters import BLOCK, FilterWeights
from apcli.errors import ApcliError, UsageError
from apcli.models.copies import copy_of
from apcli.probes.undisturbed import Batches, logits_of, undisturbed
from apcli.registry.tables import Choice, Row


class Filters:
    """Each channel's weights as a row of a float64 matrix [channels, n]; rows are read when they are indexed."""

    def __init__(self, source: Checkpoint, parts: Sequence[Part]) -> None:
        self.source, self.parts = source, parts
        columns = sum(source.entries[p.tensor].size // source.entries[p.tensor].shape[p.dim] * _width(p) for p in parts)
        self.shape = (len(parts[0].positions), columns)

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        read = [_values(self.source, part, rows) for part in self.parts]
        return np.concatenate(read, axis=1, dtype=np.float64)

    def any(self) -> np.ndarray:
        """Whether each channel has a nonzero weight: bool [channels]."""
        return np.any([_is_any(self.source, part) for part in self.parts], axis=0)


class FilterScores:
    """Scores the channels of one checkpoint's groups, larger = keep.

    Args:
        network: with the checkpoint's weights; used only if there are ``batches``.
        batches: for methods that need data.
    """

    def __init__(
        self, source: Checkpoint, network: nn.Module, groups: Sequence[ChannelGroup], batches: Batches | None
    ) -> None:
        self.source, self.network, self.groups, self.batches = source, network, groups, batches

    def of(self, group: ChannelGroup, method: Choice[Row], seed: int) -> np.ndarray:
        """Score a group's channels: -inf for channels that no layer reads, the lowest finite number for zero filters.

        Raises:
            UsageError: the method needs data or a batch norm that is missing.
            ApcliError: a score is NaN or Inf.
        """
        draws = np.random.default_rng([seed, zlib.crc32(group.name.encode())])
        filters = Filters(self.source, group.producers)
        products = self._products[group.name] if "data" in method.row.needs else None
        scores: np.ndarray = method(FilterWeights(group.name, filters, self._scale(group), products, draws))
        if np.shape(scores) != filters.shape[:1]:
            raise ApcliError(
                f"{self.source.label}: method {method.spec} gives {np.shape(scores)} scores of {group.name}: expected "
                f"one for each of its {filters.shape[0]} channels"
            )
        if not np.isfinite(scores).all():
            raise ApcliError(
                f"{self.source.label}: method {method.spec} scores a channel of {group.name} NaN or Inf: "
                "train the network further, or choose a method of the weights alone, such as l1"
            )
        scores = np.where(filters.any(), scores, np.finfo(np.float64).min)
        return np.where(Filters(self.source, group.consumers).any(), scores, -np.inf)

    def _scale(self, group: ChannelGroup) -> np.ndarray | None:
        """The |scale| of the channels' batch norms, averaged over norms; None if there is none."""
        scales = [
            np.abs(_values(self.source, part, slice(None))).mean(axis=1, dtype=np.float64)
            for part in group.others
            if f"{part.tensor.removesuffix('.weight')}.running_var" in self.source.entries
        ]
        return np.mean(scales, axis=0) if scales else None

    @cached_property
    def _products(self) -> dict[str, np.ndarray]:
        """The sum of w g over each filter, by group, g a batch's mean gradient: float64 [batches, channels]."""
        if self.batches is None:
            raise UsageError("this method needs data: give --data")
        half = any(parameter.dtype.itemsize < 4 for parameter in self.network.parameters())  # half underflows
        model = copy_of(self.network).float() if half else self.network
        state = {name: parameter.detach() for name, parameter in model.named_parameters()}
        weights = {p.tensor: state[p.tensor].requires_grad_() for group in self.groups for p in group.producers}
        products: dict[str, list[Tensor]] = {group.name: [] for group in self.groups}
        with undisturbed(model):
            for images, labels in self.batches():
                with torch.enable_grad():
                    logits = logits_of(functional_call(model, state, (images.float() if half else images,)))
                    loss = F.cross_entropy(logits.double(), labels)
                    slopes = torch.autograd.grad(loss, tuple(weights.values()), materialize_grads=True)
                gradients = dict(zip(weights, slopes, strict=True))
                for group in self.groups:
                    parts = [
                        _by_channel(weights[part.tensor].detach().double() * gradients[part.tensor], part)
                        for part in group.producers
                    ]
                    products[group.name].append(torch.stack(parts).sum(dim=0))
        return {name: torch.stack(rows).cpu().numpy() for name, rows in products.items()}


def _width(part: Part) -> int:
    return int(part.positions.shape[1])


def _values(source: Checkpoint, part: Part, rows: slice | np.ndarray) -> np.ndarray:
    """The elements of a tensor that belong to each of these channels: floats [channels, k]."""
    entry, positions = source.entries[part.tensor], part.positions[rows]
    first, stop = 0, entry.shape[0]
    if part.dim == 0 and positions.size:  # rows stand together in the file
        first, stop = int(positions.min()), int(positions.max()) + 1
        positions = positions - first
    channels = np.moveaxis(_rows(entry, first, stop), part.dim, 0)[positions]
    return channels.reshape(len(channels), -1)


def _is_any(source: Checkpoint, part: Part) -> np.ndarray:
    """Whether each channel has a nonzero element: bool [channels]."""
    entry = source.entries[part.tensor]
    rows = max(1, BLOCK * entry.shape[0] // max(1, entry.size))
    found = np.zeros(entry.shape[part.dim], bool)
    for start in range(0, entry.shape[0], rows):
        block = np.moveaxis(_rows(entry, start, min(start + rows, entry.shape[0])), part.dim, 0)
        place = slice(start, start + rows) if part.dim == 0 else slice(None)
        found[place] |= block.reshape(len(block), -1).any(axis=1)
    return found[part.positions].any(axis=1)


def _rows(entry: Entry, start: int, stop: int) -> np.ndarray:
    """The entries from ``start`` up to ``stop`` along the first dimension, as floats."""
    across = entry.size // max(1, entry.shape[0])
    return entry.run(start * across, stop * across).reshape(stop - start, *entry.shape[1:])


def _by_channel(products: Tensor, part: Part) -> Tensor:
    """The sum over the elements that belong to each channel: [channels]."""
    sums = products.movedim(part.dim, 0).flatten(1).sum(dim=1)
    return sums[torch.from_numpy(part.positions).to(sums.device)].sum(dim=1)
