"""Structured pruning: whole channels go, in every tensor that has a part in them.

In the masked file they are zeros, so that anyone's loader takes it: the rows of the weights that make a channel, the
columns of those that read it. In the compact file they are gone, and the lineage says which ones are left.
"""

import logging
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from apcli.checkpoints import Checkpoint
from apcli.compaction import Kept, narrowed
from apcli.criteria.filters import FilterWeights
from apcli.entries import Entry
from apcli.errors import ApcliError, UsageError, VerificationError
from apcli.layers import Layer
from apcli.masks import keep_highest
from apcli.models.channels import ChannelGroup, Part, channel_groups
from apcli.models.copies import copy_of
from apcli.models.spec import ModelSpec
from apcli.operations.filter_trials import Removed, Trial, compacted, cuts_of, masked
from apcli.probes import Batches, logits_of, undisturbed
from apcli.registry import Choice
from apcli.state_dicts import entry_of, tensor_of
from apcli.words import few

log = logging.getLogger("apcli")

SCOPES = ("layer", "global")


@dataclass(frozen=True)
class FilterResult:
    """A pruned checkpoint.

    Attributes:
        entries: its tensors, in the source's order.
        pruned: the zeros of every weight that has a part in the groups' channels, by tensor.
        kept: for the lineage of a compact file, see ``apcli.compaction``; None where no tensor became smaller.
        channels: how many were removed, and of how many.
    """

    entries: dict[str, Entry]
    pruned: dict[str, int]
    kept: Kept | None
    channels: tuple[int, int]


