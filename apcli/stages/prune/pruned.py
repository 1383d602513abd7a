"""Make the tensors of a plan: choose the weights to remove, and mask them."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from apcli.allocations.budgets import Sparsity
from apcli.checkpoints.files.entries import Derived, Entry
from apcli.checkpoints.files.kept_channels import KeptIndices, Sizes
from apcli.checkpoints.layers import Layer
from apcli.checkpoints.promises import Allocated
from apcli.errors import UsageError
from apcli.selection.layer_masks import Mask, by_counts, by_pattern
from apcli.selection.ranked import Ranked
from apcli.selection.rankings import MagnitudeRanking, ScoreRanking, common_dtype
from apcli.stages.prune.amounts import Amounts, amounts_of
from apcli.stages.prune.budgets.allocated import allocated_of
from apcli.stages.prune.plans import Plan, Task
from apcli.stages.prune.requests import MASK, Request

if TYPE_CHECKING:  # it imports torch
    from apcli.stages.prune.network import ScoredNetwork

log = logging.getLogger("apcli")

_NOTHING: Mapping[str, int] = {}


@dataclass(frozen=True)
class Pruned:
    """The tensors of a file to write.

    Attributes:
        entries: all tensors.
        zeros: by pruned tensor, its number of zeros; None: not counted yet.
        asked: by pruned tensor, the share that a record calls ``requested``; None: its parts have different shares.
        kept: the kept channels of a compact file.
        sizes: the sizes that its network's code needs.
        norm_difference: of its logits from those of the masked file, if norms take statistics over fewer channels.
        fixed: by tensor, the number of elements to remove, if it is known beforehand.
        allocated: how a budget was shared.
    """

    entries: dict[str, Entry]
    zeros: Mapping[str, int | None]
    asked: Mapping[str, float | None]
    kept: KeptIndices
    fixed: Mapping[str, int]
    sizes: Sizes = field(default_factory=dict)
    norm_difference: float | None = None
    allocated: Allocated | None = None


def pruned(task: Task, plan: Plan, network: "ScoredNetwork | None") -> Pruned:
    """Make the tensors of a plan; most are computed when they are read."""
    source, amounts = task.source, plan.amounts
    kept = source.lineage.kept
    if amounts is None:
        assert network is not None
        result = network.filters(task.layers, plan.request)
        log.info("%s: %s of %s channels are removed", source.label, *(f"{n:,}" for n in result.channels))
        zeros, kept = dict.fromkeys(result.pruned), result.kept or {}
        stated = result.sizes, result.difference, result.allocated
        return Pruned(result.entries, zeros, result.pruned, kept, {}, *stated)
    layers = [layer for layer in task.layers if layer.name in amounts.asked]
    asked = {name: amounts.asked[x.name] for x in layers for name in task.names_of(x.tensor)}
    if plan.request.needs("reconstruction"):
        assert network is not None
        removed = {layer.tensor: amounts.known[layer.name] for layer in layers}
        weights = network.reconstructed(layers, plan.request.method, removed, task.config.pattern)
        named = {name: entry for tensor, entry in weights.items() for name in task.names_of(tensor)}
        allocated, zeros = allocated_of(amounts, amounts.known), dict.fromkeys(weights)
        return Pruned({**source.entries, **named}, zeros, asked, kept, {}, source.lineage.sizes, None, allocated)
    if plan.request.method == MASK:
        assert plan.other is not None
        others, own = plan.other.entries, source.entries
        return _rewound(task, {x.tensor: _where_not_zero(others[x.tensor], own[x.tensor]) for x in layers}, asked)
    ranked = _ranked(task, plan.request, amounts, network)
    counts = amounts.counts(ranked)
    masks = _masks(task, amounts, layers, ranked, counts)
    beforehand = not amounts.need_scores and plan.other is None
    made = _rewound(task, masks, asked, {x.tensor: counts[x.name] for x in layers if beforehand})
    return replace(made, allocated=None if plan.other is not None else allocated_of(amounts, counts))


def tensors_at(task: Task, request: Request, network: "ScoredNetwork | None", share: float) -> dict[str, Entry] | None:
    """The layers' tensors without this share of their weights; None if the scope cannot share so much out.

    Raises:
        UsageError: the scope cannot share out anything.
    """
    amount, scoped = Sparsity(share), replace(task.config, scope=request.scope)
    measured = None if network is None else network.measured
    amounts = amounts_of(task.source, task.layers, amount, scoped, measured=measured)
    try:
        amounts.bounds()
    except UsageError:
        if share == 0:
            raise
        return None
    made = pruned(task, Plan(replace(request, amount=amount), amounts, None, task.source.home, {}), network)
    return {layer.tensor: made.entries[layer.tensor] for layer in task.layers}


def _rewound(
    task: Task, masks: Mapping[str, Mask], asked: Mapping[str, float], fixed: Mapping[str, int] = _NOTHING
) -> Pruned:
    """The masked tensors, with their own values or those of ``--rewind-to``."""
    source, values = task.source, (task.rewound or task.source).entries
    before = source.lineage.pruned if task.rewound else {}  # zeros that rewinding must not fill
    held = {x: _where_not_zero(source.entries[x], source.entries[x]) for x in before}
    by_name = {name: mask for tensor, mask in {**held, **masks}.items() for name in task.names_of(tensor)}
    masked = {name: _masked(values[name], mask) for name, mask in by_name.items()}
    zeros = {x: None if task.rewound else mask.zeros for x, mask in masks.items()}
    return Pruned({**values, **masked}, zeros, asked, source.lineage.kept, fixed, source.lineage.sizes)


def _ranked(task: Task, request: Request, amounts: Amounts, network: "ScoredNetwork | None") -> Ranked:
    """Rank the weights of every layer by the method."""
    entries, layers, method = task.source.entries, task.layers, request.method
    if request.needs("network"):
        assert network is not None
        return _by_scores(task, network.scores(layers, method, partial(_chosen, task, amounts)))
    if request.needs("layer"):
        return _by_scores(task, {x.tensor: method(entries[x.tensor].values) for x in layers})
    dtype = common_dtype([entries[layer.tensor] for layer in layers])
    return Ranked(
        {x.name: MagnitudeRanking(entries[x.tensor], x.tensor, method, dtype, request.seed or 0) for x in layers}
    )


def _by_scores(task: Task, scores: Mapping[str, np.ndarray]) -> Ranked:
    return Ranked({x.name: ScoreRanking(scores[x.tensor], task.source.entries[x.tensor]) for x in task.layers})


def _masks(
    task: Task, amounts: Amounts, layers: Sequence[Layer], ranked: Ranked, counts: Mapping[str, int]
) -> dict[str, Mask]:
    if task.config.pattern:
        return by_pattern(layers, ranked, task.config.pattern)
    return by_counts(layers, ranked, counts, rows="rows" in amounts.scope.row.needs)


def _chosen(task: Task, amounts: Amounts, scores: Mapping[str, np.ndarray], share: float) -> dict[str, np.ndarray]:
    """Bool masks after a share of the steps, for methods that prune in steps."""
    step, ranked = amounts.on_the_way(share), _by_scores(task, scores)
    masks = _masks(task, step, task.layers, ranked, step.counts(ranked))
    return {x: mask.kept(0, scores[x].size).reshape(scores[x].shape) for x, mask in masks.items()}


def _masked(values: Entry, mask: Mask) -> Entry:
    """A tensor whose removed weights are +0.0, computed a block at a time; its own zeros keep their sign."""

    def bits_of(start: int, stop: int) -> np.ndarray:
        bits = values.bits_of(start, stop)
        kind = bits.dtype.type
        masked: np.ndarray = bits * (mask.kept(start, stop) | (bits == kind(1 << (8 * bits.itemsize - 1))))
        return masked

    return Derived(values.dtype, values.shape, bits_of)


def _where_not_zero(other: Entry, own: Entry) -> Mask:
    """Remove the weights that are zero in either tensor."""
    return Mask(lambda start, stop: (other.run(start, stop) != 0) & (own.run(start, stop) != 0))
