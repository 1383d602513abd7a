"""Structured pruning: remove whole channels from every tensor that has a part in them.

A masked file has zeros for a removed channel, in the rows of the weights that make it and the columns of those that
read it, so any loader accepts the file. A compact file lacks them, and its lineage lists the kept channels.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from apcli.allocations.units import Unit
from apcli.channels.groups import ChannelGraph, ChannelGroup
from apcli.channels.removal_check import Gone, RemovalCheck, Removed, gone_of, kept_of
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Derived, Entry
from apcli.checkpoints.files.kept_channels import KeptIndices, Sizes, narrowed
from apcli.checkpoints.promises import Allocated
from apcli.checkpoints.state_dicts import tensor_of
from apcli.errors import UsageError, VerificationError
from apcli.models.spec import ModelSpec
from apcli.probes.undisturbed import Batches
from apcli.registry.tables import Choice, Row
from apcli.selection.ranked import Ranked
from apcli.selection.rankings import ChannelRanking
from apcli.stages.prune.amounts import Amounts
from apcli.stages.prune.budgets.allocated import allocated_of
from apcli.stages.prune.channel_amounts import Candidates
from apcli.stages.prune.channel_scores import FilterScores
from apcli.words import few

log = logging.getLogger("apcli")


@dataclass(frozen=True)
class FilterResult:
    """A checkpoint without some of its channels.

    Attributes:
        entries: the tensors, in the source's order; computed from the source's when they are read.
        pruned: the weights with a part in the pruned groups, and the requested share of channels; None for weights in
            groups of different shares.
        kept: the ``kept`` of a compact file's lineage, see ``kept_channels``; None if no tensor became smaller.
        sizes: those of a compact file's lineage, see ``channels.calls``.
        channels: the number of removed channels, and of all channels of the groups.
        difference: of a compact file that lacks channels which a norm takes its statistics over: by how much its logits
            differ from those of the masked one, at most, over the largest; None: it lacks no such channels.
        allocated: how a budget was shared.
    """

    entries: dict[str, Entry]
    pruned: dict[str, float | None]
    kept: KeptIndices | None
    sizes: Sizes
    channels: tuple[int, int]
    difference: float | None
    allocated: Allocated | None = None


class FilterPruner:
    """Removes channels of one checkpoint, by any method and amounts.

    Args:
        network: with the checkpoint's weights; without ``batches`` an outline suffices.
        graph: of the network's channels.
        candidates: the groups to prune.
        batches: for methods that need data.
    """

    def __init__(
        self,
        source: Checkpoint,
        network: nn.Module,
        spec: ModelSpec,
        graph: ChannelGraph,
        candidates: Candidates,
        batches: Batches | None,
    ) -> None:
        self.source = source
        self.candidates = candidates
        self.check = RemovalCheck(network, spec.input_size, graph)
        self.scores = FilterScores(source, network, self.groups, batches)

    @property
    def groups(self) -> tuple[ChannelGroup, ...]:
        """The groups to prune."""
        return self.candidates.groups

    def prune(self, method: Choice[Row], amounts: Amounts, seed: int, compact: bool) -> FilterResult:
        """Remove the channels that ``method`` scores lowest.

        Channels that no layer reads (after an earlier pruning) are removed first, whatever the amount. The result
        depends on the arguments alone: a group that fails the numerical check here is tried again in the next call.

        Raises:
            UsageError: the amounts or the method do not suit.
            ApcliError: a score is NaN or Inf.
        """
        groups = [group for group in self.groups if group.name in amounts.asked]
        scores = {group.name: self.scores.of(group, method, seed) for group in groups}
        ranked = Ranked({name: ChannelRanking(score) for name, score in scores.items()})
        while True:
            part = amounts.of({group.name for group in groups})
            counts = part.counts(ranked)
            removed = {unit.name: _lowest(ranked, unit, counts[unit.name], scores[unit.name]) for unit in part.units}
            left = self._agreeing(groups, removed)
            if len(left) == len(groups):
                break
            groups = left
        self._tell_unread([scores[group.name] for group in groups], removed, sum(counts.values()))
        gone = gone_of(groups, removed)
        entries, kept = dict(self.source.entries), {**self.source.lineage.kept}
        for name, dims in gone.items():
            stay = kept_of(self.source.entries[name].shape, dims)
            entries[name] = _without(self.source.entries[name], stay, compact)
            if compact:
                for dim, indices in stay.items():
                    kept[name] = self._narrowed(name, kept.get(name, {}), dim, indices)
        channels = (sum(map(len, removed.values())), sum(group.size for group in groups))
        if not channels[0] and any(amounts.asked.values()):
            log.warning(
                "%s: no channel is removed: in every group the requested share rounds to none, or --min-keep keeps all",
                self.source.label,
            )
        pruned = self._pruned(groups, gone, amounts.asked)
        sizes, difference = self.source.lineage.sizes, None
        if compact:
            sizes, difference = self.check.sizes, self._difference(groups, removed)
        allocated = allocated_of(part, {name: len(channels) for name, channels in removed.items()})
        return FilterResult(entries, pruned, kept or None, sizes, channels, difference, allocated)

    def _difference(self, groups: Sequence[ChannelGroup], removed: Removed) -> float | None:
        """By how much the compact network's logits differ because norms take their statistics over fewer channels."""
        if not any(group.of_norm and len(removed[group.name]) for group in groups):
            return None
        difference = self.check.difference(groups, removed, lambda name: tensor_of(self.source.entries[name]))
        if difference is not None:
            log.warning(
                "%s: norms take their statistics over fewer channels: the logits of noise differ by up to %.3g of the "
                "largest from those of the masked file",
                *(self.source.label, difference),
            )
        return difference

    def _pruned(
        self, groups: Sequence[ChannelGroup], gone: Mapping[str, Gone], share_of: Mapping[str, float]
    ) -> dict[str, float | None]:
        asked: dict[str, set[float]] = {
            name: set() for name, entry in self.source.entries.items() if name in gone and len(entry.shape) > 1
        }
        for group in groups:
            for part in group.parts:
                if part.tensor in asked:
                    asked[part.tensor].add(share_of[group.name])
        return {name: shares.pop() if len(shares) == 1 else None for name, shares in asked.items()}

    def _narrowed(self, name: str, kept: Mapping[str, str], dim: int, stay: np.ndarray) -> dict[str, str]:
        try:
            return narrowed(kept, dim, self.source.entries[name].shape[dim], stay)
        except ValueError as error:
            raise VerificationError(f"{self.source.label}: the kept channels of {name} are wrong: {error}") from None

    def _agreeing(self, groups: Sequence[ChannelGroup], removed: Removed) -> list[ChannelGroup]:
        """The groups whose channels can be removed with the same result as zeros in their place.

        Raises:
            UsageError: no group is left.
        """
        failing = self.check.failing(groups, removed)
        if failing:
            log.warning(
                "%s: removing channels of %s changes what the network computes: they are kept",
                *(self.source.label, few([group.name for group in failing])),
            )
            if len(failing) == len(groups):
                raise UsageError(
                    f"{self.source.label}: no channel can be removed: each removal changes what the network computes: "
                    "choose --structure weight"
                )
        return [group for group in groups if group not in failing]

    def _tell_unread(self, scores: Sequence[np.ndarray], removed: Removed, wanted: int) -> None:
        """Log that more channels than requested are removed because no layer reads them, unless the request was 0."""
        unread = sum(int(np.isneginf(score).sum()) for score in scores)
        gone = sum(map(len, removed.values()))
        if unread and gone > wanted > 0:
            log.warning(
                "%s: removed %d channels, more than the requested %d: no layer reads the extra ones",
                *(self.source.label, gone, wanted),
            )


