"""Structured pruning: whole channels go, in every tensor that has a part in them.

In the masked file they are zeros, so that anyone's loader takes it: the rows of the weights that make a channel, the
columns of those that read it. In the compact file they are gone, and the lineage says which ones are left.
"""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from apcli.channels.cut_check import CutCheck, Cuts, Removed, cuts_of, kept_of
from apcli.channels.groups import ChannelGroup, channel_groups
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.entries import Derived, Entry
from apcli.checkpoints.kept_channels import KeptIndices, narrowed
from apcli.checkpoints.layers import Layer
from apcli.errors import UsageError, VerificationError
from apcli.models.spec import ModelSpec
from apcli.probes.undisturbed import Batches
from apcli.registry.tables import Choice, Row
from apcli.stages.prune.channel_scores import FilterScores
from apcli.stages.prune.channel_shares import SCOPES, Shares, masks_of, share_of_groups
from apcli.words import few

log = logging.getLogger("apcli")


@dataclass(frozen=True)
class FilterResult:
    """A pruned checkpoint.

    Attributes:
        entries: its tensors, in the source's order; made from the source's when they are read.
        pruned: the weights that have a part in the groups' channels, and the share of channels that was asked of them;
            None where they have parts in groups of different shares.
        kept: for the lineage of a compact file, see ``kept_channels``; None where no tensor became smaller.
        channels: how many were removed, and of how many.
    """

    entries: dict[str, Entry]
    pruned: dict[str, float | None]
    kept: KeptIndices | None
    channels: tuple[int, int]


