"""Select the channel groups to prune, and compute how many channels of each to remove."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from apcli.allocations import SCOPES
from apcli.allocations.budgets import Budget, Sparsity
from apcli.allocations.units import Context, Unit, least
from apcli.channels.groups import ChannelGroup
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import Layer, layer_name, select
from apcli.configs.prune import PruneConfig
from apcli.errors import UsageError
from apcli.stages.prune.amounts import Amounts
from apcli.stages.prune.budgets.of_channels import remaining
from apcli.stages.prune.requests import Amount, Remaining
from apcli.words import few

if TYPE_CHECKING:  # it imports torch
    from apcli.probes.costs import Costs as MultiplyAdds
    from apcli.stages.prune.measured.allocations import Measurements

log = logging.getLogger("apcli")

_OPTION = "--layer-sparsity"


def _not_counted() -> "MultiplyAdds":
    raise ValueError("a budget of multiply-adds needs the network: pass what counts them")


@dataclass(frozen=True)
class Candidates:
    """The channel groups to prune.

    Attributes:
        groups: groups that a selected layer makes and that can lose channels.
        selected: the tensors of the selected layers.
        reasons: by tensor, the reason why the channels that it makes cannot be removed.
    """

    groups: tuple[ChannelGroup, ...]
    selected: frozenset[str]
    reasons: dict[str, str]


def candidates_of(
    source: Checkpoint,
    groups: Sequence[ChannelGroup],
    layers: Sequence[Layer],
    exclude: str | None,
    *,
    through_norms: bool = False,
) -> Candidates:
    """Select the groups to prune; logs the reason why other groups of selected layers keep their channels.

    Args:
        groups: all groups of the network.
        exclude: the value of ``--exclude``: a group with a maker among these layers keeps its channels.
        through_norms: whether a norm's statistics are no reason to keep channels.

    Raises:
        UsageError: no group can lose channels.
    """
    selected = frozenset(layer.tensor for layer in layers)
    unwanted = {x.tensor for x in select(source, exclude, option="--exclude")} if exclude is not None else set()
    free: list[ChannelGroup] = []
    keeping: dict[str, list[str]] = {}
    reasons: dict[str, str] = {}
    for group in groups:
        makers = {part.tensor for part in group.producers}
        if not makers & selected:
            continue
        fixed = "" if through_norms and group.of_norm else group.fixed
        if reason := fixed or ("a layer of --exclude makes them" if makers & unwanted else ""):
            keeping.setdefault(reason, []).append(group.name)
            reasons |= dict.fromkeys(makers, reason)
        else:
            free.append(group)
    why = "; ".join(f"{few(names)}: {reason}" for reason, names in keeping.items())
    if not free:
        raise UsageError(
            f"{source.label} has no removable channels in these layers"
            f"{f' ({why})' if why else ''}: choose other --layers, or --structure weight"
        )
    if why:
        log.info("%s: these keep their channels: %s", source.label, why)
    return Candidates(tuple(free), selected, reasons)


def amounts_of_channels(
    source: Checkpoint,
    candidates: Candidates,
    amount: Amount,
    config: PruneConfig,
    measured: "Measurements | None" = None,
) -> Amounts:
    """The amounts of the groups' channels; every group keeps at least one.

    Args:
        measured: measures the network, for budgets and scopes that need it.

    Raises:
        UsageError: layers that make the same channels have different shares, a name matches no removable channel, or
            a budget cannot be reached.
    """
    named = _named_shares(source, candidates, config)
    usual = _share_of(amount)
    asked = {
        group.name: named.get(group.name, usual or 0.0)
        for group in candidates.groups
        if group.name in named or usual is not None
    }
    units = tuple(
        Unit(group.name, group.size, (group.size,), max(1, least(group.size, config.min_keep)))
        for group in candidates.groups
        if group.name in asked
    )
    own = {unit.name: round(named[unit.name] * unit.size) for unit in units if unit.name in named}
    total = Sparsity(sum(own.values()) / max(1, sum(unit.size for unit in units)))
    budget: Budget = amount if isinstance(amount, Sparsity) else total
    if isinstance(amount, Remaining):
        fewest = {unit.name: unit.least for unit in units}
        counts = _not_counted if measured is None else measured.multiply_adds
        budget = remaining(source, candidates.groups, amount, counts, fewest, config.latency_table)
    context = Context() if measured is None else Context(grams=partial(measured.of_groups, candidates.groups))
    return Amounts(units, own, SCOPES.parse(config.scope), budget, asked, context)


def _share_of(amount: Amount) -> float | None:
    """The share that a record calls ``requested``: of channels, or of a budget's cost; None: each layer has its own."""
    if isinstance(amount, Remaining):
        return round(1 - amount.left, 12)
    return amount.removed if isinstance(amount, Sparsity) else None


def _named_shares(source: Checkpoint, candidates: Candidates, config: PruneConfig) -> dict[str, float]:
    """The shares of ``--layer-sparsity`` by group; a layer gets the share of its last match."""
    by_tensor: dict[str, float] = {}
    makers = {part.tensor for group in candidates.groups for part in group.producers}
    for pattern, share in config.layer_sparsity:
        matched = {layer.tensor for layer in select(source, pattern, option=_OPTION)} & candidates.selected
        if not matched & makers:
            why = few(sorted({candidates.reasons.get(tensor, "they make none of their own") for tensor in matched}))
            raise UsageError(
                f"{_OPTION} {pattern}={share:g}: no channel of these layers can be removed"
                f"{f' ({why})' if why else ': --layers leaves them out'}: name other layers"
            )
        by_tensor |= dict.fromkeys(matched, share)
    by_group: dict[str, float] = {}
    for group in candidates.groups:
        given = {part.tensor: by_tensor[part.tensor] for part in group.producers if part.tensor in by_tensor}
        if len(set(given.values())) > 1:
            pairs = few([f"{layer_name(tensor)} {share:g}" for tensor, share in given.items()])
            raise UsageError(
                f"{_OPTION} gives different shares to layers that make the same channels ({pairs}): give them one share"
            )
        if given:
            by_group[group.name] = next(iter(given.values()))
    return by_group