def _lowest(ranked: Ranked, unit: Unit, count: int, scores: np.ndarray) -> np.ndarray:
    """The channels of a group to remove, ascending, including all that no layer reads as far as its least allows."""
    unread = int(np.isneginf(scores).sum())
    cut = ranked.cut(unit.name, max(count, min(unread, unit.most)))
    return np.flatnonzero(~cut.kept(ranked.rankings[unit.name].ranks(0, unit.size), 0))


def _without(entry: Entry, stay: Mapping[int, np.ndarray], compact: bool) -> Entry:
    """A tensor that keeps the indices ``stay`` along each dimension; if not ``compact``, zeros replace the others.

    In a masked file, vectors (biases, norms) keep all numbers: no layer reads the channel any more.
    """
    if not stay or (len(entry.shape) < 2 and not compact):
        return entry
    shape = tuple(len(stay[dim]) if compact and dim in stay else size for dim, size in enumerate(entry.shape))
    width, across = math.prod(shape[1:]), math.prod(entry.shape[1:])
    rows = stay[0] if compact and 0 in stay else np.arange(entry.shape[0])
    gone = {dim: np.setdiff1d(np.arange(entry.shape[dim]), indices) for dim, indices in stay.items()}

    def bits_of(start: int, stop: int) -> np.ndarray:
        first, last = start // width, -(-stop // width)
        low, high = rows[first], rows[last - 1] + 1
        read = entry.bits_of(low * across, high * across).reshape(high - low, *entry.shape[1:])
        block = read[rows[first:last] - low]  # a copy
        for dim, indices in gone.items():
            if compact and dim > 0:
                block = block.take(stay[dim], axis=dim)
            elif not compact:
                at = np.flatnonzero(np.isin(rows[first:last], indices)) if dim == 0 else indices
                block[(slice(None),) * dim + (at,)] = 0
        return block.reshape(-1)[start - first * width : stop - first * width]

    return Derived(entry.dtype, shape, bits_of)