class FilterPruner:
    """Removes channels of one checkpoint, by any method and shares.

    Args:
        network: of the checkpoint's weights; without ``batches`` an outline of it will do.
        layers: those selected; a group of channels takes part where one of them makes it.
        batches: for methods that need data.
        excluded: tensors that keep a group out where they make its channels.

    Raises:
        UsageError: no channel can be removed; the message says why.
    """

    def __init__(
        self,
        source: Checkpoint,
        network: nn.Module,
        spec: ModelSpec,
        layers: Sequence[Layer],
        batches: Batches | None,
        excluded: Iterable[str] = (),
    ) -> None:
        self.source = source
        self.selected = {layer.tensor for layer in layers}
        self.reasons: dict[str, str] = {}  # by tensor, why the channels that it makes must stay
        groups = self._taking_part(channel_groups(network, torch.zeros(1, *spec.input_size)), set(excluded))
        self.check = CutCheck(network, spec.input_size)
        draws = np.random.default_rng(0)
        halves = {g.name: np.sort(draws.permutation(g.size)[: g.size // 2]) for g in groups}
        self.groups = self._agreeing(groups, halves)
        self.scores = FilterScores(source, network, self.groups, batches)

    def prune(
        self, method: Choice[Row], shares: Shares, scope: str, seed: int, min_keep: float, compact: bool
    ) -> FilterResult:
        """Remove the channels that ``method`` scores lowest.

        Channels that no layer reads any more (an earlier pruning's) go first, and in any case. The result depends on
        the arguments alone: a group that has to stay whole here takes part again in the next call.

        Args:
            scope: ``layer``, each group loses round(share * channels); or ``global``, all are ranked together.
            min_keep: so many channels of a group stay, or this share of them if below 1; at least one.

        Raises:
            UsageError: the scope, the shares or the method do not suit.
            ApcliError: a score is NaN or Inf.
        """
        if scope not in SCOPES:
            raise UsageError(f"--scope is {scope!r}: channels are ranked by {' or '.join(SCOPES)}")
        share_of = share_of_groups(self.groups, shares, self.selected, self.reasons)
        groups = [group for group in self.groups if group.name in share_of]
        scores = {group.name: self.scores.of(group, method, seed) for group in groups}
        while True:
            asked = [share_of[group.name] for group in groups]
            masks = masks_of([scores[group.name] for group in groups], scope, asked, min_keep)
            removed = {group.name: np.flatnonzero(~mask) for group, mask in zip(groups, masks, strict=True)}
            left = self._agreeing(groups, removed)
            if len(left) == len(groups):
                break
            groups = left
        self._tell_unread([scores[group.name] for group in groups], masks, asked)
        cuts = cuts_of(groups, removed)
        entries, kept = dict(self.source.entries), {**self.source.lineage.kept}
        for name, cut in cuts.items():
            stay = kept_of(self.source.entries[name].shape, cut)
            entries[name] = _without(self.source.entries[name], stay, compact)
            if compact:
                for dim, indices in stay.items():
                    kept[name] = self._narrowed(name, kept.get(name, {}), dim, indices)
        channels = (sum(map(len, removed.values())), sum(group.size for group in groups))
        if not channels[0] and any(share_of.values()):
            log.warning(
                "%s: no channel is removed: in every group the share asked for rounds to none, or --min-keep keeps all",
                self.source.label,
            )
        return FilterResult(entries, self._pruned(groups, cuts, share_of), kept or None, channels)

    def _pruned(
        self, groups: Sequence[ChannelGroup], cuts: Mapping[str, Cuts], share_of: Mapping[str, float]
    ) -> dict[str, float | None]:
        asked: dict[str, set[float]] = {
            name: set() for name, entry in self.source.entries.items() if name in cuts and len(entry.shape) > 1
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

    def _taking_part(self, groups: Sequence[ChannelGroup], excluded: set[str]) -> list[ChannelGroup]:
        """The groups that a selected layer makes and that can lose channels."""
        free: list[ChannelGroup] = []
        reasons: dict[str, list[str]] = {}
        for group in groups:
            makers = {part.tensor for part in group.producers}
            if makers & self.selected:
                reason = group.fixed or ("a layer of --exclude makes them" if makers & excluded else "")
                if reason:
                    reasons.setdefault(reason, []).append(group.name)
                    self.reasons |= dict.fromkeys(makers, reason)
                else:
                    free.append(group)
        why = "; ".join(f"{few(names)}: {reason}" for reason, names in reasons.items())
        if not free:
            raise UsageError(
                f"{self.source.label} has no channels that can be removed of these layers"
                f"{f' ({why})' if why else ''}: choose other --layers, or --structure weight"
            )
        if why:
            log.info("%s: these keep their channels: %s", self.source.label, why)
        return free

    def _agreeing(self, groups: Sequence[ChannelGroup], removed: Removed) -> list[ChannelGroup]:
        """The groups without those for which removing these channels is not what zeros in their place are.

        Raises:
            UsageError: no group is left.
        """
        failing = self.check.failing(groups, removed)
        if failing:
            log.warning(
                "%s: the network is not the same without channels of %s: they keep them",
                *(self.source.label, few([group.name for group in failing])),
            )
            if len(failing) == len(groups):
                raise UsageError(
                    f"{self.source.label}: no channel can be removed so that the network stays the same as with zeros "
                    "in its place: choose --structure weight"
                )
        return [group for group in groups if group not in failing]

    def _tell_unread(self, scores: Sequence[np.ndarray], masks: Sequence[np.ndarray], shares: Sequence[float]) -> None:
        """Say so where channels that no layer reads make more than what was asked for; of 0 that is what was wanted."""
        unread = sum(int(np.isneginf(score).sum()) for score in scores)
        removed = sum(int(mask.size - np.count_nonzero(mask)) for mask in masks)
        wanted = sum(round(share * mask.size) for share, mask in zip(shares, masks, strict=True))
        if unread and removed > wanted > 0:
            log.warning(
                "%s: %d channels are removed where %d were asked for: no layer reads the others",
                *(self.source.label, removed, wanted),
            )


def _without(entry: Entry, stay: Mapping[int, np.ndarray], compact: bool) -> Entry:
    """A tensor with only the indices that ``stay`` has of a dimension; the others are zeros, or taken out.

    Vectors (biases, norms) keep all their numbers where none are taken out: no layer reads the channel any more.
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
        entry.release(low * across, high * across)
        for dim, indices in gone.items():
            if compact and dim > 0:
                block = block.take(stay[dim], axis=dim)
            elif not compact:
                at = np.flatnonzero(np.isin(rows[first:last], indices)) if dim == 0 else indices
                block[(slice(None),) * dim + (at,)] = 0
        return block.reshape(-1)[start - first * width : stop - first * width]

    return Derived(entry.dtype, shape, bits_of)