class FilterPruner:
    """Removes channels of one checkpoint, by any method and sparsity.

    Args:
        network: of the checkpoint's weights.
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
        self.network = network
        self.batches = batches
        parameter = next(network.parameters())
        example = torch.zeros(1, *spec.input_size, dtype=parameter.dtype, device=parameter.device)
        self.groups = self._taking_part(channel_groups(network, example), layers, set(excluded))
        self.trial = Trial(network, spec.input_size)
        draws = np.random.default_rng(0)
        self._leave_out_failing({g.name: np.sort(draws.permutation(g.size)[: g.size // 2]) for g in self.groups})

    def prune(
        self, method: Choice, scope: str, sparsity: float, seed: int, min_keep: int, compact: bool
    ) -> FilterResult:
        """Remove the channels that ``method`` scores lowest.

        Channels that no layer reads any more (an earlier pruning's) go first, and in any case.

        Args:
            scope: ``layer``, each group loses round(sparsity * channels); or ``global``, all are ranked together.
            min_keep: so many channels of a group stay, at least one.

        Raises:
            UsageError: the scope or the method does not suit.
            ApcliError: a score is NaN or Inf.
        """
        if scope not in SCOPES:
            raise UsageError(f"--scope is {scope!r}: channels are ranked by {' or '.join(SCOPES)}")
        while True:
            scores = [self._scores(group, method, seed) for group in self.groups]
            masks = _masks(scores, scope, sparsity, max(1, min_keep))
            removed = {g.name: np.flatnonzero(~mask) for g, mask in zip(self.groups, masks, strict=True)}
            if not self._leave_out_failing(removed):
                break
        self._tell_excess(scores, masks, sparsity)
        cuts = cuts_of(self.groups, removed)
        entries, kept = dict(self.source.entries), dict((self.source.lineage or {}).get("kept") or {})
        for name, cut in cuts.items():
            old = self.source.entries[name]
            entries[name] = entry_of((compacted if compact else masked)(tensor_of(old), cut))
            for dim, positions in cut.items():
                if compact and len(positions):
                    stay = np.setdiff1d(np.arange(old.shape[dim]), positions)
                    kept[name] = self._narrowed(name, kept.get(name, {}), dim, stay)
        weights = [name for name in entries if name in cuts and len(entries[name].shape) > 1]
        channels = (sum(map(len, removed.values())), sum(group.size for group in self.groups))
        return FilterResult(entries, {name: entries[name].zeros for name in weights}, kept or None, channels)

    def _narrowed(self, name: str, kept: Mapping[str, str], dim: int, stay: np.ndarray) -> dict[str, str]:
        try:
            return narrowed(kept, dim, self.source.entries[name].shape[dim], stay)
        except ValueError as error:
            raise VerificationError(f"{self.source.label}: the kept channels of {name} are wrong: {error}") from None

    def _taking_part(
        self, groups: Sequence[ChannelGroup], layers: Sequence[Layer], excluded: set[str]
    ) -> list[ChannelGroup]:
        """The groups that a selected layer makes and that can lose channels."""
        selected = {layer.tensor for layer in layers}
        free: list[ChannelGroup] = []
        reasons: dict[str, list[str]] = {}
        for group in groups:
            makers = {part.tensor for part in group.producers}
            if makers & selected:
                reason = group.fixed or ("a layer of --exclude makes them" if makers & excluded else "")
                (reasons.setdefault(reason, []) if reason else free).append(group.name if reason else group)  # type: ignore[arg-type]
        why = "; ".join(f"{few(names)}: {reason}" for reason, names in reasons.items())
        if not free:
            raise UsageError(
                f"{self.source.label} has no channels that can be removed of these layers"
                f"{f' ({why})' if why else ''}: choose other --layers, or --structure weight"
            )
        if why:
            log.info("%s: these keep their channels: %s", self.source.label, why)
        return free

    def _leave_out_failing(self, removed: Removed) -> bool:
        """Whether groups were left out because removing these channels is not what zeros in their place are.

        Raises:
            UsageError: no group is left.
        """
        failing = self.trial.failing(self.groups, removed)
        if failing:
            names = few([group.name for group in failing])
            log.warning(
                "%s: %s keep their channels: the network is not the same without them", self.source.label, names
            )
            self.groups = [group for group in self.groups if group not in failing]
            if not self.groups:
                raise UsageError(
                    f"{self.source.label}: no channel can be removed so that the network stays the same as with zeros "
                    "in its place: choose --structure weight"
                )
        return bool(failing)

    def _scores(self, group: ChannelGroup, method: Choice, seed: int) -> np.ndarray:
        """Larger = keep; -inf of channels that no layer reads, the lowest finite number where all rows are zero."""
        draws = np.random.default_rng([seed, zlib.crc32(group.name.encode())])
        rows = [self._values(part).reshape(group.size, -1) for part in group.producers]
        filters = np.concatenate(rows, axis=1, dtype=np.float64)
        products = self._products[group.name] if "data" in method.row.needs else None
        scores: np.ndarray = method(FilterWeights(group.name, filters, self._scale(group), products, draws))
        if not np.isfinite(scores).all():
            raise ApcliError(
                f"{self.source.label}: method {method.spec} scores a channel of {group.name} NaN or Inf: "
                "train the network further, or choose a method of the weights alone, such as l1"
            )
        read = [self._values(part).reshape(group.size, -1).any(axis=1) for part in group.consumers]
        scores = np.where(filters.any(axis=1), scores, np.finfo(np.float64).min)
        return np.where(np.any(read, axis=0), scores, -np.inf)

    def _values(self, part: Part) -> np.ndarray:
        """The part of each channel, floats [channels, k, ...]."""
        values: np.ndarray = np.moveaxis(self.source.entries[part.tensor].values, part.dim, 0)[part.positions]
        return values

    def _scale(self, group: ChannelGroup) -> np.ndarray | None:
        """The mean |scale| over the batch norms that take the group's channels."""
        scales = [
            np.abs(self._values(part)).mean(axis=1, dtype=np.float64)
            for part in group.others
            if f"{part.tensor.removesuffix('.weight')}.running_var" in self.source.entries
        ]
        return np.mean(scales, axis=0) if scales else None

    @cached_property
    def _products(self) -> dict[str, np.ndarray]:
        """By group, the sum of w g over each filter, float64 [batches, channels]; g is of a batch's mean loss."""
        if self.batches is None:
            raise UsageError("this method needs data: give --data")
        half = any(parameter.dtype.itemsize < 4 for parameter in self.network.parameters())  # its gradients underflow
        model = copy_of(self.network).float() if half else self.network
        state = {name: parameter.detach() for name, parameter in model.named_parameters()}
        weights = {p.tensor: state[p.tensor].requires_grad_() for group in self.groups for p in group.producers}
        found: dict[str, list[Tensor]] = {group.name: [] for group in self.groups}
        with undisturbed(model):
            for images, labels in self.batches():
                with torch.enable_grad():
                    logits = logits_of(functional_call(model, state, (images.float() if half else images,)))
                    loss = F.cross_entropy(logits.double(), labels)
                    gradients = torch.autograd.grad(loss, tuple(weights.values()), materialize_grads=True)
                products = {
                    name: (weight.detach().double() * gradient)
                    for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
                }
                for group in self.groups:
                    parts = [_by_channel(products[part.tensor], part) for part in group.producers]
                    found[group.name].append(torch.stack(parts).sum(dim=0))
        return {name: torch.stack(rows).cpu().numpy() for name, rows in found.items()}

    def _tell_excess(self, scores: Sequence[np.ndarray], masks: Sequence[np.ndarray], sparsity: float) -> None:
        dead = sum(int(np.isneginf(score).sum()) for score in scores)
        removed = sum(int(mask.size - np.count_nonzero(mask)) for mask in masks)
        if dead and removed > round(sparsity * sum(mask.size for mask in masks)):
            log.warning("%s: more channels than asked for were without a reader: they go too", self.source.label)


def _masks(scores: Sequence[np.ndarray], scope: str, sparsity: float, keep: int) -> list[np.ndarray]:
    """By group, bool [channels], True = kept. At least ``keep`` of a group stay; where it has no more, all."""
    if scope == "layer":
        return [keep_highest(score, _count(score, sparsity, score.size - keep)) for score in scores]
    # The last ``keep`` channels of each group's ranking are not in the common ranking: the next ones go instead.
    last = [keep_highest(score, max(0, score.size - keep)) for score in scores]
    pooled = np.concatenate([np.where(stays, np.inf, score) for stays, score in zip(last, scores, strict=True)])
    most = sum(int(stays.size - np.count_nonzero(stays)) for stays in last)
    wanted = max(round(sparsity * pooled.size), int(np.isneginf(pooled).sum()))
    mask = keep_highest(pooled, min(wanted, most))
    return np.split(mask, np.cumsum([score.size for score in scores])[:-1])


def _count(score: np.ndarray, sparsity: float, most: int) -> int:
    """How many of a group's channels go: those without a reader in any case."""
    return max(0, min(max(round(sparsity * score.size), int(np.isneginf(score).sum())), most))


def _by_channel(products: Tensor, part: Part) -> Tensor:
    """The sum over what belongs to each channel, [channels]."""
    sums = products.movedim(part.dim, 0).flatten(1).sum(dim=1)
    return sums[torch.from_numpy(part.positions).to(sums.device)].sum(dim=1)
